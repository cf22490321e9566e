"""Which configurations lead: what the search believes of them, and what fresh seeds then gave."""

import math

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kdsearch.figures import PALETTE, axis_title, finish, labels, left_out, nothing, view

SHOWN = 15
INTERVAL = 1.96  # sds of a posterior on either side


def figure(results):
    """The leading configurations by posterior mean; the winner and all that it is compared with are always there."""
    seen = view(results)
    rows = seen.leading(SHOWN)
    title = "Leaderboard"
    if not rows:
        return nothing(seen, title, "No search run has ended yet.")
    beside = [row for row in seen.compared if row.id not in {standing.id for standing in rows}]
    others = beside[:SHOWN]
    texts = {row.id: seen.name(row.id) for row in rows} | {row.id: row.label for row in others}
    counts = {row.id: f" (n={row.n})" for row in rows}
    names = {id_: f"{text}{counts.get(id_, '')}" for id_, text in labels(texts).items()}
    fresh = {row.id: seen.selection.results(row.id) for row in seen.compared}
    fresh = {id_: values for id_, values in fresh.items() if values}
    chart = make_subplots(
        cols=2 if fresh else 1,
        shared_yaxes=True,
        horizontal_spacing=0.03,
        subplot_titles=["search: posterior mean", "fresh seeds: mean"][: 2 if fresh else 1],
    )
    groups = [
        ("in the search", [row for row in rows if not row.out and row.id != seen.winner_id], PALETTE.search, "circle"),
        ("out", [row for row in rows if row.out and row.id != seen.winner_id], PALETTE.out, "x"),
        ("winner", [row for row in rows if row.id == seen.winner_id], PALETTE.winner, "star"),
    ]
    for name, own, colour, symbol in groups:
        if own:
            chart.add_trace(
                go.Scatter(
                    x=[row.estimate for row in own],
                    y=[names[row.id] for row in own],
                    error_x={"array": [_half(row) for row in own], "color": colour, "thickness": 1.5},
                    mode="markers",
                    marker={"color": colour, "symbol": symbol, "size": 10},
                    name=name,
                    hovertemplate="%{y}<br>posterior mean %{x:.4g}<extra></extra>",
                ),
                row=1,
                col=1,
            )
    if fresh:
        chart.add_trace(_fresh(seen, fresh, names), row=1, col=2)
        for id_, values in fresh.items():
            if seen.selection.configurations[id_].kind == "baseline":
                centre = seen.units.estimate(values).value
                chart.add_vline(x=centre, line={"color": PALETTE.baseline, "dash": "dot", "width": 1.5}, row=1, col=2)
        chart.update_xaxes(title_text=axis_title(seen.result), row=1, col=2)
    chart.update_xaxes(title_text=axis_title(seen.objective), row=1, col=1)
    order = [names[row.id] for row in rows] + [names[row.id] for row in others]
    chart.update_yaxes(categoryorder="array", categoryarray=order[::-1], range=[-0.6, len(order) - 0.4])
    first = rows[0]
    name = seen.selection.name(first.id)
    estimate = f"{seen.fixed(first.estimate)} (n = {first.n})"
    if first.id == seen.winner_id:
        title = f"Leaderboard: {name} wins with posterior mean {estimate}"
    elif first.n > 1:
        title = f"Leaderboard: {name} leads with posterior mean {estimate}"
    else:
        title = "Leaderboard: nobody leads yet, for no configuration has two seeds"
    note = "Intervals: 95 %. Star: the winner. Cross: out, too improbable to be best. Diamonds: fresh seeds."
    note += " Dotted lines: baselines." if chart.layout.shapes else ""
    note += left_out(len(beside) - SHOWN)
    return finish(
        chart, seen, title, note=note, showlegend=False, height=110 + 26 * len(order), margin={"l": 150, "b": 60}
    )


def _half(row):
    return INTERVAL * row.sd if math.isfinite(row.sd) else 0


def _fresh(seen, fresh, names):
    found = {id_: seen.units.estimate(values) for id_, values in fresh.items()}
    ids = [id_ for id_ in names if id_ in found]
    bounds = [(found[id_].high - found[id_].value, found[id_].value - found[id_].low) for id_ in ids]
    bounds = [pair if all(value == value for value in pair) else (0, 0) for pair in bounds]
    return go.Scatter(
        x=[found[id_].value for id_ in ids],
        y=[names[id_] for id_ in ids],
        error_x={
            "symmetric": False,
            "array": [high for high, _ in bounds],
            "arrayminus": [low for _, low in bounds],
            "color": PALETTE.fresh,
            "thickness": 1.5,
        },
        mode="markers",
        marker={"color": PALETTE.fresh, "symbol": "diamond", "size": 10},
        name="fresh seeds",
        text=[f"n = {found[id_].n}" for id_ in ids],
        hovertemplate="%{y}<br>mean %{x:.4g}, %{text}<extra></extra>",
    )
