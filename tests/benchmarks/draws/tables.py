"""What the benchmark prints: plain tables, and under them what became of the goals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from .components import NAMES, spreads
from .context import Correlation
from .coverage import Comparison, Coverage
from .outcomes import SCORE_GAIN, Estimate, Figure, Posterior
from .recorded import FOLDS, OBJECTIVE_GAIN, TEST_GAIN, Floats, Record
from .replay import KINDS, Basis, Spending

BIAS = 0.01
COVERED = (0.93, 0.97)
TITLES = {
    "regret": "test regret of the choice",
    "worse": "choices truly worse than themselves without",
    "bias": "bias of the gain, validation - test",
    "half": "half width of the primary interval",
    "covered": "coverage of the primary interval",
}
PLANNER = "python -m tests.benchmarks.planner --table"

Figures = dict[str, dict[str, Figure]]


def components(record: Record) -> Iterator[str]:
    """Standard deviations by component."""
    yield "Components: sd of one run by what it comes from, [95 %] (one value at a time, negative variances 0)"
    yield f"{'':<21} " + " ".join(f"{name:>24}" for name in NAMES)
    for name, spread in spreads(record.drawn, record.fixed).items():
        triples = zip(spread.sd, spread.low, spread.high, strict=True)
        yield f"{name:<21} " + " ".join(f"{f'{sd:.4f} [{low:.4f}, {high:.4f}]':>24}" for sd, low, high in triples)


def truths(basis: Basis) -> Iterator[str]:
    """How the settings' truths lie."""
    posterior = Posterior.of(basis)
    gain, probability = posterior.scores.mean @ SCORE_GAIN, posterior.scores.worse(SCORE_GAIN)
    level, fixed = basis.record.drawn.mean((0, 1)), basis.record.fixed.mean((0, 1))
    yield "Truths: posterior means of the settings' test metric over draws and seeds"
    yield (
        f"with distillation minus without: {gain.mean():+.4f} on average, from {gain.min():+.4f} to {gain.max():+.4f}, "
        f"posterior sd of one {posterior.scores.sd(SCORE_GAIN):.4f}"
    )
    yield (
        f"of {gain.size} settings {np.sum(probability < 0.025)} are surely better than themselves without "
        f"(P > .975), {np.sum(probability > 0.975)} surely worse; expected to be worse {probability.sum():.1f}"
    )
    yield (
        f"gain on validation minus gain on test, mean of all settings: drawn {_bias(level):+.4f}, "
        f"fixed draw {_bias(fixed):+.4f}"
    )


def spending(found: Spending, record: Record) -> Iterator[str]:
    """What equal CPU seconds buy."""
    own = record.seconds
    yield (
        f"Equal CPU seconds: {own.candidates} candidates for the fixed draw's teacher {own.fixed_teachers:.1f} s, "
        f"a drawn teacher {own.drawn_teacher:.1f} s; a run with distillation {own.fixed_with:.2f} s fixed, "
        f"{own.drawn_with:.2f} s drawn"
    )
    for place, seconds in enumerate(found.seconds):
        yield (
            f"search,  {seconds:5.0f} s: fixed {own.candidates} teachers and {found.runs['fixed'][place]} runs, drawn "
            f"{FOLDS} teachers and {found.runs['drawn'][place]} runs"
        )
    yield (
        f"confirm, {found.confirm_seconds:5.0f} s: fixed {found.pairs['fixed']} pairs of runs, drawn "
        f"{found.pairs['drawn']} pairs with a fresh teacher each"
    )


def searches(budgets: Sequence[int], found: Sequence[Figures], replays: int, record: Record) -> Iterator[str]:
    """All figures of the replays."""
    draws = record.drawn.shape[1]
    yield (
        f"Searches: {replays} replays of each kind; [95 % bootstrap over replays]; draws: [the same with the {draws} "
        "recorded draws resampled too]."
    )
    yield (
        f"The {len(record.settings)} settings and {draws} draws are one sample: the first interval speaks of replays, "
        "the second of other draws too, none of other settings."
    )
    yield f"{'':<44} {'runs':>5} " + " ".join(f"{name:>26} {'draws':>18}" for name in (*KINDS, "drawn - fixed"))
    for name, title in TITLES.items():
        for budget, figures in zip(budgets, found, strict=True):
            cells = " ".join(_cell(figures[name][kind], name) for kind in (*KINDS, "drawn - fixed"))
            yield f"{title:<44} {budget:>5} {cells}"


