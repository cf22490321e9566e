"""How far the seeds of each configuration lie apart, and the single run that cherry-picking would report."""

import numpy as np
import plotly.graph_objects as go

from kdsearch.figures import PALETTE, axis_title, faded, finish, labels, left_out, nothing, view
from kdsearch.statistics import summarize

SHOWN, BOX, MOST = 20, 5, 60  # configurations; runs from which on a box is drawn; dots of one configuration


def figure(results):
    """Each run as a dot, configurations by posterior mean, never by the raw mean, which the luckiest lead."""
    seen = view(results)
    rows = [row for row in seen.leading(SHOWN) if row.n > 1 or row.id == seen.winner_id]
    if not rows:
        return nothing(seen, "Seeds by configuration", "No configuration has two seeds yet.")
    beside = [row for row in seen.compared if row.id not in {standing.id for standing in rows}]
    others = beside[:SHOWN]
    names = labels({row.id: seen.name(row.id) for row in rows} | {row.id: row.label for row in others})
    search = {id_: values for id_ in names if (values := seen.selection.objectives(id_, "search"))}
    fresh = {id_: values for id_ in names if (values := seen.fresh_objectives(id_))}
    shown = [id_ for id_ in names if id_ in search or id_ in fresh]
    order = [
        f"{names[id_]} (n={len(search.get(id_, ()))}{f'+{len(fresh[id_])}' if id_ in fresh else ''})" for id_ in shown
    ]
    place = dict(zip(shown, order, strict=True))
    chart = go.Figure()
    for values, name, colour, symbol in (
        (search, "search seed", PALETTE.search, "circle"),
        (fresh, "fresh seed", PALETTE.fresh, "diamond"),
    ):
        for id_ in shown:
            own = values.get(id_, ())
            if len(own) >= BOX:
                chart.add_trace(_box(own, place[id_], colour))
        pairs = [(value, place[id_]) for id_ in shown for value in list(values.get(id_, ()))[:MOST]]
        if pairs:
            chart.add_trace(
                go.Scatter(
                    x=[value for value, _ in pairs],
                    y=[row for _, row in pairs],
                    mode="markers",
                    marker={"color": faded(colour, 0.65), "symbol": symbol, "size": 7},
                    name=name,
                    hovertemplate="%{y}<br>%{x:.4g}<extra></extra>",
                )
            )
    chart.add_trace(_means(search, place))
    note = _picked(chart, seen, place)
    spreads = [summarize(values).sd for values in search.values() if len(values) > 1]
    title = "Seeds by configuration"
    title += f": runs of one differ by up to sd {max(spreads):.2g}" if spreads else ", one each so far"
    chart.update_xaxes(title_text=axis_title(seen.objective))
    chart.update_yaxes(categoryorder="array", categoryarray=order[::-1], range=[-0.6, len(order) - 0.4])
    note += " n: search seeds" + (" + fresh ones." if fresh else ".") + left_out(len(beside) - SHOWN)
    return finish(
        chart, seen, title, note=note, height=110 + 26 * len(order), margin={"l": 150, "b": 60}, boxmode="overlay"
    )


def _box(values, row, colour):
    """Quartiles alone: the dots are the values."""
    low, first, middle, third, high = np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).tolist()
    return go.Box(
        q1=[first],
        median=[middle],
        q3=[third],
        lowerfence=[low],
        upperfence=[high],
        y=[row],
        orientation="h",
        line={"color": faded(colour, 0.8), "width": 1},
        fillcolor=faded(colour, 0.08),
        width=0.6,
        showlegend=False,
        hoverinfo="skip",
    )


def _means(search, place):
    rows = {id_: summarize(values) for id_, values in search.items() if values}
    return go.Scatter(
        x=[summary.mean for summary in rows.values()],
        y=[place[id_] for id_ in rows],
        mode="markers",
        marker={"color": PALETTE.line, "symbol": "line-ns-open", "size": 13, "line": {"width": 2}},
        name="mean of search seeds",
        hovertemplate="%{y}<br>mean %{x:.4g}<extra></extra>",
    )


def _picked(chart, seen, place):
    """Mark the best single run of the search, wherever it is."""
    runs = [(seen.sign * seen.selection.objective(run), run) for run in seen.search_runs]
    if not runs:
        return ""
    best = max(runs, key=lambda pair: pair[0])[1]
    value, name = seen.selection.objective(best), seen.selection.name(best.configuration_id)
    if best.configuration_id in place:
        chart.add_trace(
            go.Scatter(
                x=[value],
                y=[place[best.configuration_id]],
                mode="markers",
                marker={"color": "#E69F00", "symbol": "star", "size": 15, "line": {"color": PALETTE.line, "width": 1}},
                name="best single run",
                hovertemplate="best single run %{x:.4g}<extra></extra>",
            )
        )
    return f"The best single run, {seen.fixed(value)} of {name}, is what cherry-picking would claim."
