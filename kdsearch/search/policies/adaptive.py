"""The planner's policy: one model of all runs, and one worth for new settings and further seeds alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import is_

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from kdsearch.search.gp.acquisition import after_run, augmented_improvement, expected_gain
from kdsearch.search.gp.candidates import propose
from kdsearch.search.gp.encoding import Encoding
from kdsearch.search.gp.model import Model, Models
from kdsearch.search.gp.priors import HOPEFUL, SCEPTICAL, Prior
from kdsearch.search.gp.sobol import sobol
from kdsearch.search.policies.base import Belief, Further, Leader, New, Pick, Setting
from kdsearch.search.policies.subset import MODELLED, broken_in, equal, imputed, levelled, modelled, ordered
from kdsearch.space import Dimension

Floats = NDArray[np.float64]
_Counts = tuple[tuple[int, int], ...]

VERSION = 1
"""Version of the policy, in whichever file: raise it when the same evidence leads to other runs or estimates.

The searches that ``tests.benchmarks.planner`` has stored are void then, and take hours to measure anew. They stay as
they are, and so does this number, where they re-run to the same figures; a test re-runs a few of them.
"""

START = 10  # settings of a Sobol sequence with one seed each (fewer where the budget is less than four times that),
SECOND = 5  # of which the best get a second: without repeats, noise and a setting's own part look alike
CONTENDERS = 60  # known settings that may get a further seed
STRIDE, SEEDS = 64, 900_000  # between the first seeds of two settings, at least; how many the search may use


@dataclass
class _View:
    """Settings that may get a run, in one joint posterior: known ones, then those in flight, then new ones.

    ``names``: positions of the first of them among all settings; the others are ``fresh [p, d]``. ``noise``: variance
    of a run. All in standardised units, of which one is ``scale`` of the objective.
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