def covers(found: dict[float, tuple[Coverage, ...]], studies: int) -> Iterator[str]:
    """Coverage of each design by the draw's variance."""
    yield (
        f"Coverage of the true difference in {studies} simulated studies: half width and coverage of the 95 % t "
        "interval, (coverage of the interval that a first look is shown)"
    )
    yield f"{'draws x seeds':<16} {'t over':>7} " + " ".join(f"{f'draw variance x {scale:g}':>24}" for scale in found)
    for place, row in enumerate(next(iter(found.values()))):
        cells = [rows[place] for rows in found.values()]
        texts = [f"{cell.half:.4f} {cell.covers:.3f} ({cell.looked:.3f})" for cell in cells]
        yield f"{f'{row.draws} x {row.seeds}':<16} {row.unit:>7} " + " ".join(f"{text:>24}" for text in texts)


def compared(found: Sequence[Comparison]) -> Iterator[str]:
    """The two primary comparisons."""
    yield "Winner (choices of the longest drawn searches) minus ..., on the same 40 draws"
    yield f"{'':<30} {'half width, recorded':>21} {'simulated':>10} {'coverage':>9}"
    for row in found:
        yield f"{row.name:<30} {row.recorded:>21.4f} {row.half:>10.4f} {row.covers:>9.3f}"


def correlated(found: Sequence[Correlation]) -> Iterator[str]:
    """Correlations as context."""
    yield (
        f"Correlation over settings of validation and test means over {found[0].runs} runs each, [95 % bootstrap over "
        "settings], and of true means, by split halves"
    )
    yield f"{'':<19} {'of means':>24} {'of true means':>24}"
    for row in found:
        yield f"{row.kind:<6} {row.which:<12} {_interval(row.raw, 2):>24} {_interval(row.true, 2):>24}"


def goals(
    budgets: Sequence[int], found: Sequence[Figures] | None, coverage: dict[float, tuple[Coverage, ...]]
) -> Iterator[str]:
    """One line a goal: met or missed, with the figures it rests on."""
    for budget, figures in zip(budgets, found or (), strict=False):
        bias = figures["bias"]["drawn"].draws
        assert bias is not None
        state = _state(max(-bias.low, bias.high) < BIAS)
        yield f"{state} bias of the gain within +-{BIAS} of 0, draws resampled, {budget} runs: {_interval(bias, 4)}"
    for scale, rows in coverage.items():
        low, high = COVERED
        state = _state(low <= rows[0].covers <= high)
        yield f"{state} coverage of {low:.0%} to {high:.0%}, draw variance x {scale:g}: {rows[0].covers:.1%}"
    for name in ("regret", "worse"):
        for budget, figures in zip(budgets, found or (), strict=False):
            difference = figures[name]["drawn - fixed"].draws
            assert difference is not None
            words = "below" if difference.high < 0 or difference.low > 0 else "not above by more than the interval"
            state = _state(difference.low <= 0)
            yield f"{state} {TITLES[name]}, drawn - fixed {words}, {budget} runs: {_interval(difference, 4)}"
    yield f"see    planner regret on worlds without draws as before: {PLANNER}"


def _state(met: bool) -> str:
    return "met   " if met else "missed"


def _bias(values: Floats) -> float:
    return float(values @ (OBJECTIVE_GAIN - TEST_GAIN))


def _cell(figure: Figure, name: str) -> str:
    digits = 3 if name in ("worse", "covered") else 4
    draws = "-"
    if figure.draws is not None:
        draws = f"[{_number(figure.draws.low, digits)}, {_number(figure.draws.high, digits)}]"
    return f"{_interval(figure.replays, digits):>26} {draws:>18}"


def _interval(found: Estimate, digits: int) -> str:
    value, low, high = (_number(each, digits) for each in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"
