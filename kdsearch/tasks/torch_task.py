"""What all tasks of the common loop do alike: train a run alone, or students together. Importing it loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, cast

from kdsearch.data.folds import FIRST, Fold
from kdsearch.errors import StudyFileError
from kdsearch.tasks.base import Layout, Population, Role, RunContext, RunRequest, RunResult

if TYPE_CHECKING:
    from kdsearch.tasks.workload import Trained, Workload

TeacherRecipe = Literal["last", "averaged", "nested", "validation"]
TEACHER_RECIPES: dict[TeacherRecipe, str] = {
    "last": "the last epoch counts and nothing is chosen; a rate that would fall by plateaus falls by a cosine to 0",
    "averaged": "a constant rate and the mean of the weights at evaluations after half the epochs; nothing is chosen",
    "nested": "the epoch is chosen on clips that are held out of what lies outside the fold",
    "validation": "the epoch is chosen on the clips that validate the students: older studies, one split for all runs",
}
"""How a teacher's weights come about, by name."""


def check_recipe(given: str | None, folds: int) -> None:
    """Raise ``StudyFileError`` for a recipe that is none, or that chooses on the clips which validate students."""
    if given is None:
        return
    if given not in TEACHER_RECIPES:
        raise StudyFileError(f"teacher_recipe is one of {', '.join(TEACHER_RECIPES)}, got {given!r}")
    if (given == "validation") == bool(folds):
        fitting = [name for name in TEACHER_RECIPES if (name == "validation") != bool(folds)]
        data = "folds" if folds else "validation="
        how = f"data with {data} take {' or '.join(map(repr, fitting))}"
        raise StudyFileError(f"teacher_recipe={given!r}: {how}")


def _before_folds(data: Any, validation: float | None) -> Any:
    if not hasattr(data, "before_folds"):
        return data
    return data.before_folds() if validation is None else data.before_folds(validation)


class _WithData(Protocol):
    """What these tasks have beside ``Trained``."""

    data: Any

    def with_options(self, **options: Any) -> Any: ...


def _resolve(entry_point: str) -> Any:
    module, name = entry_point.split(":")
    return getattr(import_module(module), name)


_ROOMS = ("tasks", "training", "distillation", "models", "data", "metrics", "counter_rng.py", "torchvision_compat.py")


class TorchTask:
    """The methods that a task of the common loop need not write, see ``Trained``, ``Task`` and ``TrainsTogether``.

    ``workload`` and ``trainer`` are entry points, ``module:name``: what makes a workload of ``(task, role, device,
    fold)``, and what trains one run of ``(task, request, context)``. They are resolved when they are needed, so that a
    declaration imports no torch.
    """

    workload: ClassVar[str]
    trainer: ClassVar[str] = "kdsearch.tasks.runner:train"

    def sources(self) -> Sequence[Path]:
        """The rooms and files that a run's result depends on."""
        root = Path(__file__).resolve().parent.parent
        return [root / room for room in _ROOMS]

    def train(self, request: RunRequest, context: RunContext) -> RunResult:
        """Train one run, continuing a checkpoint found in the workspace."""
        result: RunResult = _resolve(self.trainer)(self, request, context)
        return result

    def make_workload(self, role: Role, device: str, fold: Fold = FIRST) -> Workload:
        """The task's data and networks for ``role`` on ``device``; the process keeps the data for the next run."""
        workload: Workload = _resolve(self.workload)(self, role, device, fold)
        return workload

    def restarts_of(self, role: Role) -> tuple[int, ...]:
        """See ``Looped``."""
        return ()

    def average_after(self, role: Role) -> int | None:
        """See ``Looped``."""
        averages = role == "teacher" and self.recipe == "averaged"
        return self._trained.epochs_of(role) // 2 if averages else None

    @property
    def folds(self) -> int:
        """Parts of the train list, each of which validates in turn; 0 where one split stands for all runs."""
        return int(getattr(self._with_data.data, "folds", 0) or 0)

    def before_folds(self, validation: float | None = None) -> Any:
        """The task as studies were stored before data had folds: one split for all runs, of this share of the list."""
        recipe = {"teacher_recipe": None} if hasattr(self, "teacher_recipe") else {}
        return self._with_data.with_options(data=_before_folds(self._with_data.data, validation), **recipe)

    def query_groups(self) -> list[int] | None:
        """The source group of each test query; ``None``: each is its own."""
        groups = getattr(self._with_data.data, "query_groups", lambda: None)()
        return None if groups is None else [int(group) for group in groups]

    @property
    def recipe(self) -> TeacherRecipe:
        """How the study's teacher is trained; where nothing is said, nothing of it is chosen on what validates."""
        given: TeacherRecipe | None = getattr(self, "teacher_recipe", None)
        return given or ("last" if self.folds else "validation")

    def described(self, teacher: str | None = None) -> str:
        """The description where the study is given its teacher in a file of this name; ``None``: it trains its own."""
        return self._trained.description

    def recipe_words(self, teacher: str | None) -> str:
        """What a description adds of where the teacher comes from; nothing of older studies'."""
        if teacher is not None:
            return f", from {teacher}"
        return {
            "last": ", last epoch",
            "averaged": ", averaged weights",
            "nested": ", epoch chosen on clips held out of its own",
            "validation": "",
        }[self.recipe]

    @property
    def streams(self) -> str:
        """The random streams that follow a run's seed by drawing its fold and its teacher, ready to be joined."""
        if not self.folds:
            return ""
        return "+split+teacher" if self._trained.has_teacher else "+split"

    def chooses(self, role: Role) -> str:
        """See ``Looped``."""
        if role == "teacher" and self.recipe in ("last", "averaged"):
            return "epoch"
        return "score" if "best_epoch_on_test" in self._trained.quirks else "objective"

    def together(self, request: RunRequest) -> bool:
        """Students train together, but for large networks and where the teacher answers each batch by itself."""
        return request.role == "student" and self._stacks

    def layouts(self, device: str) -> Sequence[Layout]:
        """See ``TrainsTogether``."""
        from kdsearch.tasks.layouts import layouts

        return layouts(device) if self._stacks else [Layout(1)]

    def seconds_a_step(self, layout: Layout, device: str) -> float:
        """See ``TrainsTogether``."""
        from kdsearch.tasks.layouts import seconds_a_step

        return seconds_a_step(self._trained, layout, device)

    def population_key(self, device: str) -> str:
        """See ``TrainsTogether``."""
        from kdsearch.tasks.layouts import population_key

        return population_key(self._trained, device)

    def population(self, layout: Layout, device: str) -> Population:
        """See ``TrainsTogether``."""
        from kdsearch.tasks.runner import Form, StudentPopulation

        return StudentPopulation(self._trained, device, layout.width, cast("Form", layout.form))

    @property
    def _trained(self) -> Trained:
        return cast("Trained", self)

    @property
    def _with_data(self) -> _WithData:
        return cast("_WithData", self)

    @property
    def _stacks(self) -> bool:
        task = self._trained
        large = task.recompute or task.micro_batch is not None or task.precision != "float32"
        return not large and "teacher_train_mode" not in task.quirks
