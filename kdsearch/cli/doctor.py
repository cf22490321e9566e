"""``kdsearch doctor``: checks that everything that a study needs works on this machine."""

from __future__ import annotations

import importlib
import platform
import shutil
from collections.abc import Callable
from functools import partial

from kdsearch import environment
from kdsearch.cli.common import Data, Storage
from kdsearch.cli.output import say
from kdsearch.errors import KdsearchError


def doctor(data: Data = None, storage: Storage = None) -> None:
    """Check Python packages, database, devices, data and disk.

    The exit code is 1 if something is broken.
    """
    checks: dict[str, Callable[[], str]] = {
        "python": platform.python_version,
        "torch": _torch,
        "torchvision": _torchvision,
        "optuna": partial(_version, "optuna"),
        "ray": partial(_version, "ray"),
        "database": partial(_database, storage),
        "devices": _devices,
        "data": _data,
        "disk": _disk,
    }
    broken = False
    for name, check in checks.items():
        try:
            say(f"ok      {name}: {check()}")
        except Exception as error:
            broken = True
            say(f"BROKEN  {name}: {error}")
    raise SystemExit(int(broken))


def _version(module: str) -> str:
    return str(importlib.import_module(module).__version__)


def _torch() -> str:
    import torch

    return f"{torch.__version__}, cuda {'available' if torch.cuda.is_available() else 'not available'}"


def _torchvision() -> str:
    from kdsearch.torchvision_compat import import_torchvision

    return str(import_torchvision().__version__)


def _database(storage: str | None) -> str:
    import sqlalchemy as sa

    from kdsearch.ledger.ledger import Ledger

    ledger = Ledger.connect(storage, patience=5.0)
    with ledger.database.engine.connect() as connection:
        version = connection.execute(sa.text("SHOW server_version")).scalar()
    return f"PostgreSQL {version} at {ledger.database.rendered_url()}, {len(ledger.studies())} studies"


def _devices() -> str:
    import psutil

    from kdsearch.engines.devices import cores, gpus, slots
    from kdsearch.engines.limits import memory_limit

    there, limit = psutil.cpu_count() or cores(), memory_limit()
    cpus = f"{cores()} CPU cores" + (f" of {there}" if there != cores() else "")
    total = psutil.virtual_memory().total
    memory = f"{min(total, limit or total) / 2**30:.1f} GiB of memory"
    if limit is not None and limit < total:
        memory += f" of {total / 2**30:.1f}, by the limit of this container"
    places = slots()
    start = f"a launch starts {len(places)} worker{'' if len(places) == 1 else 's'} on {places[0].device}"
    return f"{cpus}, {memory}, GPUs: {', '.join(gpus()) or 'none'}; {start}"


def _data() -> str:
    from kdsearch.data import available

    return "; ".join(
        f"{row.name} {row.modality}: {row.clips} {'images' if row.modality == 'images' else 'clips'}, {row.where}"
        for row in available(environment.data_root())
    )


def _disk() -> str:
    free = shutil.disk_usage(environment.home()).free
    if free < 2**30:
        raise KdsearchError(f"{free / 2**20:.0f} MiB free in {environment.home()}; a study needs 1 GiB")
    return f"{free / 2**30:.0f} GiB free in {environment.home()}"
