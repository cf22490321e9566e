"""Settings that fill a space evenly: a scrambled Sobol sequence."""

from __future__ import annotations

from scipy.stats import qmc

from kdsearch.search.encoding import Encoding
from kdsearch.tasks.base import Scalar


def sobol(encoding: Encoding, seed: int, first: int, count: int) -> list[dict[str, Scalar]]:
    """Settings ``first`` to ``first + count`` of the sequence that ``seed`` scrambles (Sobol 1967; Owen 1998)."""
    if count <= 0:
        return []
    engine = qmc.Sobol(len(encoding.names), rng=seed)
    drawn = engine.random_base2((first + count - 1).bit_length())
    return [encoding.params(point) for point in encoding.snap(drawn[first : first + count])]
