"""Whether validation tells of test: each run on a fresh seed, at the epoch that validation chose."""

import math

import plotly.graph_objects as go

from kdsearch.figures import SERIES, axis_title, faded, finish, labels, left_out, nothing, view

ROWS, MOST = 12, 150
SYMBOLS = ("star", "circle", "diamond", "square", "triangle-up", "cross", "x")


def figure(results):
    """Validation against test of what is compared."""
    seen = view(results)
    title = "Validation against test"
    if not seen.decided:
        return nothing(seen, title, seen.no_result)
    if not seen.selection.has_scores:
        return nothing(seen, title, "This task has no test part.")
    chart, every = go.Figure(), []
    texts = labels({row.id: row.label for row in seen.compared[:ROWS]})
    for place, row in enumerate(seen.compared[:ROWS]):
        runs = [run for run in seen.selection.of(row.id, "confirm") if run.state == "done"]
        pairs = [(run.objective, run.score) for run in runs if run.objective is not None and run.score is not None]
        if not pairs:
            continue
        every += pairs
        colour = SERIES[place % len(SERIES)]
        chart.add_trace(
            go.Scatter(
                x=[one for one, _ in pairs[:MOST]],
                y=[two for _, two in pairs[:MOST]],
                mode="markers",
                marker={"color": faded(colour, 0.7), "symbol": SYMBOLS[place % len(SYMBOLS)], "size": 9},
                name=f"{texts[row.id]} (n={len(pairs)})",
                hovertemplate="validation %{x:.4g}<br>test %{y:.4g}<extra></extra>",
            )
        )
    if not every:
        return nothing(seen, title, "No run on a fresh seed has ended yet.")
    low, high = min(min(pair) for pair in every), max(max(pair) for pair in every)
    chart.add_trace(
        go.Scatter(
            x=[low, high],
            y=[low, high],
            mode="lines",
            line={"color": SERIES[6], "dash": "dot", "width": 1.5},
            name="test = validation",
            hoverinfo="skip",
        )
    )
    chart.update_xaxes(title_text=axis_title(seen.objective))
    chart.update_yaxes(title_text=axis_title(seen.result))
    r = _correlation(every)
    gap = sum(one - two for one, two in every) / len(every)
    title = f"Validation against test: test lies {seen.fixed(abs(gap))} {'below' if gap >= 0 else 'above'}"
    title += "" if math.isnan(r) else f", r = {r:.2f}"
    note = "r is over all these runs, differences between configurations among them; diverged runs are left out."
    note += f" Dots: the first {MOST} runs of a configuration." if any(len(row.x) == MOST for row in chart.data) else ""
    note += left_out(len(seen.compared) - ROWS)
    return finish(chart, seen, f"{title} (n = {len(every)})", note=note, height=460)


def _correlation(pairs):
    n = len(pairs)
    mean = [sum(pair[side] for pair in pairs) / n for side in (0, 1)]
    both = sum((one - mean[0]) * (two - mean[1]) for one, two in pairs)
    squares = [sum((pair[side] - mean[side]) ** 2 for pair in pairs) for side in (0, 1)]
    return both / math.sqrt(squares[0] * squares[1]) if squares[0] > 0 and squares[1] > 0 else math.nan
