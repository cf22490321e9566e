"""While the search runs: the leading configurations by shrunken mean of the objective. Not a result."""

from __future__ import annotations

from kdsearch.report.captions import MEAN_INTERVAL
from kdsearch.report.captions import caption
from kdsearch.report.captions import objective_title
from kdsearch.report.captions import objective_words
from kdsearch.report.captions import plural
from kdsearch.report.compared import name_of
from kdsearch.report.selection import Selection
from kdsearch.report.tables import Column
from kdsearch.report.tables import Estimate
from kdsearch.report.tables import Row
from kdsearch.report.tables import Table
from kdsearch.statistics import shrink
from kdsearch.statistics import summarize

MOST = 10


def leading(selection: Selection) -> Table | None:
    """Return the best configurations with two or more search runs; ``None`` where no search run has ended."""
    samples = selection.searched()
    if not samples:
        return None
    estimate = shrink(list(samples.values()))
    ids = list(samples)
    ranked = sorted(
        (index for index, id_ in enumerate(ids) if len(samples[id_]) > 1), key=lambda index: -estimate.means[index]
    )
    rows = []
    for index in ranked[:MOST]:
        values = samples[ids[index]]
        cells = (
            len(values),
            Estimate.of(summarize(values)),
            float(estimate.means[index]),
            float(estimate.se[index]),
        )
        rows.append(Row(name_of(selection, ids[index]), cells, selection.diverged(ids[index], "search")))
    words = objective_words(selection.study, selection.has_scores)
    return Table(
        key="leading",
        title="Leading configurations: search objective, not a result",
        caption=caption(selection.study, f"search {words}, not a result"),
        columns=(
            Column("n", "n", "count"),
            Column("objective", objective_title(selection.study, selection.has_scores), "estimate"),
            Column("shrunken", "shrunken mean", "number"),
            Column("se", "± se", "number"),
        ),
        rows=tuple(rows),
        notes=(*_notes(samples, len(ranked), estimate.noise_known), MEAN_INTERVAL),
    )


def _notes(samples: dict[int, list[float]], ranked: int, noise_known: bool) -> list[str]:
    notes = ["Ranked by the mean shrunken towards the mean of all configurations: a lead from few seeds counts little."]
    single = len(samples) - ranked
    if single:
        notes.append(f"{plural(single, 'configuration')} with n = 1: not ranked, one run says too little.")
    if ranked > MOST:
        notes.append(f"The first {MOST} of {ranked} ranked.")
    if not noise_known:
        notes.append("No configuration has two runs yet: the spread over seeds is not known.")
    return notes
