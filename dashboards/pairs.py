"""What two numbers do together, as contours of the model's mean."""

import math
from itertools import combinations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kdsearch.figures import PALETTE, SCALE, axis_title, finish, label, log_axis, nothing, rounded, view

MOST, COLUMNS, DOTS = 4, 2, 120
ALWAYS = ("alpha", "temperature")  # what users of distillation ask for first


def figure(results):
    """A contour of each pair of the most important numbers; alpha and temperature wherever both are searched."""
    seen = view(results)
    surface = seen.surface
    title = "Pairs of numbers"
    if surface is None:
        return nothing(seen, title, seen.no_model)
    numbers = [share.name for share in seen.importance if not surface.is_choice(share.name)]
    pairs = [pair for pair in combinations(numbers[:MOST], 2) if surface.reads(*pair)]
    asked = _asked(numbers)
    if asked is not None and not any(set(pair) == set(asked) for pair in pairs) and surface.reads(*asked):
        pairs = [asked, *pairs]
    if not pairs:
        return nothing(seen, title, "No two numbers of this space are read together.")
    columns = min(COLUMNS, len(pairs))
    rows = math.ceil(len(pairs) / columns)
    chart = make_subplots(rows=rows, cols=columns, horizontal_spacing=0.12, vertical_spacing=0.28 / rows)
    for place, (first, second) in enumerate(pairs):
        at = {"row": place // columns + 1, "col": place % columns + 1}
        _panel(chart, seen, surface.pair(first, second), at)
    title = f"{pairs[0][0]} and {pairs[0][1]}" + (f", and {len(pairs) - 1} more pairs" if len(pairs) > 1 else "")
    bar = {"title": {"text": axis_title(seen.objective), "side": "right"}, "thickness": 14}
    scale = {"colorscale": SCALE, "colorbar": bar, "reversescale": seen.sign < 0}
    note = "Posterior mean over all settings of the other numbers. Dots: configurations; star: the winner."
    return finish(
        chart,
        seen,
        title,
        note=f"{note} {seen.model_note}".strip(),
        height=320 * rows,
        coloraxis=scale,
        showlegend=False,
    )


def _asked(names):
    found = [next((name for name in names if word in name.lower()), None) for word in ALWAYS]
    return None if None in found or found[0] == found[1] else tuple(found)


def _panel(chart, seen, pair, at):
    chart.add_trace(
        go.Contour(
            x=list(pair.first.values),
            y=list(pair.second.values),
            z=np.reshape(rounded(pair.mean.ravel()), pair.mean.shape).tolist(),
            coloraxis="coloraxis",
            contours={"showlabels": False},
            line={"width": 0.5},
            hovertemplate="%{x:.4g}, %{y:.4g}: %{z:.4g}<extra></extra>",
        ),
        **at,
    )
    rows = {row.id: seen.read(row.id) for row in seen.leading(DOTS)}
    names = pair.first.name, pair.second.name
    both = {
        id_: [params[name] for name in names] for id_, params in rows.items() if all(name in params for name in names)
    }
    for ids, symbol, size, colour in (
        ([id_ for id_ in both if id_ != seen.winner_id], "circle", 5, "white"),
        ([id_ for id_ in both if id_ == seen.winner_id], "star", 14, PALETTE.fresh),
    ):
        chart.add_trace(
            go.Scatter(
                x=[both[id_][0] for id_ in ids],
                y=[both[id_][1] for id_ in ids],
                mode="markers",
                marker={"symbol": symbol, "size": size, "color": colour, "line": {"color": "black", "width": 0.8}},
                text=[label(seen.name(id_)) for id_ in ids],
                hovertemplate="%{text}<extra></extra>",
                showlegend=False,
            ),
            **at,
        )
    chart.update_xaxes(title_text=axis_title(pair.first.name), **_scale(pair.first), **at)
    chart.update_yaxes(title_text=axis_title(pair.second.name), **_scale(pair.second), **at)


def _scale(effect):
    low, high = effect.values[0], effect.values[-1]
    if effect.log:
        return {**log_axis(effect.values), "range": [math.log10(low), math.log10(high)]}
    return {"range": [low, high]}
