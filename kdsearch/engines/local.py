"""The local engine: worker processes on this machine's cores or GPUs, watched by the launcher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from kdsearch.engines.coordinator import Coordinator, Progress
from kdsearch.engines.devices import Slot
from kdsearch.engines.slot_keeper import Deaths, SlotKeeper, end_all
from kdsearch.engines.worker_process import WorkerArguments


class LocalEngine:
    """Starts one process a slot, replaces those that die, and stops them all at the end.

    ``population``: how many runs each of them trains at once; ``None``: as many as are measured to be fastest.
    """

    def __init__(
        self, coordinator: Coordinator, slots: Sequence[Slot], study_file: Path, population: int | None = None
    ) -> None:
        self.coordinator = coordinator
        self.slots = slots
        self.study_file = study_file
        self.population = population
        self._keepers: list[SlotKeeper] = []

    def run(self, observe: Callable[[Progress], None] = lambda progress: None) -> None:
        """Work until the study is finished or stopped. On ``KeyboardInterrupt`` the workers hand back their runs."""
        ledger, record = self.coordinator.ledger, self.coordinator.record
        deaths = Deaths(ledger, record.id, len(self.slots))

        def begin() -> None:
            for slot in self.slots:
                self._keepers.append(SlotKeeper(ledger, record, slot, self._arguments(), deaths))
                self._keepers[-1].start()

        def watch() -> None:
            deaths.read()
            for keeper in self._keepers:
                if keeper.works:
                    keeper.watch()
                else:  # it ended with the study, which has been extended since
                    keeper.start()

        try:
            self.coordinator.serve(observe, begin, watch)
        finally:
            self.stop()
        self.coordinator.finish()

    def stop(self) -> None:
        """Ask all workers to hand back what they hold, and end those that do not answer."""
        keepers, self._keepers = self._keepers, []
        end_all(keepers)

    def _arguments(self) -> WorkerArguments:
        return WorkerArguments(
            study_file=str(self.study_file),
            preset=self.coordinator.study.preset or "none",
            population=self.population,
            overrides=dict(self.coordinator.study.overrides),
        )
