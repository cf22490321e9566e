"""The planner's policy where far more runs are in flight than settings: a decision does not take longer for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import is_

from kdsearch.search.acquisition import after_run
from kdsearch.search.policy import Pick
from kdsearch.search.policy import Setting
from kdsearch.search.pooled import Pooled
from kdsearch.search.pooled import _View


class Ahead(Pooled):
    """``Pooled`` whose posterior counts the runs in flight of a setting in two updates, once for two questions.

    All answers are those of ``Pooled`` but for rounding: ``n`` runs of noise variance ``v`` tell what one of ``v / n``
    does. It keeps the posterior from the question whether to end for the next one, what comes next. It stands apart
    (and knows ``_View``) so that ``Pooled`` stays the text that ``tests.benchmarks.planner`` has stored searches of.
    """

    _kept: tuple[list[Setting], _View] | None = None

    def choose(self, settings: Sequence[Setting], wanted: int) -> list[Pick]:
        """See ``Policy.choose``."""
        picks = super().choose(settings, wanted)
        self._kept = None  # ten thousand settings and a matrix: not for longer than they serve
        return picks

    def _view(self, settings: Sequence[Setting], picked: Sequence[Pick]) -> _View:
        """See ``Pooled._view``."""
        if self._kept is not None and not picked and _same(self._kept[0], settings):
            return replace(self._kept[1])  # a copy: counting a run gives it another covariance
        view = super()._view([_once(row) for row in settings], picked)
        for position, name in enumerate(view.names):
            more = len(settings[name].pending) - 1 if name < len(settings) else 0
            if more > 0:
                view.covariance = after_run(view.covariance, position, view.noise / more)
        if not picked:
            self._kept = list(settings), replace(view)
        return view


def _once(row: Setting) -> Setting:
    """The setting with at most one run in flight, and as many seeds spent: random proposals follow from that number."""
    first = frozenset({min(row.pending)}) if len(row.pending) > 1 else row.pending
    return row if first is row.pending else replace(row, pending=first, failed=row.failed | (row.pending - first))


def _same(before: Sequence[Setting], now: Sequence[Setting]) -> bool:
    """Whether these are the same objects: a setting never changes, but a list of them may."""
    return len(before) == len(now) and all(map(is_, before, now))
