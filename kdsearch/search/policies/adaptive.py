"""The planner's policy: one model of all runs, and one worth for new configurations and further seeds alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import is_

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from typing_extensions import override

from kdsearch.search.gp.acquisition import after_run, augmented_improvement, expected_gain
from kdsearch.search.gp.candidates import propose
from kdsearch.search.gp.encoding import Encoding
from kdsearch.search.gp.model import Model, Models
from kdsearch.search.gp.priors import REPORTING_PRIOR, SEARCH_PRIOR, Prior
from kdsearch.search.gp.sobol import sobol
from kdsearch.search.policies.base import Configuration, Further, Leader, New, Pick, PosteriorSummary, Search
from kdsearch.search.policies.subset import MODELLED, broken_in, equal, imputed, levelled, modelled, ordered
from kdsearch.space import Dimension

Floats = NDArray[np.float64]
_Counts = tuple[tuple[int, int], ...]

VERSION = 1
"""Version of the policy, in whichever file: raise it when the same observations lead to other runs or estimates.

The searches that ``tests.benchmarks.planner`` has stored are void then, and take hours to measure anew. They stay as
they are, and so does this number, where they re-run to the same figures; a test re-runs a few of them.
"""

START = 10  # configurations of a Sobol sequence with one seed each; fewer where the budget is below four times that
SECOND = 5  # of these get a second, the best: without repeats, noise and a configuration's own part look alike
CONTENDERS = 60  # known configurations that may get a further seed
STRIDE, SEEDS = 64, 900_000  # between the first seeds of two configurations, at least; how many the search may use


@dataclass
class JointView:
    """Configurations that may get a run, in one joint posterior: known ones, then those in flight, then new ones.

    ``names``: positions of the first of them among all configurations; the others are ``fresh [p, d]``. ``noise``:
    variance of a run. All in standardised units, of which one is ``scale`` of the objective.
    """

    mean: Floats
    covariance: Floats
    names: list[int]
    fresh: Floats
    noise: float
    scale: float

    def run(self, position: int, runs: int = 1) -> None:
        """Count so many runs as made, their values unknown: ``n`` of variance ``v`` tell what one of ``v / n`` does."""
        self.covariance = after_run(self.covariance, position, self.noise / runs)


class AdaptivePolicy(Search):
    """Gaussian process over all runs with augmented expected improvement; its leader has the highest posterior mean.

    ``seed`` makes the proposals; ``budget``: runs that the search has in all, where that is known. ``common_seeds``:
    let all configurations have the same seeds. By default each has its own: one seed may do the same to all
    configurations of a neighbourhood, which a model of neighbours would take for the truth. ``folds``: how many folds
    the seeds take in turn; first seeds of configurations meet them in turn too, and what a fold does to all
    configurations is an effect of its own in the model. Between calls it keeps hyperparameters to start from, and from
    the question what is left to gain the posterior for the next one, what comes next. Picks may differ from a fresh
    object's by those hyperparameters, summaries of a fresh object do not.
    """

    prunes = True
    exhausted = "the space holds no further configuration"

    def __init__(
        self,
        space: Mapping[str, Dimension],
        seed: int,
        budget: int | None = None,
        *,
        common_seeds: bool = False,
        folds: int = 1,
    ) -> None:
        if folds < 1:
            raise ValueError(f"expected one fold or more, got {folds}")
        self.common_seeds = common_seeds
        self.folds = folds
        self.encoding = Encoding(space)
        self.seed = seed
        self.start = START if budget is None else max(2, min(START, budget // 4))
        self.second = min(SECOND, self.start)
        self.most = MODELLED if budget is None else budget // 4
        self._searching = self._models(SEARCH_PRIOR)
        self._last: dict[Prior, tuple[_Counts, Model, Floats]] = {}
        self._kept: tuple[list[Configuration], JointView] | None = None

    @override
    def choose(self, tried: Sequence[Configuration], wanted: int) -> list[Pick]:
        # First a start without a model, then the runs of highest worth.
        picks = self._start(tried, wanted)
        if len(picks) < wanted and sum(bool(row.objectives) for row in tried) >= 2:
            view = self.joint_view(tried, picks)
            picks += self._unproven(view, tried)
            picks += self._greedy(view, len(tried) + _new(picks), wanted - len(picks))
        self._kept = None  # ten thousand configurations and a matrix: not for longer than they serve
        return picks

    @override
    def summaries(self, tried: Sequence[Configuration]) -> list[PosteriorSummary]:
        known = modelled(tried, self.seed, self.folds)
        if not known:
            return []
        model, _ = self.model(tried, known)
        mean, sd = model.posterior.mean, model.posterior.sd
        order = ordered(tried, known, mean)
        gap, error = model.posterior.against(int(order[0]))
        better, excess = ndtr(gap / error), self._optimism(tried, known, int(order[0]))
        return [
            PosteriorSummary(known[i], model.raw(float(mean[i])) - excess, model.scale * float(sd[i]), float(better[i]))
            for i in order
        ]

    @override
    def leader(self, tried: Sequence[Configuration]) -> Leader:
        known = modelled(tried, self.seed, self.folds)
        if not known:
            raise ValueError("no configuration has a result yet")
        model, _ = self.model(tried, known)
        best = int(ordered(tried, known, model.posterior.mean)[0])
        stated = model.raw(float(model.posterior.mean[best])) - self._optimism(tried, known, best)
        return Leader(known[best], stated)

    def _optimism(self, tried: Sequence[Configuration], known: list[int], best: int) -> float:
        """How far the searching mean of the leader, at ``best`` in ``known``, lies above its reporting one.

        It is taken off all that is stated: the order stays that of the choice, and what is said of the winner is what
        a prior says that expects nothing special of it.
        """
        searching, _ = self.model(tried, known)
        reporting, _ = self.model(tried, known, REPORTING_PRIOR)
        return searching.raw(float(searching.posterior.mean[best])) - reporting.raw(
            float(reporting.posterior.mean[best])
        )

    @override
    def gain_left(self, tried: Sequence[Configuration]) -> float | None:
        """Expected best of known and 100 new configurations, less the mean of what would win now.

        Not known before some configurations have two seeds, nor where all runs are equal: then there is no scale.
        """
        known = modelled(tried, self.seed, self.folds)
        values = [value for i in known for value in tried[i].objectives.values()]
        if sum(len(row.objectives) >= 2 for row in tried) < self.second or equal(values):
            return None
        view = self.joint_view(tried, [])
        self._kept = list(tried), view
        may_win = [place for place, i in enumerate(view.names) if i < len(tried) and len(tried[i].objectives) >= 2]
        if not may_win:
            return None
        leader = float(view.mean[may_win].max())
        return view.scale * expected_gain(view.mean, view.covariance, self._draws(tried, 1), leader)

    def _start(self, tried: Sequence[Configuration], wanted: int) -> list[Pick]:
        """The first configurations, then second seeds: for the best of them, or for any while no result is in.

        While nothing is known, idle workers get new configurations too, as many as the budget bears. Those of which
        every run failed make room for others: they will have no result.
        """
        first, ended = len(tried), [i for i, row in enumerate(tried) if row.objectives]
        most = self.start if len(ended) >= 2 else max(self.start, self.most)
        lost = sum(not row.objectives and not row.pending for row in tried)
        fresh = sobol(self.encoding, self.seed, [row.params for row in tried], min(most - first + lost, wanted))
        picks: list[Pick] = [New(params, self.first_seed(first + i)) for i, params in enumerate(fresh)]
        counts = [len(row.objectives) + len(row.pending) for row in tried]
        waiting = [i for i, row in enumerate(tried) if row.pending] if len(ended) < 2 else []
        seconds = min(self.second - sum(count >= 2 for count in counts), wanted - len(picks))
        if seconds <= 0:
            return picks
        once = [i for i in dict.fromkeys([*ended, *waiting]) if counts[i] == 1]
        level = levelled(tried, self.folds)
        once.sort(key=lambda i: -max(level[i].objectives.values(), default=-math.inf))
        if len(ended) < 2:
            once += range(first, first + len(fresh))
        return [*picks, *(Further(i) for i in once[:seconds])]

    def joint_view(self, tried: Sequence[Configuration], picked: Sequence[Pick]) -> JointView:
        """The joint posterior, with runs in flight and those ``picked`` before counted as made.

        A configuration of which every run failed counts as one with the worst value seen: its neighbours may fail too.
        It gets no further run.
        """
        if self._kept is not None and not picked and _same(self._kept[0], tried):
            return replace(self._kept[1])  # a copy: counting a run gives it another covariance
        broken = broken_in(tried)
        tried = imputed(tried, broken, self.folds)
        known = modelled(tried, self.seed, self.folds)
        model, units = self.model(tried, known)
        flying = [i for i, row in enumerate(tried) if not row.objectives and row.pending]
        started = [pick.params for pick in picked if isinstance(pick, New)]
        waiting = self.encoding.unit([*(tried[i].params for i in flying), *started])
        fresh = propose(self.encoding, units, model.posterior.mean, waiting, self._draws(tried, 0))
        points = np.concatenate([waiting, fresh])
        rows = self._contenders(model, tried, known, broken)
        mean, covariance = model.posterior.joint(
            rows, self.encoding.squared(units, points), self.encoding.squared(points, points)
        )
        names = [*(known[row] for row in rows), *flying, *(len(tried) + i for i in range(len(started)))]
        view = JointView(mean, covariance, names, fresh, model.noise_variance, model.scale)
        repeated = Counter(pick.position for pick in picked if isinstance(pick, Further))
        for position, name in enumerate(names):
            pending = len(tried[name].pending) if name < len(tried) else 1
            if runs := pending + repeated[name]:
                view.run(position, runs)
        return view

    def _unproven(self, view: JointView, tried: Sequence[Configuration]) -> list[Pick]:
        """A second seed for the configuration of the highest mean, where it has but one: till then it leads nobody."""
        ended = [place for place, i in enumerate(view.names) if i < len(tried) and tried[i].objectives]
        if not ended:
            return []
        best = max(ended, key=lambda place: float(view.mean[place]))
        row = tried[view.names[best]]
        if len(row.objectives) + len(row.pending) > 1:
            return []
        view.run(best)
        return [Further(view.names[best])]

    def _greedy(self, view: JointView, following: int, wanted: int) -> list[Pick]:
        """The run of highest worth, counted as made, then the next; ``following``: position of the next new one."""
        place = dict(enumerate(view.names))
        picks: list[Pick] = []
        for _ in range(wanted):
            sd = np.sqrt(np.maximum(np.diag(view.covariance), 1e-12))
            evaluated = np.fromiter(place, dtype=np.intp)
            reference = view.mean[evaluated[np.argmax((view.mean - sd)[evaluated])]]
            best = int(np.argmax(augmented_improvement(view.mean, sd, float(reference), view.noise**0.5)))
            if best in place:
                picks.append(Further(place[best]))
            else:
                params = self.encoding.params(view.fresh[best - len(view.names)])
                picks.append(New(params, self.first_seed(following)))
                place[best] = following
                following += 1
            view.run(best)
        return picks

    def _contenders(
        self, model: Model, tried: Sequence[Configuration], known: list[int], broken: frozenset[int]
    ) -> NDArray[np.intp]:
        """Configurations of the highest upper bounds, but none ``broken``, and all that have runs in flight."""
        upper = model.posterior.mean + 2 * model.posterior.sd
        best = [row for row in np.argsort(-upper, kind="stable").tolist() if known[row] not in broken][:CONTENDERS]
        flying = [row for row, i in enumerate(known) if tried[i].pending]
        return np.array(list(dict.fromkeys([*best, *flying])), dtype=np.intp)

    def model(
        self, tried: Sequence[Configuration], known: list[int], prior: Prior = SEARCH_PRIOR
    ) -> tuple[Model, Floats]:
        """The posterior of the known configurations and their coordinates; the last one is kept for the next question.

        The reporting one is asked for seldom, after the searching one, and fitted from nothing but that.
        """
        counts = tuple((i, len(tried[i].objectives)) for i in known)
        if prior not in self._last or self._last[prior][0] != counts:
            units = self.encoding.unit([tried[i].params for i in known])
            squared = self.encoding.squared(units, units)
            models = self._searching if prior == SEARCH_PRIOR else self._models(prior, self._searching)
            self._last[prior] = counts, models.of([tried[i].objectives for i in known], squared), units
        return self._last[prior][1:]

    def _models(self, prior: Prior, beside: Models | None = None) -> Models:
        """Models of this search that have not seen a run."""
        return Models(len(self.encoding.names), prior, beside, folds=self.folds)

    @property
    @override
    def shares_seeds(self) -> bool:
        return self.common_seeds

    @override
    def first_seed(self, number: int) -> int:
        """Where the seeds of the n-th configuration begin: with fold n mod K, also where they wrap."""
        stride = self.folds * -(-STRIDE // self.folds)
        return 0 if self.common_seeds else (number * stride + number % self.folds) % (SEEDS - SEEDS % self.folds)

    def _draws(self, tried: Sequence[Configuration], purpose: int) -> np.random.Generator:
        """Random numbers that the ledger's state alone decides."""
        asked = sum(len(row.objectives) + len(row.pending) + len(row.failed) for row in tried)
        return np.random.default_rng([self.seed, len(tried), asked, purpose])


def _same(before: Sequence[Configuration], now: Sequence[Configuration]) -> bool:
    """Whether these are the same objects: a configuration never changes, but a list of them may."""
    return len(before) == len(now) and all(map(is_, before, now))


def _new(picks: Sequence[Pick]) -> int:
    return sum(isinstance(pick, New) for pick in picks)
