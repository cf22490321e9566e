"""The debug engine: plan, train and store in this process, one run after the other unless told otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable

from kdsearch.engines.coordinator import Coordinator, Progress
from kdsearch.engines.layouts import layout_for
from kdsearch.engines.population import make_worker
from kdsearch.engines.study_file import LoadedStudy

_SHOWN_EVERY = 0.5


class DebugEngine:
    """Runs a study where a debugger can follow it, and with no process to start."""

    def __init__(self, coordinator: Coordinator, loaded: LoadedStudy, device: str = "cpu", population: int = 1) -> None:
        self.coordinator = coordinator
        self.loaded = loaded
        self.device = device
        self.population = population

    def run(self, observe: Callable[[Progress], None] = lambda progress: None) -> None:
        """Work until the study is finished or stopped."""
        coordinator = self.coordinator
        observe(coordinator.tick())
        shown = time.monotonic()

        def advance() -> int:
            nonlocal shown
            if time.monotonic() - shown > _SHOWN_EVERY:
                shown = time.monotonic()
                observe(coordinator.tick())
            return coordinator.advance()

        layout = layout_for(self.loaded.study.task, self.device, self.population)
        worker = make_worker(
            coordinator.ledger, self.loaded, coordinator.record, layout, device=self.device, advance=advance
        )
        worker.run_until_finished(plan_every_batch=True)
        observe(coordinator.tick())
        coordinator.finish()
