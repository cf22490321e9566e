"""Where a peer's new configurations come from: uniform draws, a Sobol sequence, or one of Optuna's samplers.

A proposal need not become a configuration: where its numbers are there already (a table, a small space), whoever runs
it gives that configuration one more seed. So proposals are numbered by themselves, never by position.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from kdsearch.search.policies.base import Configuration, Pick
from kdsearch.space import Range
from kdsearch.tasks.base import Scalar

from .counts import raw_mean, settled
from .cube import Floats, from_unit
from .memory import Memory

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


class Source(Protocol):
    """Proposes new configurations."""

    def learn(self, tried: Sequence[Configuration], seeds: int) -> None:
        """Take note of the configurations whose first ``seeds`` seeds have all ended; called before each answer."""

    def sent(self, tried: Sequence[Configuration], picks: Sequence[Pick]) -> None:
        """The whole answer, with its proposals, and the configurations that it was chosen from."""

    def propose(self) -> dict[str, Scalar]:
        """A configuration that was not proposed before, as far as that can be had."""


class Random:
    """Uniform draws, one after the other."""

    def __init__(self, space: Mapping[str, Range], seed: int) -> None:
        self.space = space
        self._rng = np.random.default_rng(seed)

    def learn(self, tried: Sequence[Configuration], seeds: int) -> None:
        """Nothing."""

    def sent(self, tried: Sequence[Configuration], picks: Sequence[Pick]) -> None:
        """Nothing."""

    def propose(self) -> dict[str, Scalar]:
        """The next draw."""
        return from_unit(self.space, self._rng.random(len(self.space)))


class Sobol:
    """Scrambled Sobol points in their order (Sobol 1967, scrambling of Owen 1998; ``scipy.stats.qmc.Sobol``)."""

    BLOCK = 64

    def __init__(self, space: Mapping[str, Range], seed: int) -> None:
        from scipy.stats import qmc

        self.space = space
        self._engine = qmc.Sobol(len(space), scramble=True, rng=np.random.default_rng(seed))
        self._points: deque[Floats] = deque()

    def learn(self, tried: Sequence[Configuration], seeds: int) -> None:
        """Nothing."""

    def sent(self, tried: Sequence[Configuration], picks: Sequence[Pick]) -> None:
        """Nothing."""

    def propose(self) -> dict[str, Scalar]:
        """The next point."""
        if not self._points:
            self._points.extend(self._engine.random(self.BLOCK))
        return from_unit(self.space, self._points.popleft())


class Optuna:
    """An Optuna sampler that is told the raw mean of a proposal once, when the first ``seeds`` seeds have all ended.

    Until then the proposal is a RUNNING trial; one all of whose seeds failed is told as FAIL. A proposal that was there
    already is a trial of its own, told today's mean over all seeds.
    """

    def __init__(self, space: Mapping[str, Range], sampler: BaseSampler) -> None:
        self._memory = Memory(space, sampler)

    def learn(self, tried: Sequence[Configuration], seeds: int) -> None:
        """Tell what has ended since the last call."""
        for run in self._memory.running(tried):
            if settled(tried[run.position]) >= seeds and run.seed not in tried[run.position].pending:
                self._memory.tell(run, raw_mean(tried[run.position]))

    def sent(self, tried: Sequence[Configuration], picks: Sequence[Pick]) -> None:
        """Keep the answer, so that its proposals are found among the configurations."""
        self._memory.sent(tried, picks)

    def propose(self) -> dict[str, Scalar]:
        """The sampler's next proposal."""
        return self._memory.propose()


def tpe(space: Mapping[str, Range], seed: int) -> Optuna:
    """Optuna's TPE with its defaults, which are multivariate with constant liar since Optuna 5."""
    from optuna.samplers import TPESampler

    return Optuna(space, TPESampler(seed=seed))


def gp(space: Mapping[str, Range], seed: int) -> Optuna:
    """Optuna's GPSampler with its defaults; it fits its Gaussian process with torch."""
    from optuna.samplers import GPSampler

    from .optional import optional

    optional("torch", "gp_sampler")
    return Optuna(space, GPSampler(seed=seed))
