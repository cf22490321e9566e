"""Configurations that fill a space evenly: a scrambled Sobol sequence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kdsearch.search.gp.encoding import Encoding
from kdsearch.tasks.base import Scalar

_SPARE = 6


def sobol(encoding: Encoding, seed: int, taken: Iterable[Mapping[str, Scalar]], count: int) -> list[dict[str, Scalar]]:
    """The first ``count`` configurations of the sequence that ``seed`` scrambles which are none of ``taken``.

    Fewer where the space has no more, or none among the first few times as many points (Sobol 1967; Owen 1998).
    """
    if count <= 0:
        return []
    from scipy.stats import qmc  # slow to load, and a report asks for no new configurations

    known = {tuple(row) for row in encoding.unit(list(taken)).tolist()}
    size = (count + len(known) - 1).bit_length() + _SPARE
    found: list[dict[str, Scalar]] = []
    for point in encoding.snap(qmc.Sobol(len(encoding.names), rng=seed).random_base2(size)):
        params = encoding.params(point)
        place = tuple(encoding.unit([params])[0].tolist())  # as a known one is placed, to the last bit
        if place not in known:
            known.add(place)
            found.append(params)
            if len(found) == count:
                break
    return found
