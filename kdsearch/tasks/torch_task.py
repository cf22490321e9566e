"""What all tasks of the common loop declare and do alike: options, recipe, schedule, identity. Loads no torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

from typing_extensions import override

from kdsearch.data.folds import FIRST, Fold
from kdsearch.errors import StudyFileError
from kdsearch.tasks.base import (
    VARY,
    Layout,
    Population,
    Role,
    RunContext,
    RunRequest,
    RunResult,
    Scalar,
    Task,
    TrainsTogether,
)
from kdsearch.tasks.identity import evaluation_fingerprint, with_weights
from kdsearch.tasks.options import OPTIMIZER_NAMES, NetworkOptions, Options, ScheduleName, check_names, check_whole

if TYPE_CHECKING:
    from torch import nn

    from kdsearch.tasks.workload import Workload
    from kdsearch.training.schedules import Schedule
    from kdsearch.training.steppers import Precision

TeacherRecipe = Literal["last", "averaged", "nested", "validation"]
TEACHER_RECIPES: dict[TeacherRecipe, str] = {
    "last": "the last epoch counts and nothing is chosen; a rate that would fall by plateaus falls by a cosine to 0",
    "averaged": "a constant rate and the mean of the weights at evaluations after half the epochs; nothing is chosen",
    "nested": "the epoch is chosen on clips that are held out of what lies outside the fold",
    "validation": "the epoch is chosen on the clips that validate the students: older studies, one split for all runs",
}
"""How a teacher's weights come about, by name."""

STAGES_FROM_BEST = "stages_from_best"
"""Quirk: each stage of the teacher's schedule begins at the best epoch so far, with a new optimizer."""

_RENAMED = {"recompute": "activation_checkpointing"}
"""Options by the name that studies were declared with before; identities go on to use it."""
_STORED = {new: old for old, new in _RENAMED.items()}
_ROOMS = ("tasks", "training", "distillation", "models", "data", "metrics", "counter_rng.py", "torchvision_compat.py")


