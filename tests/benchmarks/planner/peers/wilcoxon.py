"""TPE with Optuna's WilcoxonPruner: a setting's seeds end early when the best setting beats it on the same seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kdsearch.search.policies.base import Further, Leader, New, Pick, Setting
from kdsearch.space import Range

from .counts import asked, complete_params, highest_mean, raw_mean
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

    def choose(self, settings: Sequence[Setting], wanted: int) -> list[Pick]:
        """The next seed of each running trial that waits for none, then new trials."""
        self._read(settings)
        running = dict.fromkeys(run.position for run in self._memory.running(settings))
        free = [p for p in running if asked(settings[p]) < self.seeds and not settings[p].pending]
        picks: list[Pick] = [Further(position) for position in free[:wanted]]
        picks += [New(self._memory.propose()) for _ in range(wanted - len(picks))]
        self._memory.sent(settings, picks)
        return picks

    def leader(self, settings: Sequence[Setting]) -> Leader:
        """Optuna's best trial; before there is one, the highest raw mean."""
        self._read(settings)
        best = self._memory.best()
        return highest_mean(settings) if best is None else Leader(*best)

    def _read(self, settings: Sequence[Setting]) -> None:
        """Report the seeds that have ended, and tell the trials that are through or pruned."""
        for run in self._memory.running(settings):
            setting = settings[run.position]
            reported = self._reported.setdefault(run.trial.number, set())
            fresh = sorted(index for index in setting.objectives.keys() - reported if index < self.seeds)
            news = {index: setting.objectives[index] for index in fresh}
            reported.update(news)
            pruned = bool(news) and self._memory.report(run, news)
            if pruned or (complete_params(setting) >= self.seeds and run.seed not in setting.pending):
                self._memory.tell(run, raw_mean(setting))
