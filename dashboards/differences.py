"""The winner against everything it is compared with, seed by seed."""

import math

import plotly.graph_objects as go

from kdsearch.figures import PALETTE, SERIES, axis_title, faded, finish, label, nothing, view
from kdsearch.report.wording import percent

MOST = 80


def figure(results):
    """Paired differences, winner minus row, each unit a dot; the mean with the interval that the table states."""
    seen = view(results)
    title = "The winner against the others, seed by seed"
    if not seen.decided:
        return nothing(seen, title, "No winner is chosen yet: results on fresh seeds are not shown before.")
    rows = [(row, seen.comparisons.rows[row.id]) for row in seen.compared if row.id in seen.comparisons.rows]
    if not rows:
        return nothing(seen, title, "No fresh seed has ended with both yet.")
    names = {row.id: f"{label(row.label)} (n={found.difference.n})" for row, found in rows}
    chart = go.Figure()
    for place, (row, found) in enumerate(rows):
        values = [one - two for one, two in zip(found.pair.first, found.pair.second, strict=True)][:MOST]
        chart.add_trace(
            go.Scatter(
                x=values,
                y=[names[row.id]] * len(values),
                mode="markers",
                marker={"color": faded(PALETTE.search, 0.55), "size": 8},
                name=f"one {seen.units.word}",
                showlegend=place == 0,
                hovertemplate="%{y}<br>%{x:+.4g}<extra></extra>",
            )
        )
    known = [(row, found) for row, found in rows if not math.isnan(found.difference.low)]
    chart.add_trace(
        go.Scatter(
            x=[found.difference.mean for _, found in rows],
            y=[names[row.id] for row, _ in rows],
            error_x={
                "symmetric": False,
                "array": [
                    found.difference.high - found.difference.mean if (row, found) in known else 0 for row, found in rows
                ],
                "arrayminus": [
                    found.difference.mean - found.difference.low if (row, found) in known else 0 for row, found in rows
                ],
                "color": PALETTE.fresh,
                "thickness": 2.5,
            },
            mode="markers",
            marker={"color": PALETTE.fresh, "symbol": "diamond", "size": 11},
            text=[found.verdict for _, found in rows],
            name=f"mean, {percent(seen.comparisons.confidence)} interval",
            hovertemplate="%{y}<br>%{x:+.4g}: %{text}<extra></extra>",
        )
    )
    chart.add_vline(x=0, line={"color": PALETTE.line, "width": 1.5})
    effect = seen.selection.min_effect
    spread = (
        max(
            abs(value) for _, found in rows for value in (found.difference.low, found.difference.high) if value == value
        )
        if known
        else 0
    )
    note = ""
    if 0 < effect <= 3 * spread:
        chart.add_vrect(x0=-effect, x1=effect, fillcolor=faded(SERIES[6], 0.08), line_width=0, layer="below")
        note = f"Grey band: differences below min_effect, {effect:g}."
    chart.update_xaxes(title_text=axis_title(f"winner minus row, {seen.result}"))
    order = [names[row.id] for row, _ in rows]
    chart.update_yaxes(categoryorder="array", categoryarray=order[::-1], range=[-0.6, len(order) - 0.4])
    first, found = rows[0]
    title = f"Winner minus {first.label}: {found.difference.mean:+.3g} ({found.verdict}, n = {found.difference.n})"
    side = "left" if seen.sign < 0 else "right"
    note = f"To the {side} of 0 the winner is better. {note}".strip()
    return finish(chart, seen, title, note=note, height=110 + 40 * len(order), margin={"l": 190, "b": 60})
