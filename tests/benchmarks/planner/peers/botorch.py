"""BoTorch itself: a Gaussian process that is told each configuration's noise, and noisy expected improvement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from kdsearch.search.policies.base import Configuration, Further, Leader, New, Pick
from kdsearch.space import Range

from .counts import asked, highest_mean
from .cube import Floats, from_unit, to_unit
from .optional import optional
from .sources import Sobol

START = 10
SECOND = 5
SAMPLES = 128
RESTARTS = 8
RAW_SAMPLES = 256
NEAR = 0.01
PEER = "botorch_qlognei"


class Botorch:
    """``SingleTaskGP(X, means, s2 / n)`` with ``qLogNoisyExpectedImprovement`` (Ament et al. 2023, Letham et al. 2019).

    Ten Sobol configurations with one seed, a second seed for the five best (so that noise is known; as kdsearch
    starts), then the maximum of the acquisition, one pick after the other, with all pending new configurations as
    ``X_pending``. ``s2`` is pooled within configurations; while no configuration has two values, BoTorch infers it.
    Evaluated configurations are candidates too, for one more seed. Improvement over a baseline that holds the point
    itself is zero, so these seldom win; but a new point within ``NEAR`` of an evaluated configuration in every
    coordinate of the unit cube is that configuration once more. Whole numbers and choices are rounded to the middle of
    their bin. The leader is the highest posterior mean among evaluated configurations.
    """

    def __init__(self, space: Mapping[str, Range], seed: int) -> None:
        for module in ("botorch", "gpytorch", "torch"):
            optional(module, PEER)
        self.space = space
        self.seed = seed
        self._start = Sobol(space, seed)
        self._fitted: tuple[tuple[tuple[int, float], ...], Any] | None = None

    def choose(self, tried: Sequence[Configuration], wanted: int) -> list[Pick]:
        """The start, then the acquisition's maxima."""
        known = [position for position, setting in enumerate(tried) if setting.objectives]
        picks: list[Pick] = []
        if len(known) >= START:
            picks += [Further(position) for position in self._second(tried, known)][:wanted]
            return picks + self._improve(tried, known, wanted - len(picks))
        while len(picks) < wanted:
            picks.append(New(self._start.propose()))
        return picks

    def leader(self, tried: Sequence[Configuration]) -> Leader:
        """The highest posterior mean; during the start, the highest value."""
        known = [position for position, setting in enumerate(tried) if setting.objectives]
        if len(known) < START:
            return highest_mean(tried)
        model = self._model(tried, known)
        with optional("torch", PEER).no_grad():
            means = model.posterior(self._points(tried, known)).mean.squeeze(-1)
        best = int(means.argmax())
        return Leader(known[best], float(means[best]))

    @staticmethod
    def _second(tried: Sequence[Configuration], known: Sequence[int]) -> list[int]:
        """Whose second seed the start still misses: the best of those with one."""
        missing = SECOND - sum(max(asked(setting) - 1, 0) for setting in tried)
        single = [position for position in known if asked(tried[position]) == 1]
        best_first = sorted(single, key=lambda position: -fmean(tried[position].objectives.values()))
        return best_first[: max(missing, 0)]

    def _improve(self, tried: Sequence[Configuration], known: Sequence[int], wanted: int) -> list[Pick]:
        torch = optional("torch", PEER)
        picks: list[Pick] = []
        fresh = [position for position, setting in enumerate(tried) if not setting.objectives and setting.pending]
        evaluated, pending = self._points(tried, known), self._points(tried, fresh)
        spent = sum(map(asked, tried))
        for step in range(wanted):
            stream = np.random.SeedSequence(self.seed, spawn_key=(spent + step,))
            seed = int(stream.generate_state(1)[0]) >> 1
            with optional("botorch.utils.sampling", PEER).manual_seed(seed):
                point, again = self._maximum(self._model(tried, known), evaluated, pending, seed)
            if again is None:
                picks.append(New(from_unit(self.space, point)))
            else:
                picks.append(Further(known[again]))
            pending = torch.cat([pending, torch.tensor(point)[None]])
        return picks

    def _maximum(self, model: Any, evaluated: Any, pending: Any, seed: int) -> tuple[Floats, int | None]:
        """The best point, ``[dimensions]``, and its row in ``evaluated`` if it is there."""
        torch = optional("torch", PEER)
        acquisition = optional("botorch.acquisition.logei", PEER).qLogNoisyExpectedImprovement(
            model=model,
            X_baseline=evaluated,
            X_pending=pending if len(pending) else None,
            sampler=optional("botorch.sampling", PEER).SobolQMCNormalSampler(torch.Size([SAMPLES]), seed=seed),
        )
        cube = torch.stack([torch.zeros(len(self.space)), torch.ones(len(self.space))]).double()
        candidate, _ = optional("botorch.optim", PEER).optimize_acqf(
            acquisition, bounds=cube, q=1, num_restarts=RESTARTS, raw_samples=RAW_SAMPLES
        )
        point = to_unit(self.space, from_unit(self.space, candidate[0].numpy()))
        near = np.abs(evaluated.numpy() - point).max(axis=1)
        if near.min() <= NEAR:
            return point, int(near.argmin())
        with torch.no_grad():
            worth = acquisition(torch.cat([torch.tensor(point)[None], evaluated])[:, None]).nan_to_num(-np.inf)
        best = int(worth.argmax())
        return (point, None) if best == 0 else (evaluated[best - 1].numpy(), best - 1)

    def _model(self, tried: Sequence[Configuration], known: Sequence[int]) -> Any:
        """The process fitted to the means of ``known``; kept until there is a new value."""
        torch = optional("torch", PEER)
        values = [list(tried[position].objectives.values()) for position in known]
        data = tuple((len(row), fmean(row)) for row in values)
        if self._fitted is None or self._fitted[0] != data:
            noise = pooled_variance(values)
            counts = torch.tensor([[float(len(row))] for row in values]).double()
            model = optional("botorch.models", PEER).SingleTaskGP(
                self._points(tried, known),
                torch.tensor([[fmean(row)] for row in values]).double(),
                None if noise is None else noise / counts,
            )
            likelihood = optional("gpytorch.mlls", PEER).ExactMarginalLogLikelihood(model.likelihood, model)
            with optional("botorch.utils.sampling", PEER).manual_seed(self.seed):
                optional("botorch.fit", PEER).fit_gpytorch_mll(likelihood)
            self._fitted = data, model
        return self._fitted[1]

    def _points(self, tried: Sequence[Configuration], positions: Sequence[int]) -> Any:
        rows = [to_unit(self.space, tried[position].params) for position in positions]
        return optional("torch", PEER).tensor(np.reshape(rows, (len(rows), len(self.space)))).double()


def pooled_variance(values: Sequence[Sequence[float]]) -> float | None:
    """Variance within configurations, pooled by degrees of freedom; ``None`` where none has two values or all agree."""
    squares = sum(float(np.var(row)) * len(row) for row in values)
    freedom = sum(len(row) - 1 for row in values)
    return squares / freedom if freedom and squares > 0 else None
