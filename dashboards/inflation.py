"""What choosing added to the numbers of the search: search seeds against fresh ones of the same configuration."""

import plotly.graph_objects as go

from kdsearch.figures import PALETTE, axis_title, finish, labels, left_out, nothing, view
from kdsearch.statistics import summarize

ROWS = 30


def figure(results):
    """A line from the mean on search seeds to that on fresh ones, both on validation; the best single run beyond it."""
    seen = view(results)
    title = "Inflation: search seeds against fresh seeds"
    if not seen.decided:
        return nothing(seen, title, seen.no_result)
    both = {
        row.id: (search, fresh)
        for row in seen.compared
        if (search := seen.selection.objectives(row.id, "search")) and (fresh := seen.fresh_objectives(row.id))
    }
    texts = labels({row.id: row.label for row in seen.compared if row.id in both})
    rows = [
        (f"{texts[id_]} (n={len(search)}+{len(fresh)})", summarize(search), summarize(fresh))
        for id_, (search, fresh) in both.items()
    ][:ROWS]
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
    if seen.winner_id in both:
        search, fresh = (summarize(values).mean for values in both[seen.winner_id])
        side = "above" if search >= fresh else "below"
        title = f"Inflation: the winner's search mean lies {seen.fixed(abs(search - fresh))} {side} its fresh mean"
    note = "n: search seeds + fresh ones."
    note += " Both are of validation data at the chosen epoch." if seen.selection.has_scores else ""
    note += left_out(len(both) - ROWS)
    return finish(chart, seen, title, note=note, height=110 + 40 * len(order), margin={"l": 190, "b": 60})