class Pooled:
    """Gaussian process over all runs with augmented expected improvement; its leader has the highest posterior mean.

    ``seed`` makes the proposals; ``budget``: runs that the search has in all, where that is known. ``common_seeds``:
    let all settings have the same seeds. By default each has its own: one seed may do the same to all settings of a
    neighbourhood, which a model of neighbours would take for the truth. ``folds``: how many folds the seeds take in
    turn; first seeds of settings meet them in turn too, and what a fold does to all settings is an effect of its own in
    the model. Between calls it keeps hyperparameters to start from, and from the question what is left to gain the
    posterior for the next one, what comes next. Picks may differ from a fresh object's by those hyperparameters,
    beliefs of a fresh object do not.
    """

    drops = True

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
        self._searching = self._models(HOPEFUL)
        self._last: dict[Prior, tuple[_Counts, Model, Floats]] = {}
        self._kept: tuple[list[Setting], _View] | None = None

    def choose(self, settings: Sequence[Setting], wanted: int) -> list[Pick]:
        """See ``Policy.choose``: first a start without a model, then the runs of highest worth."""
        picks = self._start(settings, wanted)
        if len(picks) < wanted and sum(bool(row.objectives) for row in settings) >= 2:
            view = self._view(settings, picks)
            picks += self._unproven(view, settings)
            picks += self._greedy(view, len(settings) + _new(picks), wanted - len(picks))
        self._kept = None  # ten thousand settings and a matrix: not for longer than they serve
        return picks

    def beliefs(self, settings: Sequence[Setting]) -> list[Belief]:
        """See ``Search.beliefs``."""
        known = modelled(settings, self.seed, self.folds)
        if not known:
            return []
        model, _ = self._model(settings, known)
        mean, sd = model.posterior.mean, model.posterior.sd
        order = ordered(settings, known, mean)
        gap, error = model.posterior.against(int(order[0]))
        better, excess = ndtr(gap / error), self._optimism(settings, known, int(order[0]))
        return [
            Belief(known[i], model.raw(float(mean[i])) - excess, model.scale * float(sd[i]), float(better[i]))
            for i in order
        ]

    def leader(self, settings: Sequence[Setting]) -> Leader:
        """See ``Policy.leader``."""
        known = modelled(settings, self.seed, self.folds)
        if not known:
            raise ValueError("no setting has a result yet")
        model, _ = self._model(settings, known)
        best = int(ordered(settings, known, model.posterior.mean)[0])
        stated = model.raw(float(model.posterior.mean[best])) - self._optimism(settings, known, best)
        return Leader(known[best], stated)

    def _optimism(self, settings: Sequence[Setting], known: list[int], best: int) -> float:
        """How far the hopeful mean of the leader, at ``best`` in ``known``, lies above its sceptical one.

        It is taken off all that is stated: the order stays that of the choice, and what is said of the winner is what
        a prior says that expects nothing special of it.
        """
        hopeful, _ = self._model(settings, known)
        sceptical, _ = self._model(settings, known, SCEPTICAL)
        return hopeful.raw(float(hopeful.posterior.mean[best])) - sceptical.raw(float(sceptical.posterior.mean[best]))

    def gain_left(self, settings: Sequence[Setting]) -> float | None:
        """See ``Search.gain_left``: expected best of known and 100 new settings, less the mean of what would win now.

        Not known before some settings have two seeds, nor where all runs are equal: then there is no scale.
        """
        known = modelled(settings, self.seed, self.folds)
        values = [value for i in known for value in settings[i].objectives.values()]
        if sum(len(row.objectives) >= 2 for row in settings) < self.second or equal(values):
            return None
        view = self._view(settings, [])
        self._kept = list(settings), view
        may_win = [
            place for place, i in enumerate(view.names) if i < len(settings) and len(settings[i].objectives) >= 2
        ]
        if not may_win:
            return None
        leader = float(view.mean[may_win].max())
        return view.scale * expected_gain(view.mean, view.covariance, self._draws(settings, 1), leader)

    def _start(self, settings: Sequence[Setting], wanted: int) -> list[Pick]:
        """The first settings, then second seeds: for the best of them, or for any while no result is in.

        While nothing is known, idle workers get new settings too, as many as the budget bears.
        """
        first, ended = len(settings), [i for i, row in enumerate(settings) if row.objectives]
        most = self.start if len(ended) >= 2 else max(self.start, self.most)
        fresh = sobol(self.encoding, self.seed, [row.params for row in settings], min(most - first, wanted))
        picks: list[Pick] = [New(params, self._first_seed(first + i)) for i, params in enumerate(fresh)]
        counts = [len(row.objectives) + len(row.pending) for row in settings]
        waiting = [i for i, row in enumerate(settings) if row.pending] if len(ended) < 2 else []
        seconds = min(self.second - sum(count >= 2 for count in counts), wanted - len(picks))
        if seconds <= 0:
            return picks
        once = [i for i in dict.fromkeys([*ended, *waiting]) if counts[i] == 1]
        level = levelled(settings, self.folds)
        once.sort(key=lambda i: -max(level[i].objectives.values(), default=-math.inf))
        if len(ended) < 2:
            once += range(first, first + len(fresh))
        return [*picks, *(Further(i) for i in once[:seconds])]

    def _view(self, settings: Sequence[Setting], picked: Sequence[Pick]) -> _View:
        """The joint posterior, with runs in flight and those ``picked`` before counted as made.

        A setting of which every run failed counts as one with the worst value seen: its neighbours may fail too. It
        gets no further run.
        """
        if self._kept is not None and not picked and _same(self._kept[0], settings):
            return replace(self._kept[1])  # a copy: counting a run gives it another covariance
        broken = broken_in(settings)
        settings = imputed(settings, broken, self.folds)
        known = modelled(settings, self.seed, self.folds)
        model, units = self._model(settings, known)
        flying = [i for i, row in enumerate(settings) if not row.objectives and row.pending]
        started = [pick.params for pick in picked if isinstance(pick, New)]
        waiting = self.encoding.unit([*(settings[i].params for i in flying), *started])
        fresh = propose(self.encoding, units, model.posterior.mean, waiting, self._draws(settings, 0))
        points = np.concatenate([waiting, fresh])
        rows = self._contenders(model, settings, known, broken)
        mean, covariance = model.posterior.joint(
            rows, self.encoding.squared(units, points), self.encoding.squared(points, points)
        )
        names = [*(known[row] for row in rows), *flying, *(len(settings) + i for i in range(len(started)))]
        view = _View(mean, covariance, names, fresh, model.noise_variance, model.scale)
        repeated = Counter(pick.setting for pick in picked if isinstance(pick, Further))
        for position, name in enumerate(names):
            pending = len(settings[name].pending) if name < len(settings) else 1
            if runs := pending + repeated[name]:
                view.run(position, runs)
        return view

    def _unproven(self, view: _View, settings: Sequence[Setting]) -> list[Pick]:
        """A second seed for the setting of the highest mean, where it has but one: till then it leads nobody."""
        ended = [place for place, i in enumerate(view.names) if i < len(settings) and settings[i].objectives]
        if not ended:
            return []
        best = max(ended, key=lambda place: float(view.mean[place]))
        row = settings[view.names[best]]
        if len(row.objectives) + len(row.pending) > 1:
            return []
        view.run(best)
        return [Further(view.names[best])]

    def _greedy(self, view: _View, following: int, wanted: int) -> list[Pick]:
        """The run of highest worth, counted as made, then the next; ``following``: position of the next new setting."""
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
                picks.append(New(params, self._first_seed(following)))
                place[best] = following
                following += 1
            view.run(best)
        return picks

    def _contenders(
        self, model: Model, settings: Sequence[Setting], known: list[int], broken: frozenset[int]
    ) -> NDArray[np.intp]:
        """Settings of the highest upper bounds, but none ``broken``, and all that have runs in flight."""
        upper = model.posterior.mean + 2 * model.posterior.sd
        best = [row for row in np.argsort(-upper, kind="stable").tolist() if known[row] not in broken][:CONTENDERS]
        flying = [row for row, i in enumerate(known) if settings[i].pending]
        return np.array(list(dict.fromkeys([*best, *flying])), dtype=np.intp)

    def _model(self, settings: Sequence[Setting], known: list[int], prior: Prior = HOPEFUL) -> tuple[Model, Floats]:
        """The posterior of the known settings and their coordinates; the last one is kept for the next question.

        The sceptical one is asked for seldom, after the hopeful one, and fitted from nothing but that.
        """
        counts = tuple((i, len(settings[i].objectives)) for i in known)
        if prior not in self._last or self._last[prior][0] != counts:
            units = self.encoding.unit([settings[i].params for i in known])
            squared = self.encoding.squared(units, units)
            models = self._searching if prior == HOPEFUL else self._models(prior, self._searching)
            self._last[prior] = counts, models.of([settings[i].objectives for i in known], squared), units
        return self._last[prior][1:]

    def _models(self, prior: Prior, beside: Models | None = None) -> Models:
        """Models of this search that have not seen a run."""
        return Models(len(self.encoding.names), prior, beside, folds=self.folds)

    def _first_seed(self, number: int) -> int:
        """Where the seeds of the n-th setting begin: with fold n mod K, also where they wrap."""
        stride = self.folds * -(-STRIDE // self.folds)
        return 0 if self.common_seeds else (number * stride + number % self.folds) % (SEEDS - SEEDS % self.folds)

    def _draws(self, settings: Sequence[Setting], purpose: int) -> np.random.Generator:
        """Random numbers that the ledger's state alone decides."""
        asked = sum(len(row.objectives) + len(row.pending) + len(row.failed) for row in settings)
        return np.random.default_rng([self.seed, len(settings), asked, purpose])


def _same(before: Sequence[Setting], now: Sequence[Setting]) -> bool:
    """Whether these are the same objects: a setting never changes, but a list of them may."""
    return len(before) == len(now) and all(map(is_, before, now))


def _new(picks: Sequence[Pick]) -> int:
    return sum(isinstance(pick, New) for pick in picks)
