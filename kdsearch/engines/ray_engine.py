"""The Ray engine: Ray Tune keeps worker slots on the nodes of a cluster, the ledger alone knows the runs.

A trial of Tune is a slot: its actor starts in seconds and trains many runs. Nothing is searched or stored by Ray.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune
from typing_extensions import override

from kdsearch import environment
from kdsearch.engines.coordinator import Coordinator, Progress
from kdsearch.engines.ray_cluster import Cluster, first_line
from kdsearch.engines.ray_slot import SlotOrder, WorkerSlot, installed_version
from kdsearch.engines.slot_keeper import GRACE_SECONDS
from kdsearch.errors import KdsearchError
from kdsearch.ledger.database import Database
from kdsearch.ledger.storage_url import check_url, has_secret

_HOPELESS_SECONDS = 20.0
_END_SECONDS = GRACE_SECONDS + 25.0


class RayEngine:
    """Runs a study on a cluster: the launcher plans, and Tune starts slots where nodes have room for them.

    ``say`` is told of nodes that cannot train, by name. A slot whose node dies starts again on another one.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        cluster: Cluster,
        study_file: Path,
        population: int | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.coordinator = coordinator
        self.cluster = cluster
        self.study_file = study_file
        self.population = population
        self.say = say
        self._stop = threading.Event()
        self._slots = _Slots(self._stop, cluster.workers)
        self._thread: threading.Thread | None = None
        self._fault: BaseException | None = None
        self._said: set[str] = set()

    def run(self, observe: Callable[[Progress], None] = lambda progress: None) -> None:
        """Work until the study is finished or stopped. On ``KeyboardInterrupt`` the workers hand back their runs."""
        try:
            self.coordinator.serve(observe, self._begin, self._watch)
        finally:
            self.stop()
        self.coordinator.finish()

    def stop(self) -> None:
        """Ask all workers to hand back what they hold."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_END_SECONDS)

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._fit, name="kdsearch-ray", daemon=True)
        self._thread.start()

    def _fit(self) -> None:
        """Let Tune run the slots until the study is over; in a thread, since the launcher plans meanwhile."""
        options, name = self.cluster.options, f"kdsearch-{uuid.uuid4().hex[:12]}"
        folder = environment.folder("ray")
        try:
            tune.Tuner(
                tune.with_resources(WorkerSlot, {"cpu": options.cpus_per_worker, "gpu": options.gpus_per_worker}),
                param_space={**self._order().config(), "slot": tune.grid_search(list(range(self.cluster.workers)))},
                tune_config=tune.TuneConfig(max_concurrent_trials=0, reuse_actors=False),
                run_config=tune.RunConfig(
                    name=name,
                    storage_path=str(folder),
                    stop=self._slots,
                    failure_config=tune.FailureConfig(max_failures=-1),
                    verbose=0,
                ),
            ).fit()
        except BaseException as error:
            self._fault = error
        finally:
            shutil.rmtree(folder / name, ignore_errors=True)

    def _order(self) -> SlotOrder:
        record = self.coordinator.record
        variables, withheld = _variables(self.coordinator.ledger.database)
        return SlotOrder(
            study=record.name,
            uid=str(record.uid),
            file=self.study_file.name,
            preset=self.coordinator.study.preset or "none",
            gpus=self.cluster.options.gpus_per_worker,
            population=self.population,
            workers=self.cluster.workers,
            version=installed_version(),
            variables=variables,
            withheld=withheld,
            overrides=dict(self.coordinator.study.overrides),
        )

    def _watch(self) -> None:
        """Say what keeps nodes from working; raise ``KdsearchError`` where Tune has ended, or no slot works."""
        for line in self._slots.problems():
            if line not in self._said:
                self._said.add(line)
                self.say(line)
                self.coordinator.ledger.log_event(self.coordinator.record.id, "slot", line)
        if self._thread is not None and not self._thread.is_alive() and not self._over():
            raise KdsearchError(
                f"the Ray cluster is gone: {first_line(self._fault) if self._fault else 'all slots have ended'}. "
                "Nothing is lost; the same command resumes the study, with any engine."
            )
        if self._slots.none_works():
            raise KdsearchError("no slot of the cluster can train:\n  " + "\n  ".join(self._slots.problems()))

    def _over(self) -> bool:
        return self.coordinator.ledger.study_by_id(self.coordinator.record.id).over


class _Slots(tune.Stopper):  # type: ignore[misc]
    """What Tune tells of the slots, and the word to stop them all."""

    def __init__(self, stop: threading.Event | None = None, workers: int = 0) -> None:
        self._stop = stop or threading.Event()
        self._workers = workers
        self._last: dict[str, dict[str, Any]] = {}
        self._hopeless_since: float | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _Slots, ()  # Tune writes a copy of it to its files

    @override
    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        self._last[trial_id] = {name: result[name] for name in ("node", "problem", "done")}
        return self._stop.is_set()

    @override
    def stop_all(self) -> bool:
        return self._stop.is_set()

    def problems(self) -> list[str]:
        """What keeps slots from working, each node named once."""
        last = list(self._last.values())
        return sorted({f"node {slot['node']}: {slot['problem']}" for slot in last if slot["problem"]})

    def none_works(self) -> bool:
        """Whether all slots have a problem: at once where all have been heard of, else after a while."""
        last = list(self._last.values())
        if not last or not all(slot["problem"] for slot in last):
            self._hopeless_since = None
            return False
        self._hopeless_since = self._hopeless_since or time.monotonic()
        return len(last) >= self._workers or time.monotonic() - self._hopeless_since > _HOPELESS_SECONDS


def _variables(database: Database) -> tuple[dict[str, str], bool]:
    """kdsearch's environment variables that may go through Ray, and whether the database's URL is left out of them."""
    names = (environment.DATA, environment.ARTIFACTS, environment.LEASE)
    passed = {name: os.environ[name] for name in names if os.environ.get(name)}
    storage = os.environ.get(environment.STORAGE, "")
    withheld = bool(storage) and not storage.startswith("@") and has_secret(check_url(storage))
    if storage and not withheld:
        passed[environment.STORAGE] = storage
    if database.embedded:
        passed[environment.HOME] = str(environment.home())
    return passed, withheld