class TorchTask(Task, TrainsTogether):
    """A task whose runs the common loop trains; a frozen dataclass with a field for each option below.

    ``workload`` and ``trainer`` are entry points, ``module:name``: what makes a workload of ``(task, role, device,
    fold)``, and what trains one run of ``(task, request, context)``. They are resolved when they are needed, so that a
    declaration imports no torch. ``defaults``: the parameters with their defaults. ``known_quirks``: what originals do
    and the task does not, unless asked to by name. ``added_later``: options that studies stored before them do not
    name, with the value that changes nothing, at which the identity leaves them out. ``idle_without_teacher``:
    parameters that only matter where a teacher's term has a weight.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    workload: ClassVar[str]
    trainer: ClassVar[str] = "kdsearch.tasks.runner:train"
    defaults: ClassVar[Mapping[str, Scalar]]
    known_quirks: ClassVar[Mapping[str, str]]
    idle_without_teacher: tuple[str, ...]
    added_later: ClassVar[Mapping[str, Any]] = {"teacher_recipe": None}

    data: Any
    teacher: Any
    student: Any
    batch: int
    epochs: int
    evaluate_every: int
    reductions: int
    optimizer: str
    quirks: tuple[str, ...]
    precision: Precision
    activation_checkpointing: bool
    micro_batch: int | None
    learning_rate: float | None
    weight_decay: float | None = None
    schedule_name: ScheduleName = "plateau"
    milestones: tuple[int, ...] = ()
    factor: float = 0.1
    teacher_recipe: TeacherRecipe | None = None

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """A new task; ``StudyFileError`` for an option by a name that it had before, with the name it has now."""
        _refuse_renamed(options)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        given: Any = self.quirks  # a bare name or a list in place of a tuple is what people write
        object.__setattr__(self, "quirks", tuple(sorted({given} if isinstance(given, str) else {*given})))
        check_names("quirk", self.quirks, tuple(self.known_quirks))
        check_names("optimizer", [self.optimizer], OPTIMIZER_NAMES)
        check_names("precision", [self.precision], ("float32", "bfloat16"))
        for name, least in (("batch", 2), ("epochs", 1), ("evaluate_every", 1), ("reductions", 0)):
            check_whole(name, getattr(self, name), least)
        if self.micro_batch is not None:
            check_whole("micro_batch", self.micro_batch, 2)
        for name in ("learning_rate", "weight_decay"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise StudyFileError(f"{name} must be a number, got {value!r}")
        self._check_recipe()

    def _check_recipe(self) -> None:
        """Refuse a recipe that is none, or that chooses on the clips which validate students."""
        given, folds = self.teacher_recipe, self.folds
        if given is None:
            return
        if given not in TEACHER_RECIPES:
            raise StudyFileError(f"teacher_recipe is one of {', '.join(TEACHER_RECIPES)}, got {given!r}")
        if (given == "validation") == bool(folds):
            fitting = [name for name in TEACHER_RECIPES if (name == "validation") != bool(folds)]
            data = "folds" if folds else "validation="
            how = f"data with {data} take {' or '.join(map(repr, fitting))}"
            raise StudyFileError(f"teacher_recipe={given!r}: {how}")

    # What the task is, in words and as JSON.

    @property
    @override
    def label(self) -> str:
        label: str = self.data.label
        return label

    @property
    @override
    def description(self) -> str:
        return self.described()

    def described(self, teacher: str | None = None) -> str:
        """The description where the study is given its teacher in a file of this name; ``None``: it trains its own."""
        quirks = [f"as the original: {self.known_quirks[quirk]}" for quirk in self.quirks]
        return "; ".join([self.data.description, *self.words(teacher), *quirks])

    @abstractmethod
    def words(self, teacher: str | None) -> list[str]:
        """What a description says between data and quirks; ``teacher`` as in :meth:`described`."""

    @property
    @override
    def chance(self) -> float:
        return self.chances[0]

    @property
    @abstractmethod
    def chances(self) -> tuple[float, float]:
        """The metric of a model that has learnt nothing, on validation and on test; from labels and lists alone."""

    def chances_of(self, role: Role) -> tuple[float, float]:
        """Objective and score of a network of ``role`` that has learnt nothing."""
        return self.chances

    @property
    @override
    def parameters(self) -> Mapping[str, Scalar]:
        own = {"learning_rate": self.learning_rate, "weight_decay": self.weight_decay}
        vary = {VARY: f"{self.defaults[VARY]}{self.streams}"}
        return {**self.defaults, **vary, **{name: value for name, value in own.items() if value is not None}}

    @property
    def streams(self) -> str:
        """The random streams that follow a run's seed by drawing its fold and its teacher, ready to be joined."""
        if not self.folds:
            return ""
        return "+split+teacher" if self.has_teacher else "+split"

    def _stored_options(self) -> dict[str, Any]:
        """The options as JSON values, by the names that identities have for them."""
        options = {_STORED.get(field.name, field.name): to_json(getattr(self, field.name)) for field in fields(self)}
        usual = self.added_later
        return {name: value for name, value in options.items() if name not in usual or value != usual[name]}

    @override
    def fingerprint(self) -> str:
        return with_weights(self.data.fingerprint(), self.weights)

    @property
    def weights(self) -> list[str | None]:
        """Pretrained weights of all networks."""
        options = [getattr(self, field.name) for field in fields(self)]
        return [option.weights for option in options if isinstance(option, Options)]

    def evaluation_fingerprint(self) -> str:
        """Hash of what objectives and scores are measured on, see :mod:`kdsearch.tasks.identity`."""
        return evaluation_fingerprint(self.data, self.metric, self.quirks)

    @override
    def sources(self) -> Sequence[Path]:
        root = Path(__file__).resolve().parent.parent
        return [root / room for room in _ROOMS]

    @override
    def with_options(self, **options: Any) -> Self:
        """The same task with some options changed; those of a network are merged into what is there."""
        _refuse_renamed(options)
        check_names(f"option of {type(self).__name__}", options, tuple(field.name for field in fields(self)))
        for name, value in options.items():
            there, given = getattr(self, name), value.given() if isinstance(value, NetworkOptions) else value
            if isinstance(there, Options) and isinstance(given, Mapping):
                options[name] = there.given() | dict(given)
        return replace(self, **options)

    # Data and folds.

    @property
    def folds(self) -> int:
        """Parts of the train list, each of which validates in turn; 0 where one split stands for all runs."""
        return int(getattr(self.data, "folds", 0) or 0)

    def before_folds(self, validation: float | None = None) -> Self:
        """The task as studies were stored before data had folds: one split for all runs, of this share of the list."""
        recipe = {"teacher_recipe": None} if "teacher_recipe" in {field.name for field in fields(self)} else {}
        given = () if validation is None else (validation,)
        data = self.data.before_folds(*given) if hasattr(self.data, "before_folds") else self.data
        return self.with_options(data=data, **recipe)

    def query_groups(self) -> list[int] | None:
        """The source group of each test query; ``None``: each is its own."""
        groups = getattr(self.data, "query_groups", lambda: None)()
        return None if groups is None else [int(group) for group in groups]

    # How a run of a role is trained.

    @abstractmethod
    def network(self, role: Role) -> Options:
        """Options of the teacher's or the student's network."""

    @abstractmethod
    def build_teacher(self) -> nn.Module:
        """The teacher's network, drawn from torch's default generator, without pretrained weights."""

    def check_teacher(self, path: Path) -> None:
        """Raise ``DataError`` unless the file holds the weights of this task's teacher."""
        from kdsearch.tasks.frozen import load_state

        load_state(self.build_teacher(), path)

    def own_recipe(self, role: Role) -> Options | None:
        """The options of a network that may have a recipe of its own: a teacher's."""
        return self.network(role) if role == "teacher" and self.has_teacher else None

    def optimizer_of(self, role: Role) -> str:
        """One of ``training.optimizers``."""
        own = self.own_recipe(role)
        return (own and own.optimizer) or self.optimizer

    def epochs_of(self, role: Role) -> int:
        """Epochs at most."""
        own = self.own_recipe(role)
        return (own and own.epochs) or self.epochs

    def teacher_params(self) -> Mapping[str, Scalar]:
        """Parameters in which the teacher's recipe differs from the task's defaults."""
        own = self.own_recipe("teacher")
        return {} if own is None else {name: value for name, value in own.given().items() if name in self.defaults}

    @property
    def recipe(self) -> TeacherRecipe:
        """How the study's teacher is trained; where nothing is said, nothing of it is chosen on what validates."""
        return self.teacher_recipe or ("last" if self.folds else "validation")

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

    def chooses(self, role: Role) -> str:
        """The column of the curve whose best epoch is chosen, see ``Recipe.choose``."""
        if role == "teacher" and self.recipe in ("last", "averaged"):
            return "epoch"
        return "score" if "best_epoch_on_test" in self.quirks else "objective"

    def restarts_of(self, role: Role) -> tuple[int, ...]:
        """Epochs after which a run goes on from its best weights so far, its optimizer made anew; mostly none."""
        return self._milestones(role) if role == "teacher" and STAGES_FROM_BEST in self.quirks else ()

    def average_after(self, role: Role) -> int | None:
        """The epoch after which weights are averaged, see ``Recipe.average_after``; mostly none."""
        return self.epochs_of(role) // 2 if role == "teacher" and self.recipe == "averaged" else None

    def schedule(self, role: Role, params: Mapping[str, Scalar]) -> Schedule:
        """What sets a run's learning rate and may end it; a teacher that looks at no objective has no plateau."""
        from kdsearch.training.schedules import Cosine, Plateau, StepDecay

        name, rate = self._schedule_name(role), float(params["learning_rate"])
        if role == "teacher" and self.recipe == "averaged":
            return StepDecay(rate, milestones=())
        if name == "plateau":
            late = "plateau_on_running_best" in self.quirks
            return Plateau(
                rate,
                int(params["patience"]),
                reductions=self.reductions,
                plateau_input="best_before" if late else "current",
            )
        if name == "cosine":
            return Cosine(rate, self.epochs_of(role))
        return StepDecay(rate, milestones=self._milestones(role), factor=self.factor)

    def _schedule_name(self, role: Role) -> ScheduleName:
        own = self.own_recipe(role)
        name = (own and own.schedule) or self.schedule_name
        # A plateau is one of the objective, on clips that the teacher of a fold may not look at.
        return "cosine" if role == "teacher" and name == "plateau" and self.recipe == "last" else name

    def _milestones(self, role: Role) -> tuple[int, ...]:
        """Epochs after which the rate falls by steps; none for another schedule."""
        own = self.own_recipe(role)
        if self._schedule_name(role) != "steps":
            return ()
        return self.milestones if own is None or own.milestones is None else own.milestones

    def make_workload(self, role: Role, device: str, fold: Fold = FIRST) -> Workload:
        """The task's data and networks for ``role`` on ``device``; the process keeps the data for the next run."""
        return cast("Workload", _resolve(self.workload)(self, role, device, fold))

    @override
    def train(self, request: RunRequest, context: RunContext) -> RunResult:
        return cast("RunResult", _resolve(self.trainer)(self, request, context))

    # Populations. Their modules know this class, hence the entry points.

    @property
    def stacks(self) -> bool:
        """Whether students train together: not large networks, nor where the teacher runs anew for each batch."""
        large = self.activation_checkpointing or self.micro_batch is not None or self.precision != "float32"
        return not large and "teacher_train_mode" not in self.quirks

    @override
    def trains_together(self, request: RunRequest) -> bool:
        return request.role == "student" and self.stacks

    @override
    def layouts(self, device: str) -> Sequence[Layout]:
        if not self.stacks:
            return [Layout(1)]
        return cast("Sequence[Layout]", _resolve("kdsearch.tasks.layouts:layouts")(device))

    @override
    def seconds_a_step(self, layout: Layout, device: str) -> float:
        return cast("float", _resolve("kdsearch.tasks.layouts:seconds_a_step")(self, layout, device))

    @override
    def population_key(self, device: str) -> str:
        return cast("str", _resolve("kdsearch.tasks.layouts:population_key")(self, device))

    @override
    def population(self, layout: Layout, device: str) -> Population:
        make = _resolve("kdsearch.tasks.runner:StudentPopulation")
        return cast("Population", make(self, device, layout.width, layout.form))


def _refuse_renamed(options: Mapping[str, Any]) -> None:
    for old, new in _RENAMED.items():
        if old in options:
            raise StudyFileError(f"the option {old} is named {new}: write {new}={options[old]!r} in its place")


def _resolve(entry_point: str) -> Any:
    module, name = entry_point.split(":")
    return getattr(import_module(module), name)


def to_json(value: Any) -> Any:
    """JSON values of an option: data and networks tell their own identity."""
    if hasattr(value, "identity"):
        return value.identity()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    return [to_json(part) for part in value] if isinstance(value, tuple | list) else value
