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
    """``Pooled`` with a joint posterior that counts all runs in flight of a setting in two updates, and is made once.

    Its covariance is that of ``Pooled`` but for rounding: ``n`` runs of noise variance ``v`` tell what one of ``v / n``
    does. Where no setting has two runs in flight, all answers are the same; elsewhere the random proposals differ. It
    stands apart from ``Pooled`` so that the searches stored by ``tests.benchmarks.planner``, of one run in flight, stay
    searches of the present text.
    """

    _last_view: tuple[list[Setting], _View] | None = None

    def _view(self, settings: Sequence[Setting], picked: Sequence[Pick]) -> _View:
        """See ``Pooled._view``; without picks, the one of these very settings is kept for the next question."""
        if not picked and self._last_view is not None and _same(self._last_view[0], settings):
            return replace(self._last_view[1])  # a copy: counting a run gives it another covariance
        view = super()._view([_once(row) for row in settings], picked)
        for position, name in enumerate(view.names):
            more = len(settings[name].pending) - 1 if name < len(settings) else 0
            if more > 0:
                view.covariance = after_run(view.covariance, position, view.noise / more)
        if not picked:
            self._last_view = list(settings), replace(view)
        return view


def _once(row: Setting) -> Setting:
    """The setting with at most one run in flight."""
    return replace(row, pending=frozenset({min(row.pending)})) if len(row.pending) > 1 else row


def _same(before: Sequence[Setting], now: Sequence[Setting]) -> bool:
    """Whether these are the same objects: a setting never changes, but a list of them may."""
    return len(before) == len(now) and all(map(is_, before, now))
