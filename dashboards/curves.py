"""Learning curves: mean and spread over seeds, and the epochs that were chosen."""

import math

import plotly.graph_objects as go

from kdsearch.figures import SERIES, axis_title, faded, finish, labels, nothing, rounded, view

MOST, POINTS = 5, 150


def figure(results):
    """Fresh seeds of what is compared; before the choice the leading configurations on search seeds."""
    seen = view(results)
    if seen.decided:
        rows, pool = {row.id: row.label for row in seen.compared}, "confirm"
    else:
        rows, pool = {row.id: seen.name(row.id) for row in seen.standings}, "search"
    runs = {id_: [run for run in seen.selection.of(id_, pool) if run.state == "done" and _points(run)] for id_ in rows}
    kept = [id_ for id_ in rows if runs[id_]]
    if not kept:
        ended = any(seen.selection.of(id_, pool) for id_ in rows)
        why = "No run has reported values while it trained." if ended else "No run that is shown here has ended yet."
        return nothing(seen, "Learning curves", why)
    chart = go.Figure()
    names = labels({id_: rows[id_] for id_ in kept[:MOST]})
    for place, (id_, name) in enumerate(names.items()):
        _draw(chart, runs[id_], f"{name} (n={len(runs[id_])})", SERIES[place % len(SERIES)])
    chart.update_xaxes(title_text="epoch")
    chart.update_yaxes(title_text=axis_title(seen.objective))
    seeds = "fresh seeds" if pool == "confirm" else "search seeds"
    note = "Line: mean over seeds that reached the epoch; band: ± one sd over them; diamonds: epochs that were chosen."
    left = len(kept) - len(names)
    note += f" {left:,} further configurations are not shown." if left else ""
    return finish(chart, seen, f"Learning curves on {seeds}", note=note, height=420)


def _points(run):
    pairs = zip(run.curve.get("epoch", ()), run.curve.get("objective", ()), strict=False)
    return {epoch: value for epoch, value in sorted(pairs) if math.isfinite(epoch) and math.isfinite(value)}


def _draw(chart, runs, name, colour):
    curves = [_points(run) for run in runs]
    epochs = sorted({epoch for curve in curves for epoch in curve})
    epochs = epochs[:: -(-len(epochs) // POINTS)]
    means, sds = [], []
    for epoch in epochs:
        values = [curve[epoch] for curve in curves if epoch in curve]
        mean = sum(values) / len(values)
        means.append(mean)
        sds.append(
            math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1)) if len(values) > 1 else 0.0
        )
    upper = rounded(mean + sd for mean, sd in zip(means, sds, strict=True))
    lower = rounded(mean - sd for mean, sd in zip(means, sds, strict=True))
    chart.add_trace(
        go.Scatter(
            x=[*epochs, *epochs[::-1]],
            y=[*upper, *lower[::-1]],
            mode="lines",
            fill="toself",
            fillcolor=faded(colour, 0.15),
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=name,
        )
    )
    chart.add_trace(
        go.Scatter(
            x=epochs, y=rounded(means), mode="lines", line={"color": colour, "width": 2.5}, name=name, legendgroup=name
        )
    )
    chosen = [(run.epoch, run.objective) for run in runs if run.epoch is not None and run.objective is not None]
    chart.add_trace(
        go.Scatter(
            x=[epoch for epoch, _ in chosen],
            y=[value for _, value in chosen],
            mode="markers",
            marker={"color": colour, "symbol": "diamond", "size": 8, "line": {"color": "white", "width": 1}},
            showlegend=False,
            legendgroup=name,
            hovertemplate="chosen epoch %{x}: %{y:.4g}<extra></extra>",
        )
    )
