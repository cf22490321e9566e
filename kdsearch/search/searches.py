"""The two searches of a study: the one for its winner, and a small one for the best setting without teacher."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Literal

from kdsearch.ledger.choice import searched
from kdsearch.ledger.records import ConfigurationRecord
from kdsearch.ledger.records import SearchRun
from kdsearch.ledger.views import SearchState
from kdsearch.search.budget import runs_left
from kdsearch.search.evidence import by_pool
from kdsearch.search.evidence import settings_of
from kdsearch.search.policy import Setting
from kdsearch.search.standing import budgets
from kdsearch.search.standing import without_space

SearchKind = Literal["searched", "without"]
TITLES: Mapping[SearchKind, str] = {"searched": "search", "without": "search without teacher"}
_LETTERS: Mapping[SearchKind, str] = {"searched": "c", "without": "w"}


@dataclass(frozen=True)
class Part:
    """One of the searches as far as it is: the ``budget`` that is its own, its runs, and its settings in order."""

    kind: SearchKind
    budget: Mapping[str, Any]
    runs: list[SearchRun]
    records: list[ConfigurationRecord]
    settings: list[Setting]

    @property
    def left(self) -> int | None:
        """How many more runs it may order; ``None`` where no number limits them."""
        return runs_left(self.budget, self.runs)

    @property
    def ordered(self) -> int:
        """How many runs it has ordered and not taken back."""
        return sum(run.state != "cancelled" for run in self.runs)

    @property
    def weight(self) -> float:
        """Its budget as a number, to compare with the other's."""
        return next(float(value) for value in (self.budget.get(n) for n in ("runs", "hours", "gpu_hours")) if value)

    @property
    def following(self) -> int:
        """The number of its next setting."""
        return 1 + max((int(row.name[1:]) for row in self.records if row.origin == "sampler"), default=-1)

    def name(self, number: int) -> str:
        """The name of its n-th setting: ``c0``, ``w0``."""
        return f"{_LETTERS[self.kind]}{number}"


def has_without(settings: Mapping[str, Any]) -> bool:
    """Whether a study of these settings searches without teacher too: it has a share, and something left to search."""
    return float(settings.get("without") or 0) > 0 and bool(without_space(settings))


def shares_of(settings: Mapping[str, Any]) -> dict[SearchKind, Mapping[str, Any]]:
    """The budget of each search that a study of these settings has."""
    if not has_without(settings):
        return {"searched": settings.get("budget") or {}}
    main, without = budgets(settings)
    return {"searched": main, "without": without}


def searches(state: SearchState) -> list[Part]:
    """The search, and the one without teacher where the study has it."""
    search = by_pool(state)["search"]
    parts = []
    for kind, budget in shares_of(state.study.settings).items():
        runs = [run for run in search if searched(state.configurations, run, kind)]
        parts.append(Part(kind, budget, runs, *settings_of(state.configurations, runs, kind)))
    return parts


def dealt(parts: Sequence[Part], wanted: int) -> dict[SearchKind, int]:
    """How many of so many further runs each search gets: the one behind its share gets the next (Sainte-Lague)."""
    asked = {part.kind: part.ordered for part in parts}
    counts: dict[SearchKind, int] = {part.kind: 0 for part in parts}
    most = {part.kind: wanted if part.left is None else part.left for part in parts}
    for _ in range(wanted):
        free = [part for part in parts if counts[part.kind] < most[part.kind]]
        if not free:
            break
        behind = min(free, key=lambda part: (asked[part.kind] + counts[part.kind] + 0.5) / part.weight)
        counts[behind.kind] += 1
    return counts
