"""The planner's own Gaussian process against libraries: what each makes of the same runs, and in which time.

``k`` Sobol configurations of a synthetic world with one seed each, a third of them (the best so far) with three, a
tenth with ten, as a search leaves them. Each model is fitted to those runs from nothing, then asked for all
configurations and for 200 new ones. Own: one model of single runs (smooth part, a configuration's own part, noise, seed
effect; MAP). Libraries get means and standard errors from the pooled variance within configurations: BoTorch's
``SingleTaskGP(train_Yvar)`` with its default priors, scikit-learn's ``GaussianProcessRegressor`` with ARD Matern-5/2
plus a white part for a configuration's own and ``alpha`` = squared standard errors. Needs the extra ``benchmarks``.

    python -m tests.benchmarks.planner.gp_library [--worlds 20] [--configurations 30 100 300] [--on FAMILY ...]
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm, qmc

from kdsearch.search.gp.encoding import Encoding
from kdsearch.search.gp.model import Models
from kdsearch.search.gp.priors import SEARCH_PRIOR
from kdsearch.search.gp.threads import one_thread
from kdsearch.search.replay import World

from .peers.botorch import pooled_variance
from .peers.optional import optional
from .summary import mean
from .worlds import families

Floats = np.ndarray[Any, np.dtype[np.float64]]
FAMILIES = ("smooth-s1-r0", "left-tailed-s2-r0.3", "independent-s1-r0")
NEW = 200


@dataclass(frozen=True)
class Problem:
    """Runs of ``k`` configurations at ``points [k, d]`` and what is true of them and of ``new [n, d]``."""

    objectives: list[dict[int, float]]
    points: Floats
    truth: Floats
    new: Floats
    new_truth: Floats


@dataclass(frozen=True)
class Answer:
    """Posterior means ``[k]`` of the configurations; means and sds ``[n]`` of the true values of new ones."""

    known: Floats
    new: Floats
    new_sd: Floats


def problem(world: World, k: int, index: int) -> Problem:
    """Draw configurations and runs."""
    encoding = Encoding(world.space)
    cube = encoding.snap(qmc.Sobol(len(world.space), rng=index).random(k + NEW))
    params = [encoding.params(row) for row in cube]
    objectives = [{i * 64: world.run(row, i * 64)} for i, row in enumerate(params[:k])]
    for share, seeds in ((3, 3), (10, 10)):
        best = sorted(range(k), key=lambda i: -float(np.mean([*objectives[i].values()])))[: k // share]
        for i in best:
            objectives[i] = {i * 64 + j: world.run(params[i], i * 64 + j) for j in range(seeds)}
    truths = np.array([world.truth(row) for row in params])
    return Problem(objectives, cube[:k], truths[:k], cube[k:], truths[k:])


def own(given: Problem) -> Answer:
    """The planner's model."""
    encoding = Encoding({str(i): _unit() for i in range(given.points.shape[1])})
    squared = encoding.squared(given.points, given.points)
    one_thread()
    model = Models(given.points.shape[1], SEARCH_PRIOR).of(given.objectives, squared)
    across, among = encoding.squared(given.points, given.new), encoding.squared(given.new, given.new)
    values, covariance = model.posterior.joint(np.array([], dtype=np.intp), across, among)
    known = model.centre + model.scale * model.posterior.mean
    return Answer(known, model.centre + model.scale * values, model.scale * np.sqrt(np.diag(covariance)))


def botorch(given: Problem) -> Answer:
    """``SingleTaskGP`` with given noise, fitted by its own routine."""
    torch, name = optional("torch", "gp_library"), "gp_library"
    torch.set_num_threads(1)
    means, errors = _summaries(given)
    model = optional("botorch.models", name).SingleTaskGP(
        torch.tensor(given.points), torch.tensor(means)[:, None], torch.tensor(errors**2)[:, None]
    )
    marginal = optional("gpytorch.mlls", name).ExactMarginalLogLikelihood(model.likelihood, model)
    optional("botorch.fit", name).fit_gpytorch_mll(marginal)
    with torch.no_grad():
        known, new = model.posterior(torch.tensor(given.points)), model.posterior(torch.tensor(given.new))
    return Answer(known.mean.squeeze(-1).numpy(), new.mean.squeeze(-1).numpy(), new.variance.squeeze(-1).sqrt().numpy())


