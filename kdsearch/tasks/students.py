"""What all tasks of the common loop do alike: train a run alone, or students together. Importing it loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import cast

from kdsearch.tasks.base import Layout
from kdsearch.tasks.base import Population
from kdsearch.tasks.base import Role
from kdsearch.tasks.base import RunContext
from kdsearch.tasks.base import RunRequest
from kdsearch.tasks.base import RunResult

if TYPE_CHECKING:
    from kdsearch.tasks.bench import Trained

_ROOMS = ("tasks", "training", "distillation", "models", "data", "metrics", "counter.py", "torchvision_shim.py")


class TrainsStudents:
    """The methods that a task of the common loop need not write, see ``Trained``, ``Task`` and ``TrainsTogether``."""

    def sources(self) -> Sequence[Path]:
        """The rooms and files that a run's result depends on."""
        root = Path(__file__).resolve().parent.parent
        return [root / room for room in _ROOMS]

    def train(self, request: RunRequest, context: RunContext) -> RunResult:
        """Train one run, continuing a checkpoint found in the workspace."""
        from kdsearch.tasks.alone import train

        return train(self._trained, request, context)

    def restarts_of(self, role: Role) -> tuple[int, ...]:
        """See ``Looped``."""
        return ()

    def together(self, request: RunRequest) -> bool:
        """Students train together, but for large networks and where the teacher answers each batch by itself."""
        return request.role == "student" and self._stacks

    def layouts(self, device: str) -> Sequence[Layout]:
        """See ``TrainsTogether``."""
        from kdsearch.tasks.width import layouts

        return layouts(device) if self._stacks else [Layout(1)]

    def seconds_a_step(self, layout: Layout, device: str) -> float:
        """See ``TrainsTogether``."""
        from kdsearch.tasks.width import seconds_a_step

        return seconds_a_step(self._trained, layout, device)

    def population_key(self, device: str) -> str:
        """See ``TrainsTogether``."""
        from kdsearch.tasks.width import population_key

        return population_key(self._trained, device)

    def population(self, layout: Layout, device: str) -> Population:
        """See ``TrainsTogether``."""
        from kdsearch.tasks.population import Form
        from kdsearch.tasks.population import StudentPopulation

        return StudentPopulation(self._trained, device, layout.width, cast("Form", layout.form))

    @property
    def _trained(self) -> Trained:
        return cast("Trained", self)

    @property
    def _stacks(self) -> bool:
        task = self._trained
        large = task.recompute or task.micro_batch is not None or task.precision != "float32"
        return not large and "teacher_train_mode" not in task.quirks
