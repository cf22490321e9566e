"""Draws README's picture from recorded runs: the seeds of some configurations as dots, their means with intervals.

    python -m docs.picture

reads tests/benchmarks/planner/jhmdb.npz (129 configurations of ``jhmdb_weights`` on JHMDB poses, 16 seeds each) and
writes docs/seeds.svg. SVG is text, so that no browser is needed and the same data give the same file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kdsearch.statistics import summarize

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "tests" / "benchmarks" / "planner" / "jhmdb.npz"
PICTURE = ROOT / "docs" / "seeds.svg"

SHOWN = 12
WIDTH, LEFT, RIGHT, TOP, ROW, BOTTOM = 880, 110, 30, 116, 27, 84  # pixels
DOT, DARK, GREY = "#5b8db8", "#1f3b63", "#5f6770"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """How far seeds and configurations lie apart, in units of the metric.

    ``seeds``: sd over the seeds of one configuration (pooled). ``configurations``: sd of true means, that is the sd of
    observed means with the variance that the seeds leave in them taken off. ``above``: of how many configurations the
    best seed is above the best mean.
    """

    seeds: float
    configurations: float
    above: int


def scores(path: Path = TABLE) -> Floats:
    """Test metric ``[configurations, seeds]``, the best mean first."""
    with np.load(path) as stored:
        meta = json.loads(bytes(stored["meta"]))
        searched = stored["pool"] == meta["pools"].index("search")
        rows, seeds, values = (stored[name][searched] for name in ("configuration", "seed", "score"))
    numbers = np.unique(rows)
    table = np.full((len(numbers), seeds.max() + 1), np.nan)
    table[np.searchsorted(numbers, rows), seeds] = values
    return table[np.argsort(-table.mean(1), kind="stable")]


def spread(values: Floats) -> Spread:
    """The spread of ``[configurations, seeds]``."""
    within = float(values.var(1, ddof=1).mean())
    between = float(values.mean(1).var(ddof=1)) - within / values.shape[1]
    above = int((values.max(1) > values.mean(1).max()).sum())
    return Spread(within**0.5, max(0.0, between) ** 0.5, above)


def draw(values: Floats) -> str:
    """The picture as SVG: configurations at even ranks from the best mean to the worst."""
    ranks = np.unique(np.linspace(0, len(values) - 1, SHOWN).round().astype(int))
    shown = values[ranks]
    low, high = np.floor(shown.min() * 50) / 50, np.ceil(shown.max() * 50) / 50
    height = TOP + ROW * len(ranks) + BOTTOM
    best = _x(float(values.mean(1).max()), low, high)
    parts = [*_head(values, height), *_axis(low, high, height)]
    parts.append(f'<path d="M{best} {TOP - 8}V{height - BOTTOM}" stroke="{DARK}" stroke-dasharray="4 4"/>')
    for place, (rank, row) in enumerate(zip(ranks, shown, strict=True)):
        parts += _row(row, int(rank) + 1, TOP + ROW * (place + 0.5), low, high)
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Write the picture and say what it shows."""
    values = scores()
    PICTURE.write_text(draw(values))
    print(f"{PICTURE.relative_to(ROOT)}: {SHOWN} of {values.shape[0]} configurations, {spread(values)}")


def _head(values: Floats, height: int) -> list[str]:
    found, (count, seeds) = spread(values), values.shape
    title = "One configuration, many results: knowledge distillation on JHMDB poses"
    lines = [
        f"{SHOWN} of {count} configurations by the rank of their means, {seeds} seeds each.",
        f"Sd over one configuration's seeds: {found.seeds:.3f} mAP. Sd of the configurations' true means: "
        f"{found.configurations:.3f}.",
        f"The best seed of {found.above} of the {count} configurations lies above the best mean (dashed line).",
    ]
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="Helvetica, Arial, sans-serif">',
        f"<title>{title}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        _text(20, 30, title, size=18, weight="bold", fill=DARK),
        *(_text(20, 53 + 19 * number, line, size=13, fill=GREY) for number, line in enumerate(lines)),
    ]


def _axis(low: float, high: float, height: int) -> list[str]:
    parts = []
    floor = height - BOTTOM
    for value in np.arange(low, high + 1e-9, 0.02):
        x = _x(float(value), low, high)
        parts.append(f'<path d="M{x} {TOP}V{floor}" stroke="#e3e6ea"/>')
        parts.append(_text(x, floor + 18, f"{value:.2f}", anchor="middle", fill=GREY))
    centre = (LEFT + WIDTH - RIGHT) / 2
    parts.append(_text(centre, floor + 40, "test mAP at the epoch chosen on validation", anchor="middle", fill=DARK))
    legend = floor + 66
    parts.append(f'<circle cx="{LEFT}" cy="{legend - 4}" r="4" fill="{DOT}" fill-opacity="0.55"/>')
    parts.append(_text(LEFT + 12, legend, "one run (one seed)", fill=GREY))
    parts.append(f'<path d="M{LEFT + 160} {legend - 4}h40" stroke="{DARK}" stroke-width="2.5"/>')
    parts.append(f'<circle cx="{LEFT + 180}" cy="{legend - 4}" r="4.5" fill="{DARK}"/>')
    parts.append(_text(LEFT + 210, legend, "mean and 95 % interval", fill=GREY))
    return parts


def _row(row: Floats, rank: int, y: float, low: float, high: float) -> list[str]:
    summary = summarize(row)
    left, centre, right = (_x(value, low, high) for value in (summary.low, summary.mean, summary.high))
    dots = [
        f'<circle cx="{_x(float(value), low, high)}" cy="{y}" r="4" fill="{DOT}" fill-opacity="0.55"/>' for value in row
    ]
    return [
        _text(LEFT - 14, y + 4, f"rank {rank}", anchor="end", fill=DARK),
        *dots,
        f'<path d="M{left} {y}H{right}" stroke="{DARK}" stroke-width="2.5"/>',
        f'<circle cx="{centre}" cy="{y}" r="4.5" fill="{DARK}"/>',
    ]


def _x(value: float, low: float, high: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low), 1)


def _text(
    x: float, y: float, text: str, *, size: int = 13, anchor: str = "start", weight: str = "normal", fill: str = DARK
) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{fill}">'
        f"{text}</text>"
    )


if __name__ == "__main__":
    main()