def scikit_learn(given: Problem) -> Answer:
    """``GaussianProcessRegressor``; its white part counts as a configuration's own, so it belongs to what is true."""
    kernels = optional("sklearn.gaussian_process.kernels", "gp_library")
    means, errors = _summaries(given)
    scale = float(means.std())
    smooth = kernels.ConstantKernel(0.5, (1e-3, 1e2)) * kernels.Matern(
        np.full(given.points.shape[1], 0.7), (0.05, 50), nu=2.5
    )
    regressor = optional("sklearn.gaussian_process", "gp_library").GaussianProcessRegressor(
        smooth + kernels.WhiteKernel(0.05, (1e-5, 10)), alpha=(errors / scale) ** 2
    )
    one_thread()
    regressor.fit(given.points, (means - means.mean()) / scale)
    new, sd = regressor.predict(given.new, return_std=True)
    # A known configuration's own part is part of its truth: what is taken off is the runs' noise alone.
    covariance = regressor.kernel_(given.points)
    alpha = np.linalg.solve(covariance + np.diag((errors / scale) ** 2), (means - means.mean()) / scale)
    return Answer(means.mean() + scale * covariance @ alpha, means.mean() + scale * new, scale * sd)


MODELS: dict[str, Callable[[Problem], Answer]] = {"own": own, "botorch": botorch, "scikit-learn": scikit_learn}


def _unit() -> Any:
    from kdsearch.space import uniform

    return uniform(0, 1)


def _summaries(given: Problem) -> tuple[Floats, Floats]:
    """Means and standard errors, the variance of a run pooled within configurations."""
    variance = pooled_variance([[*row.values()] for row in given.objectives])
    assert variance is not None
    counts = np.array([len(row) for row in given.objectives])
    return np.array([np.mean([*row.values()]) for row in given.objectives]), np.sqrt(variance / counts)


def score(given: Problem, answer: Answer) -> tuple[float, float, float]:
    """Of the known configurations: root mean square error of their means, regret; mean log density of new truths."""
    error = float(np.sqrt(np.mean((answer.known - given.truth) ** 2)))
    regret = float(given.truth.max() - given.truth[int(np.argmax(answer.known))])
    return error, regret, float(norm.logpdf(given.new_truth, answer.new, answer.new_sd).mean())


def main() -> None:
    """Print one line a world, size and model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--settings", type=int, nargs="+", default=[30, 100, 300])
    parser.add_argument("--on", nargs="+", default=list(FAMILIES), metavar="FAMILY")
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print("in tau; [95 % bootstrap over worlds]; log density: of true values at 200 new settings, higher is better")
    print(
        f"{'world':20s} {'k':>4} {'model':13s} {'error of means':>20} {'regret':>20} {'log density':>22} {'s a fit':>8}"
    )
    for family in arguments.on:
        for k in arguments.tried:
            given = [problem(families()[family](index), k, index) for index in range(arguments.worlds)]
            for name in arguments.models:
                MODELS[name](given[0])  # imports are not timed
                begin = time.process_time()
                answers = [MODELS[name](row) for row in given]
                seconds = (time.process_time() - begin) / len(given)
                found = np.array([score(*pair) for pair in zip(given, answers, strict=True)])
                cells = [str(mean(column)) for column in found.T]
                print(
                    f"{family:20s} {k:4d} {name:13s} {cells[0]:>20} {cells[1]:>20} {cells[2]:>22} {seconds:8.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
