"""What choosing added to the numbers of the search: search seeds against fresh ones of the same configuration."""

import plotly.graph_objects as go

from kdsearch.figures import PALETTE, axis_title, finish, label, nothing, view
from kdsearch.statistics import summarize


def figure(results):
    """A line from the mean on search seeds to that on fresh ones, both on validation; the best single run beyond it."""
    seen = view(results)
    title = "Inflation: search seeds against fresh seeds"
    if not seen.decided:
        return nothing(seen, title, "No winner is chosen yet: results on fresh seeds are not shown before.")
    rows = []
    for row in seen.compared:
        search, fresh = seen.selection.objectives(row.id, "search"), seen.fresh_objectives(row.id)
        if search and fresh:
            rows.append((f"{label(row.label)} (n={len(search)}+{len(fresh)})", summarize(search), summarize(fresh)))
    if not rows:
        return nothing(seen, title, "No configuration has both search seeds and fresh seeds yet.")
    chart = go.Figure()
    for name, search, fresh in rows:
        chart.add_trace(
            go.Scatter(
                x=[search.mean, fresh.mean],
                y=[name, name],
                mode="lines",
                line={"color": PALETTE.out, "width": 3},
                showlegend=False,
                hoverinfo="skip",
            )
        )
    picked = [seen.selection.best([search.minimum, search.maximum]) for _, search, _ in rows]
    for values, said, colour, symbol in (
        (picked, "best single search run", "#E69F00", "star"),
        ([search.mean for _, search, _ in rows], "search seeds, mean", PALETTE.search, "circle"),
        ([fresh.mean for _, _, fresh in rows], "fresh seeds, mean", PALETTE.fresh, "diamond"),
    ):
        chart.add_trace(
            go.Scatter(
                x=values,
                y=[name for name, _, _ in rows],
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 12, "line": {"color": "white", "width": 1}},
                name=said,
                hovertemplate="%{y}<br>%{x:.4g}<extra></extra>",
            )
        )
    order = [name for name, _, _ in rows]
    chart.update_xaxes(title_text=axis_title(seen.objective))
    chart.update_yaxes(categoryorder="array", categoryarray=order[::-1], range=[-0.6, len(order) - 0.4])
    change = rows[0][1].mean - rows[0][2].mean
    side = "above" if change >= 0 else "below"
    title = f"Inflation: the winner's search mean lies {abs(change):.3g} {side} its fresh mean"
    note = "n: search seeds + fresh ones. Both are of validation data at the chosen epoch."
    return finish(chart, seen, title, note=note, height=110 + 40 * len(order), margin={"l": 190, "b": 60})
