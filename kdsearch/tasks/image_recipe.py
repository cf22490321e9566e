"""How long, by which optimizer and at which learning rates the networks of an image task train; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import ClassVar

from kdsearch.tasks.base import Role
from kdsearch.tasks.base import Scalar
from kdsearch.tasks.classifier_options import ClassifierOptions
from kdsearch.tasks.classifier_options import ScheduleName

if TYPE_CHECKING:
    from kdsearch.tasks.students import TeacherRecipe
    from kdsearch.training.schedules import Schedule

STAGES_FROM_BEST = "stages_from_best"
"""Quirk: each stage of the teacher's schedule begins at the best epoch so far, with a new optimizer."""


class ImageRecipe:
    """The task's recipe, and that of a network of another role where its options have one of their own."""

    defaults: ClassVar[Mapping[str, Scalar]]
    epochs: int
    optimizer: str
    schedule_name: ScheduleName
    milestones: tuple[int, ...]
    factor: float
    reductions: int
    quirks: tuple[str, ...]

    if TYPE_CHECKING:

        @property
        def recipe(self) -> TeacherRecipe:
            """How a teacher's weights come about, see ``TrainsStudents``."""

    def recipe_of(self, role: Role) -> ClassifierOptions | None:
        """The options of a network that has a recipe of its own."""
        return None

    def optimizer_of(self, role: Role) -> str:
        """See ``Trained``."""
        own = self.recipe_of(role)
        return (own and own.optimizer) or self.optimizer

    def epochs_of(self, role: Role) -> int:
        """See ``Trained``."""
        own = self.recipe_of(role)
        return (own and own.epochs) or self.epochs

    def restarts_of(self, role: Role) -> tuple[int, ...]:
        """See ``Looped``."""
        return self._milestones(role) if role == "teacher" and STAGES_FROM_BEST in self.quirks else ()

    def teacher_numbers(self) -> Mapping[str, Scalar]:
        """See ``Trained``."""
        own = self.recipe_of("teacher")
        return {} if own is None else {name: value for name, value in own.given().items() if name in self.defaults}

    def schedule(self, role: Role, params: Mapping[str, Scalar]) -> Schedule:
        """See ``Trained``."""
        from kdsearch.training.schedules import Cosine
        from kdsearch.training.schedules import Plateau
        from kdsearch.training.schedules import StepDecay

        name, rate = self._schedule_name(role), float(params["learning_rate"])
        if role == "teacher" and self.recipe == "averaged":
            return StepDecay(rate, milestones=())
        if name == "plateau":
            return Plateau(rate, int(params["patience"]), reductions=self.reductions)
        if name == "cosine":
            return Cosine(rate, self.epochs_of(role))
        return StepDecay(rate, milestones=self._milestones(role), factor=self.factor)

    def _schedule_name(self, role: Role) -> ScheduleName:
        own = self.recipe_of(role)
        name = (own and own.schedule) or self.schedule_name
        # A plateau is one of the objective, on clips that the teacher of a fold may not look at.
        return "cosine" if role == "teacher" and name == "plateau" and self.recipe == "last" else name

    def _milestones(self, role: Role) -> tuple[int, ...]:
        """Epochs after which the rate falls by steps; none for another schedule."""
        own = self.recipe_of(role)
        if self._schedule_name(role) != "steps":
            return ()
        return self.milestones if own is None or own.milestones is None else own.milestones
