"""Stored searches in a small file that stands in the repository: peers take hours, and do not change with the planner.

Kept are the looks of each search (truth, estimate and seeds of the leader, to four decimals of the worlds' unit), what
the world is, and the seconds it took; not the virtual clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

KEPT = Path(__file__).with_name("results.npz")
SCALE = 10_000
_TEXTS = ("world", "policy", "version")
_COUNTS = ("index", "budget", "workers")
_REALS = ("best", "sigma", "tau", "wall")
_LOOKS = ("runs", "truth", "estimate", "seeds")


def write(rows: Iterable[Mapping[str, Any]], path: Path | None = None) -> int:
    """Add searches to those in ``path``, of one and the same the last; returns how many there are then.

    Failed ones are left out, and those of a policy that states no number.
    """
    path = path or KEPT
    last = {
        tuple(row[name] for name in ("world", "policy", *_COUNTS)): row
        for row in (*read(path), *rows)
        if "error" not in row and np.isfinite(row["estimate"]).all()
    }
    kept = [last[key] for key in sorted(last)]
    columns: dict[str, Any] = {name: [row[name] for row in kept] for name in (*_COUNTS, *_REALS)}
    arrays = {name: np.array(columns[name], dtype=np.int32) for name in _COUNTS}
    arrays |= {name: np.array(columns[name], dtype=np.float32) for name in _REALS}
    for name in _TEXTS:
        texts = [row.get(name, "") for row in kept]
        known = sorted(set(texts))
        arrays[f"{name}_names"] = np.array(known, dtype=str)
        arrays[name] = np.array([known.index(text) for text in texts], dtype=np.uint8)
    arrays["looks"] = np.array([len(row["runs"]) for row in kept], dtype=np.uint8)
    for name in _LOOKS:
        scale = SCALE if name in ("truth", "estimate") else 1
        values = np.concatenate([np.asarray(row[name], dtype=np.float64) for row in kept] or [np.zeros(0)])
        arrays[name] = np.round(values * scale).astype(np.int32)
    np.savez_compressed(path, **arrays)
    return len(kept)


def read(path: Path | None = None) -> Iterator[dict[str, Any]]:
    """The searches in ``path`` as ``measure.read`` gives them; none where there is no such file."""
    path = path or KEPT
    if not path.is_file():
        return
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    texts = {name: arrays[f"{name}_names"][arrays[name]].tolist() for name in _TEXTS}
    ends = np.cumsum(arrays["looks"].astype(np.int64))
    for i, (end, count) in enumerate(zip(ends.tolist(), arrays["looks"].tolist(), strict=True)):
        row: dict[str, Any] = {name: texts[name][i] for name in _TEXTS}
        row |= {name: int(arrays[name][i]) for name in _COUNTS} | {name: float(arrays[name][i]) for name in _REALS}
        looks = slice(end - count, end)
        row |= {name: arrays[name][looks].tolist() for name in ("runs", "seeds")}
        row |= {name: (arrays[name][looks] / SCALE).tolist() for name in ("truth", "estimate")}
        yield row
