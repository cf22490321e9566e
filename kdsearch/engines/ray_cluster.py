"""A Ray cluster that a launch uses: connected to, or started on this machine, with the study file on all nodes."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import shlex
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdsearch.engines.devices import cores
from kdsearch.engines.helper_modules import helper_modules
from kdsearch.engines.slot_keeper import GRACE_SECONDS
from kdsearch.engines.study_file import LoadedStudy
from kdsearch.errors import KdsearchError
from kdsearch.ledger.database import Database
from kdsearch.values import is_number

_ANSWER_SECONDS = 10.0
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1000000000",
    "TUNE_FORCE_TRIAL_CLEANUP_S": str(int(GRACE_SECONDS + 10)),
}


@dataclass(frozen=True)
class RayOptions:
    """Which Ray cluster, and what a worker takes of it.

    ``address``: as ``ray.init`` takes it; ``None``: ``RAY_ADDRESS``, else a cluster of its own on this machine.
    """

    address: str | None = None
    cpus_per_worker: float = 1.0
    gpus_per_worker: float = 0.0

    def __post_init__(self) -> None:
        shares = (self.cpus_per_worker, self.gpus_per_worker)
        if not all(is_number(share) and math.isfinite(share) and share >= 0 for share in shares) or not any(shares):
            raise KdsearchError(
                f"a worker on Ray takes some CPUs or GPUs, as numbers from 0 on; got cpus_per_worker={shares[0]!r}, "
                f"gpus_per_worker={shares[1]!r}"
            )

    def fitting(self, resources: Mapping[str, float]) -> int:
        """How many workers these resources of Ray take."""
        shares = {"CPU": self.cpus_per_worker, "GPU": self.gpus_per_worker}
        # Shares are added up in Ray in steps of a ten-thousandth.
        return int(min((resources.get(kind, 0.0) / each + 1e-6 for kind, each in shares.items() if each), default=0))


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that this process is connected to; ``own``: it was started for this launch, on this machine."""

    options: RayOptions
    workers: int
    nodes: int
    own: bool
    address: str

    def described(self) -> str:
        """In words, for the header of a launch."""
        where = "one of its own on this machine" if self.own else f"that at {self.address}"
        return f"Ray cluster: {where}, {_count(self.nodes, 'node')}, {_count(self.workers, 'worker')}"


@contextlib.contextmanager
def connected(loaded: LoadedStudy, options: RayOptions, workers: int | None, database: Database) -> Iterator[Cluster]:
    """Connect to a cluster, or start one on this machine, and let Ray send the study file to its nodes.

    ``workers``: ``None`` for as many as fit now. Raises ``KdsearchError`` where there is no cluster, where no worker
    fits in, or where its nodes cannot reach the database.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    if workers == 0:
        raise KdsearchError("expected a worker or more on Ray; to plan and train nothing: --engine local --workers 0")
    if ray.is_initialized():
        raise KdsearchError("this process is connected to Ray already; call ray.shutdown() before the launch")
    address = options.address or os.environ.get("RAY_ADDRESS") or None
    with tempfile.TemporaryDirectory(prefix="kdsearch-ray-") as folder:
        _pack(loaded, Path(folder))
        environment = {"working_dir": folder, **interpreter_environment()}
        given: dict[str, Any] = {}
        if address is None:
            wanted = math.ceil(options.cpus_per_worker * (workers or 1))
            given = {"num_cpus": max(cores(), wanted), "include_dashboard": False}
        try:
            _check_answers(address)
            ray.init(address or "local", runtime_env=environment, log_to_driver=False, logging_level="ERROR", **given)
        except (OSError, ValueError, RuntimeError) as error:
            raise KdsearchError(
                f"no Ray cluster answers at {address or 'this machine'}: {first_line(error)}"
            ) from error
        logging.getLogger("ray").setLevel(logging.CRITICAL)  # a node that dies is no traceback of ours
        try:
            yield _measured(options, workers, own=address is None, database=database)
        finally:
            ray.shutdown()


def _check_answers(address: str | None) -> None:
    """Raise ``OSError`` where nobody listens at ``HOST:PORT``: Ray itself would ask for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit() and "://" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()


def _measured(options: RayOptions, workers: int | None, *, own: bool, database: Database) -> Cluster:
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]
    elsewhere = sorted({node["NodeManagerHostname"] for node in alive} - {socket.gethostname()})
    if database.embedded and elsewhere:
        raise KdsearchError(
            f"the embedded database serves this machine alone, and the cluster has nodes on {', '.join(elsewhere)}. "
            "Name a PostgreSQL server that all nodes reach, with --storage or KDSEARCH_STORAGE"
        )
    resources = ray.cluster_resources()
    workers = options.fitting(resources) if workers is None else workers
    if not max((options.fitting(node["Resources"]) for node in alive), default=0):
        raise KdsearchError(
            f"no node of the cluster has room for a worker, which takes {options.cpus_per_worker:g} CPUs and "
            f"{options.gpus_per_worker:g} GPUs (--cpus-per-worker, --gpus-per-worker); all nodes together have "
            f"{resources.get('CPU', 0):g} CPUs and {resources.get('GPU', 0):g} GPUs"
        )
    return Cluster(options, workers, len(alive), own, ray.get_runtime_context().gcs_address)


def interpreter_environment() -> dict[str, str]:
    """The ``runtime_env`` that Ray needs if the interpreter's path has to be quoted in a shell; usually empty.

    Ray starts its workers through a shell and quotes their arguments, but not the path of the interpreter.
    """
    quoted = shlex.quote(sys.executable)
    return {} if quoted == sys.executable else {"py_executable": quoted}


def _pack(loaded: LoadedStudy, folder: Path) -> None:
    """Copy the study file and the modules beside it that it imports into a folder that Ray sends to all nodes."""
    beside = loaded.path.parent
    files = {loaded.path.name: loaded.path.read_bytes()}
    files |= helper_modules([loaded.path, *loaded.study.task.sources()], beside)
    teacher = loaded.study.teacher_file if loaded.study.teacher is not None else None
    if teacher is not None and teacher.resolve().is_relative_to(beside):
        files[teacher.resolve().relative_to(beside).as_posix()] = teacher.read_bytes()
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def first_line(error: BaseException) -> str:
    """Kind and first line of an exception."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
