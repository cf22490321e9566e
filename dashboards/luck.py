"""What the best of n runs is expected to be by luck alone, against the best that the search saw."""

import plotly.graph_objects as go

from kdsearch.figures import PALETTE, axis_title, finish, label, log_axis, nothing, rounded, view
from kdsearch.statistics import expected_best, summarize

POINTS = 60


def figure(results):
    """Running best of the search; the line is the mean of one configuration plus sd times the expected best of n."""
    seen = view(results)
    runs = seen.search_runs
    title = "Luck: the best of n runs"
    rows = [row for row in seen.standings if row.n > 1]
    reference = next((row for row in rows if row.id == seen.winner_id), rows[0] if rows else None)
    if reference is None:
        return nothing(seen, title, "No configuration has two seeds yet.")
    fresh = seen.fresh_objectives(reference.id)
    values, kind = (fresh, "fresh") if len(fresh) > 1 else (list(reference.objectives), "search")
    summary = summarize(values)
    best, steps = None, []
    for number, run in enumerate(runs, 1):
        value = seen.sign * seen.selection.objective(run)
        if best is None or value > best:
            best = value
            steps.append((number, seen.sign * best))
    steps.append((len(runs), steps[-1][1]))
    ns = sorted({round(len(runs) ** (step / (POINTS - 1))) for step in range(POINTS)})
    luck = [summary.mean + seen.sign * summary.sd * expected_best(n) for n in ns]
    chart = go.Figure()
    chart.add_trace(
        go.Scatter(
            x=[number for number, _ in steps],
            y=[value for _, value in steps],
            mode="lines",
            line={"color": PALETTE.search, "width": 2.5, "shape": "hv"},
            name="best single search run so far",
        )
    )
    chart.add_trace(
        go.Scatter(
            x=ns,
            y=rounded(luck),
            mode="lines",
            line={"color": PALETTE.fresh, "width": 2.5, "dash": "dash"},
            name=f"expected best of n seeds of {label(seen.selection.name(reference.id))} alone",
        )
    )
    chart.add_hline(y=summary.mean, line={"color": PALETTE.line, "dash": "dot", "width": 1.5})
    chart.update_xaxes(title_text="n, number of runs", **log_axis(ns))
    chart.update_yaxes(title_text=axis_title(seen.objective))
    seen_best, expected = steps[-1][1], luck[-1]
    alone = f"that many seeds of one configuration give {seen.fixed(expected)}"
    title = f"Luck: the best of {len(runs)} runs is {seen.fixed(seen_best)}; {alone}"
    note = (
        f"Dotted: mean of {seen.selection.name(reference.id)} over {summary.n} {kind} seeds, "
        f"{seen.fixed(summary.mean)} (sd {summary.sd:.2g}). Dashed: that mean plus sd times the expected largest of n "
        "normal values."
    )
    return finish(chart, seen, title, note=note, height=400)
