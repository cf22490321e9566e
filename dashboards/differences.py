"""The winner against everything it is compared with, seed by seed."""

import math

import plotly.graph_objects as go

from kdsearch.figures import PALETTE, SERIES, axis_title, faded, finish, labels, left_out, nothing, view
from kdsearch.report.tables import cut_difference
from kdsearch.report.wording import percent

ROWS, MOST = 30, 80


def figure(results):
    """Paired differences, winner minus row, each unit a dot; the mean with the interval that the table states."""
    seen = view(results)
    title = "The winner against the others, seed by seed"
    if not seen.decided:
        return nothing(seen, title, seen.no_result)
    rows = [(row, seen.comparisons.rows[row.id]) for row in seen.compared if row.id in seen.comparisons.rows]
    if not rows:
        return nothing(seen, title, "No fresh seed has ended with both yet.")
    shown = rows[:ROWS]
    texts = labels({row.id: row.label for row, _ in shown})
    names = [f"{texts[row.id]} (n={found.difference.n})" for row, found in shown]
    chart = go.Figure()
    for place, (name, (_, found)) in enumerate(zip(names, shown, strict=True)):
        values = [one - two for one, two in zip(found.pair.first, found.pair.second, strict=True)][:MOST]
        chart.add_trace(
            go.Scatter(
                x=values,
                y=[name] * len(values),
                mode="markers",
                marker={"color": faded(PALETTE.search, 0.55), "size": 8},
                name=f"one {seen.units.word}",
                showlegend=place == 0,
                hovertemplate="%{y}<br>%{x:+.4g}<extra></extra>",
            )
        )
    chart.add_trace(_means(seen, [found for _, found in shown], names))
    chart.add_vline(x=0, line={"color": PALETTE.line, "width": 1.5})
    notes = [f"To the {'left' if seen.sign < 0 else 'right'} of 0 the winner is better.", *_band(chart, seen, shown)]
    if any(found.difference.n > MOST for _, found in shown):
        notes.append(f"Dots: the first {MOST} of a row; means and intervals are of all.")
    chart.update_xaxes(title_text=axis_title(f"winner minus row, {seen.result}"))
    chart.update_yaxes(categoryorder="array", categoryarray=names[::-1], range=[-0.6, len(names) - 0.4])
    first, found = rows[0]
    title = f"Winner minus {first.label}: {seen.fixed(found.difference.mean, signed=True)}"
    title += f" ({found.verdict}, n = {found.difference.n})"
    note = " ".join(notes) + left_out(len(rows) - ROWS)
    return finish(chart, seen, title, note=note, height=110 + 40 * len(names), margin={"l": 190, "b": 60})


def _means(seen, found, names):
    """Means with the intervals of the table; each row has its own looks, and so its own confidence."""
    cut = [cut_difference(seen.selection.metric_range, row.difference) for row in found]
    shares = {percent(row.confidence) for row in found}
    return go.Scatter(
        x=[row.mean for row in cut],
        y=names,
        error_x={
            "symmetric": False,
            "array": [0 if math.isnan(row.high) else row.high - row.mean for row in cut],
            "arrayminus": [0 if math.isnan(row.low) else row.mean - row.low for row in cut],
            "color": PALETTE.fresh,
            "thickness": 2.5,
        },
        mode="markers",
        marker={"color": PALETTE.fresh, "symbol": "diamond", "size": 11},
        text=[f"{row.verdict}, {percent(row.confidence)} interval" for row in found],
        name=f"mean, {shares.pop()} interval" if len(shares) == 1 else "mean with the interval of its row",
        hovertemplate="%{y}<br>%{x:+.4g}: %{text}<extra></extra>",
    )


def _band(chart, seen, rows):
    """Shade what is below min_effect, where that is not all of the figure."""
    effect = seen.selection.min_effect
    ends = [abs(end) for _, found in rows for end in (found.difference.low, found.difference.high) if end == end]
    if not 0 < effect <= 3 * max(ends, default=0.0):
        return []
    chart.add_vrect(x0=-effect, x1=effect, fillcolor=faded(SERIES[6], 0.08), line_width=0, layer="below")
    return [f"Grey band: differences below min_effect, {effect:g}."]
