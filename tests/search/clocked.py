"""A study's planner on a virtual clock: a ledger in memory, workers, and the seconds that each kind of run takes."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from support import settings_of

import kdsearch as kd
from kdsearch.ledger.orders import CancelRun, NewConfiguration, NewRun
from kdsearch.ledger.queries import SearchState
from kdsearch.ledger.records import ConfigurationRecord, SearchRun, StudyRecord
from kdsearch.search.planner import StudyPlanner

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clocked:
    """A study in its search phase with ``workers`` that are never out of work while a run waits.

    ``seconds``: what a run takes, by the kind of its configuration and its number among all. Orders are applied as the
    ledger does; ``cancelled`` counts runs taken back, ``again`` those that were then ordered anew.
    """

    def __init__(self, study: kd.Study, workers: int, seconds: Callable[[str, int], float]) -> None:
        settings = settings_of(study).changed(teachers="given")
        record = StudyRecord(
            1, study.name, "search", {"seed": 0, "vary": None}, settings, "", "objective", 0.0, "data", START, version=2
        )
        self.state = SearchState(record, {}, ())
        self.planner = StudyPlanner(study, workers)
        self.workers, self.seconds = workers, seconds
        self.now, self.cancelled, self.again, self.started = 0.0, 0, 0, 0
        self.training: list[tuple[float, int, float]] = []

    def run(self) -> None:
        """Until the planner chooses a winner."""
        while self._plan():
            self._claim()
            if not self.training:
                raise AssertionError("nothing trains, and the planner neither orders nor ends")
            end, id_, seconds = heapq.heappop(self.training)
            self.now = end
            self._change(id_, state="done", objective=0.5, seconds=seconds, finished_at=START + timedelta(seconds=end))

    def trained(self) -> dict[str, float]:
        """Seconds that the runs of each kind have trained."""
        total: Counter[str] = Counter()
        for run in self.state.runs:
            total[self.kind(run)] += run.seconds or 0.0  # type: ignore[assignment]
        return dict(total)

    def kind(self, run: SearchRun) -> str:
        """Of the run's configuration."""
        return self.state.configurations[run.configuration_id].kind

    def _plan(self) -> bool:
        for _ in range(50):
            orders = self.planner.plan(self.state)
            if any(order.__class__.__name__ == "ChooseWinner" for order in orders):
                return False
            if not orders:
                return True
            configurations = dict(self.state.configurations)
            ids = {(row.kind, row.name): row.id for row in configurations.values()}
            for order in orders:
                if isinstance(order, NewConfiguration):
                    ids[order.kind, order.name] = id_ = len(configurations) + 1
                    row = ConfigurationRecord(id_, order.kind, order.name, order.params, order.origin)
                    configurations[id_] = row
            self.state = replace(self.state, configurations=configurations)
            for order in orders:
                if isinstance(order, CancelRun):
                    self.cancelled += 1
                    self._change(order.run_id, state="cancelled")
            for order in orders:
                if isinstance(order, NewRun):
                    self._order(order, ids)
        raise AssertionError("the planner orders and takes back without end")

    def _order(self, order: NewRun, ids: Mapping[tuple[str, str], int]) -> None:
        target = order.configuration if isinstance(order.configuration, int) else ids[order.configuration]
        same = [run for run in self.state.runs if (run.configuration_id, run.seed) == (target, order.seed)]
        if same:
            assert same[0].state == "cancelled", "a run is ordered twice"
            self.again += 1
            self._change(same[0].id, state="queued")
            return
        run = SearchRun(len(self.state.runs) + 1, target, order.pool, order.seed, "queued", None, fold=order.fold)
        self.state = replace(self.state, runs=(*self.state.runs, run))

    def _claim(self) -> None:
        waiting = [run for run in self.state.runs if run.state == "queued"]
        for run in waiting[: self.workers - len(self.training)]:
            seconds = self.seconds(self.kind(run), self.started)
            self.started += 1
            self._change(run.id, state="leased", attempt=1)
            heapq.heappush(self.training, (self.now + seconds, run.id, seconds))

    def _change(self, id_: int, **values: object) -> None:
        runs = list(self.state.runs)
        runs[id_ - 1] = replace(runs[id_ - 1], **values)  # type: ignore[arg-type]
        self.state = replace(self.state, runs=tuple(runs))
