"""TPE with Optuna's WilcoxonPruner: a configuration's seeds end early when the best beats it on the same seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kdsearch.search.policies.base import Configuration, Further, Leader, New, Pick
from kdsearch.space import Range

from .counts import asked, highest_mean, raw_mean, settled
from .memory import Memory


class Wilcoxon:
    """As the documentation of ``optuna.pruners.WilcoxonPruner`` says, with its defaults (p < 0.1).

    A trial trains seed after seed, up to ``seeds``, and reports each with the seed's index as its step; when
    ``should_prune`` says so, the trial returns the mean of what it has instead of raising. Parallel runs are parallel
    trials. The leader is Optuna's best trial. The test needs four pairs to reach its level (one-sided, 1/16).
    """

    def __init__(self, space: Mapping[str, Range], seed: int, seeds: int = 5) -> None:
        import warnings

        from optuna.pruners import WilcoxonPruner
        from optuna.samplers import TPESampler

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # experimental since Optuna 3.6
            pruner = WilcoxonPruner()
        self._memory = Memory(space, TPESampler(seed=seed), pruner)
        self._reported: dict[int, set[int]] = {}
        self.seeds = seeds

    def choose(self, tried: Sequence[Configuration], wanted: int) -> list[Pick]:
        """The next seed of each running trial that waits for none, then new trials."""
        self._read(tried)
        running = dict.fromkeys(run.position for run in self._memory.running(tried))
        free = [p for p in running if asked(tried[p]) < self.seeds and not tried[p].pending]
        picks: list[Pick] = [Further(position) for position in free[:wanted]]
        picks += [New(self._memory.propose()) for _ in range(wanted - len(picks))]
        self._memory.sent(tried, picks)
        return picks

    def leader(self, tried: Sequence[Configuration]) -> Leader:
        """Optuna's best trial; before there is one, the highest raw mean."""
        self._read(tried)
        best = self._memory.best()
        return highest_mean(tried) if best is None else Leader(*best)

    def _read(self, tried: Sequence[Configuration]) -> None:
        """Report the seeds that have ended, and tell the trials that are through or pruned."""
        for run in self._memory.running(tried):
            setting = tried[run.position]
            reported = self._reported.setdefault(run.trial.number, set())
            fresh = sorted(index for index in setting.objectives.keys() - reported if index < self.seeds)
            news = {index: setting.objectives[index] for index in fresh}
            reported.update(news)
            pruned = bool(news) and self._memory.report(run, news)
            if pruned or (settled(setting) >= self.seeds and run.seed not in setting.pending):
                self._memory.tell(run, raw_mean(setting))
