"""``kdsearch doctor``: does everything that a study needs work here?"""

from __future__ import annotations

import importlib
import platform
import shutil
from collections.abc import Callable

from kdsearch import environment
from kdsearch.cli.common import Data, Storage
from kdsearch.errors import KdsearchError


def doctor(data: Data = None, storage: Storage = None) -> None:
    """Check Python packages, database, devices, data and disk.

    The exit code is 1 when something is broken.
    """
    checks: list[tuple[str, Callable[[], str]]] = [
        ("python", lambda: platform.python_version()),
        ("torch", _torch),
        ("torchvision", _torchvision),
        ("optuna", lambda: _version("optuna")),
        ("ray", lambda: _version("ray")),
        ("database", lambda: _database(storage)),
        ("devices", _devices),
        ("data", _data),
        ("disk", _disk),
    ]
    broken = 0
    for name, check in checks:
        try:
            print(f"ok      {name}: {check()}")
        except Exception as error:
            broken += 1
            print(f"BROKEN  {name}: {error}")
    if broken:
        raise SystemExit(1)


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
    from kdsearch.engines.devices import cores, gpus

    return f"{cores()} CPU cores, GPUs: {', '.join(gpus()) or 'none'}"


def _data() -> str:
    from kdsearch.data import available

    rows = available(environment.data_root())
    return "; ".join(f"{row.name} {row.modality}: {row.clips} {_counted(row.modality)}, {row.where}" for row in rows)


def _counted(modality: str) -> str:
    return "images" if modality == "images" else "clips"


def _disk() -> str:
    free = shutil.disk_usage(environment.home()).free
    if free < 2**30:
        raise KdsearchError(f"{free / 2**20:.0f} MiB free below {environment.home()}; a study wants 1 GiB")
    return f"{free / 2**30:.0f} GiB free below {environment.home()}"
