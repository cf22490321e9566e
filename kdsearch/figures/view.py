"""A study as figures look at it: the runs that count, what the search believes of them, and its model."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from kdsearch.figures.surface import FEWEST, Share, Surface
from kdsearch.ledger.records import RunRecord, StudyResults
from kdsearch.report.comparisons import Comparisons, compare
from kdsearch.report.configurations import Compared, compared
from kdsearch.report.selection import Selection, select
from kdsearch.report.units import Units
from kdsearch.report.wording import fixed
from kdsearch.search.ranking import Standing
from kdsearch.space import Dimension, active_values
from kdsearch.statistics.float_errors import usual_float_errors
from kdsearch.tasks.base import Scalar


@dataclass(frozen=True)
class View:
    """All figures of a study share one, so that runs are chosen and models fitted once.

    Before the winner is chosen no figure may show a test score: ``decided`` says whether one may.
    """

    selection: Selection
    _read: dict[int, Mapping[str, Scalar]] = field(default_factory=dict)

    @property
    def decided(self) -> bool:
        """Whether the winner is chosen, so that results on fresh seeds may be shown."""
        return not self.selection.searching

    @property
    def sign(self) -> float:
        """1, or -1 where lower is better."""
        return self.selection.study.sign

    @property
    def winner_id(self) -> int | None:
        """Id of the winner, ``None`` before the choice."""
        return self.selection.study.winner_id

    @property
    def objective(self) -> str:
        """What a run is judged by in the search."""
        return f"validation {self.metric}" if self.selection.has_scores else self.metric

    @property
    def result(self) -> str:
        """What a run on a fresh seed is judged by."""
        return f"test {self.selection.study.metric}" if self.selection.has_scores else self.metric

    @property
    def metric(self) -> str:
        """The metric's own name."""
        return self.selection.study.metric

    @cached_property
    def standings(self) -> list[Standing]:
        """Searched configurations with results, best posterior mean first, those with one seed last."""
        return self.selection.standings()

    @cached_property
    def compared(self) -> list[Compared]:
        """What is compared on fresh seeds: the winner first; empty before the choice."""
        return compared(self.selection) if self.decided else []

    @cached_property
    def comparisons(self) -> Comparisons:
        """The winner against each of them."""
        return compare(self.selection)

    @cached_property
    def units(self) -> Units:
        """What counts once among fresh seeds."""
        return Units.of(self.selection)

    @cached_property
    def surface(self) -> Surface | None:
        """The model of the search over its space; ``None`` where too few runs have ended."""
        return Surface.of(self.selection, self.standings)

    @cached_property
    def importance(self) -> list[Share]:
        """How much each searched number matters, the largest share first; empty without a model."""
        return [] if self.surface is None else self.surface.importance()

    @property
    def no_model(self) -> str:
        """Why there is no ``surface``, in a sentence."""
        if not self.space:
            return "Nothing is searched."
        if len({run.configuration_id for run in self.search_runs}) >= FEWEST:
            return "All results are equal: there is nothing to model."
        return f"Fewer than {FEWEST} configurations have results: too few for a model."

    @property
    def model_note(self) -> str:
        """What is to be known of the model beside its figures."""
        known = len({run.configuration_id for run in self.search_runs})
        modelled = 0 if self.surface is None else len(self.surface.units)
        said = f"The model is of {modelled:,} of {known:,} configurations, the best among them."
        return said if modelled < known else ""

    @property
    def no_result(self) -> str:
        """Why no result on fresh seeds may be shown, in a sentence."""
        if self.selection.study.phase == "finished":
            return "The study ended without a winner: there is no result."
        return "No winner is chosen yet: results on fresh seeds are not shown before."

    def fixed(self, value: float, *, signed: bool = False) -> str:
        """A value of the metric for a sentence."""
        return fixed(value, self.selection.digits, signed=signed)

    @cached_property
    def search_runs(self) -> list[RunRecord]:
        """Ended search runs of searched configurations in the order in which they ended."""
        runs = [run for run in self.selection.of_search() if self.selection.objective(run) is not None]
        return sorted(runs, key=lambda run: (run.finished_at is None, run.finished_at, run.id))

    def leading(self, most: int) -> list[Standing]:
        """So many of ``standings``, the winner always among them."""
        rows = self.standings[:most]
        late = [row for row in self.standings[most:] if row.id == self.winner_id]
        return [*rows[: most - len(late)], *late]

    @cached_property
    def space(self) -> Mapping[str, Dimension]:
        """What is searched."""
        return self.selection.study.settings.space

    def read(self, configuration_id: int) -> Mapping[str, Scalar]:
        """The searched numbers of a configuration that its runs read; one whose condition does not hold is none."""
        if configuration_id not in self._read:
            values = active_values(self.space, self.selection.configurations[configuration_id].params)
            self._read[configuration_id] = {name: value for name, value in values.items() if name in self.space}
        return self._read[configuration_id]

    def fresh_objectives(self, configuration_id: int) -> list[float]:
        """Objectives on fresh seeds, by seed; none before the choice."""
        return self.selection.objectives(configuration_id, "confirm") if self.decided else []

    def name(self, configuration_id: int) -> str:
        """A configuration's name; the winner is called so too."""
        name = self.selection.name(configuration_id)
        return f"{name} (winner)" if configuration_id == self.winner_id else name


_views: dict[int, tuple[weakref.ref[StudyResults], View]] = {}


def view(results: StudyResults, *, mix_code: bool | None = None) -> View:
    """The view of these very results: made once, and kept as long as they are.

    ``mix_code``: whether runs of all versions of the code count (see ``report.selection.select``); by default as the
    last one who said.
    """
    place = id(results)
    kept = _views.get(place)
    if kept is not None and kept[0]() is results and mix_code in (None, kept[1].selection.mixed):
        return kept[1]
    with usual_float_errors():
        made = View(select(results, mix_code=bool(mix_code)))
    _views[place] = weakref.ref(results, lambda _: _views.pop(place, None)), made
    return made


def thinned(items: Sequence[RunRecord], most: int) -> Sequence[RunRecord]:
    """At most so many of them, evenly taken: a figure of all runs of a large study is slow and shows no more."""
    if len(items) <= most:
        return items
    return [items[place * len(items) // most] for place in range(most)]
