"""The metric of a model that has learnt nothing, from labels alone; needs no torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def chance_average_precision(query: NDArray[np.integer], database: NDArray[np.integer]) -> float:
    """Retrieval mAP of constant codes: every database item ties, so the order is random.

    ``query`` ``[Q]`` and ``database`` ``[N]`` are labels. For a query with r of n items relevant

        ``E[AP] = c + (1 - c) H[n] / n``, ``c = (r - 1) / (n - 1)``

    (one bin in :func:`kdsearch.metrics.retrieval.expected_average_precision`), a little above the class prior r / n.
    Queries without a relevant item are left out. Raises ``ValueError`` where no query has one.
    """
    n = len(database)
    relevant = (query[:, None] == database[None, :]).sum(1)
    relevant = relevant[relevant > 0]
    if len(relevant) == 0:
        raise ValueError(f"none of {len(query)} queries has an item of its class among {n} database items")
    slope = (relevant - 1) / max(n - 1, 1)
    harmonic = float((1 / np.arange(1, n + 1)).sum())
    return float((slope + (1 - slope) * harmonic / n).mean())
