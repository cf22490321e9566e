"""What each searched number does: the model's mean over all settings of the others, with its band, and the runs."""

import math

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kdsearch.figures import PALETTE, axis_title, faded, finish, labels, log_axis, nothing, rounded, thinned, view
from kdsearch.study.set_text import write

COLUMNS, MOST, DOTS, BAND = 3, 12, 250, 1.96


def figure(results):
    """One panel a number, the most important first."""
    seen = view(results)
    if seen.surface is None:
        return nothing(seen, "Effects of the searched numbers", seen.no_model)
    shares = seen.importance[:MOST]
    columns = min(COLUMNS, len(shares))
    rows = math.ceil(len(shares) / columns)
    names = labels({share.name: share.name for share in shares})
    titles = [f"{names[share.name]} ({100 * share.median:.0f} %)" for share in shares]
    chart = make_subplots(
        rows=rows,
        cols=columns,
        shared_yaxes="all",
        subplot_titles=titles,
        horizontal_spacing=0.04,
        vertical_spacing=0.3 / rows,
    )
    effects = [seen.surface.effect(share.name) for share in shares]
    for place, effect in enumerate(effects):
        _panel(chart, seen, effect, {"row": place // columns + 1, "col": place % columns + 1})
    for row in range(1, rows + 1):
        chart.update_yaxes(title_text=axis_title(seen.objective), row=row, col=1)
    chart.update_yaxes(range=_range(seen, effects))
    title = f"Effects: {shares[0].name} has the largest share of the variance, {100 * shares[0].median:.0f} %"
    note = (
        "Dots: runs. Line: posterior mean over all settings of the other numbers; band: 95 %. Percentages: share of "
        "the variance over the space, with its interactions. Dashed: the winner."
    )
    left = len(seen.importance) - len(shares)
    note += f" {left} further numbers with smaller shares are not shown." if left else ""
    return finish(chart, seen, title, note=f"{note} {seen.model_note}".strip(), height=270 * rows, showlegend=False)


def _panel(chart, seen, effect, at):
    values = list(effect.values)
    if effect.choices:  # as places, with what they are called
        texts = labels({place: write(value, seen.space[effect.name]) for place, value in enumerate(values)}, 14)
        values = list(range(len(values)))
    low, high = effect.mean - BAND * effect.sd, effect.mean + BAND * effect.sd
    runs = thinned([run for run in seen.search_runs if effect.name in seen.read(run.configuration_id)], DOTS)
    given = [seen.read(run.configuration_id)[effect.name] for run in runs]
    chart.add_trace(
        go.Scatter(
            x=[_place(value, effect.values) for value in given] if effect.choices else given,
            y=[seen.selection.objective(run) for run in runs],
            mode="markers",
            marker={"color": faded(PALETTE.search, 0.35), "size": 5},
            name="run",
            hovertemplate="%{x}: %{y:.4g}<extra></extra>",
        ),
        **at,
    )
    if effect.choices:
        chart.add_trace(
            go.Scatter(
                x=values,
                y=rounded(effect.mean),
                error_y={"array": rounded(BAND * effect.sd), "color": PALETTE.line},
                mode="markers",
                marker={"color": PALETTE.line, "symbol": "diamond", "size": 9},
                name="posterior mean",
            ),
            **at,
        )
        chart.update_xaxes(tickvals=values, ticktext=list(texts.values()), range=[-0.5, len(values) - 0.5], **at)
        return
    chart.add_trace(
        go.Scatter(
            x=[*values, *values[::-1]],
            y=[*rounded(low), *rounded(high)[::-1]],
            mode="lines",
            fill="toself",
            fillcolor=faded(PALETTE.line, 0.18),
            line={"width": 0},
            hoverinfo="skip",
        ),
        **at,
    )
    chart.add_trace(
        go.Scatter(
            x=values,
            y=rounded(effect.mean),
            mode="lines",
            line={"color": PALETTE.line, "width": 2.5},
            name="posterior mean",
            hovertemplate="%{x:.4g}: %{y:.4g}<extra></extra>",
        ),
        **at,
    )
    if effect.log:
        chart.update_xaxes(**log_axis(values), **at)
    chosen = seen.read(seen.winner_id).get(effect.name) if seen.selection.winner is not None else None
    if chosen is not None:
        chart.add_vline(x=chosen, line={"color": PALETTE.winner, "dash": "dash", "width": 1.5}, **at)


def _range(seen, effects):
    """All means, and the runs without those far below: their cause is not in one number, and they would flatten all."""
    values = sorted(seen.sign * seen.selection.objective(run) for run in seen.search_runs)
    means = [seen.sign * float(value) for effect in effects for value in effect.mean]
    low, high = min(values[len(values) // 10], *means), max(values[-1], *means)
    room = 0.08 * (high - low) or 1e-6
    return sorted([seen.sign * (low - room), seen.sign * (high + room)])


def _place(value, choices):
    """Which choice it is: 1 and True, or 1 and 1.0, are two where both are choices."""
    same = [place for place, choice in enumerate(choices) if choice == value and type(choice) is type(value)]
    return (same or [place for place, choice in enumerate(choices) if choice == value])[0]
