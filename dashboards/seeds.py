"""Every configuration with its seeds: the mean and its 95 % interval, best first, each run as a faint dot."""

import textwrap
from html import escape

import plotly.graph_objects as go

from kdsearch.statistics.summaries import summarize_all

SHOWN, LINES = 40, 10


def figure(results):
    """Objective on search seeds; a configuration with one seed has no interval and is not ranked."""
    rows = []
    by_configuration = {}
    for run in results.runs:
        if run.pool == "search" and run.objective is not None:
            by_configuration.setdefault(run.configuration_id, []).append(run.objective)
    tried = [row for row in results.configurations.values() if len(by_configuration.get(row.id, ())) > 1]
    samples = [by_configuration[row.id] for row in tried]
    for summary, configuration, values in zip(summarize_all(samples), tried, samples, strict=True):
        rows.append((summary, configuration.name, values))
    rows.sort(key=lambda row: -results.study.sign * row[0].mean)
    rows = rows[:SHOWN]
    # Plotly reads tags in texts.
    names = [f"{escape(name)} (n={summary.n})" for summary, name, _ in rows]
    chart = go.Figure()
    chart.add_trace(
        go.Scatter(
            x=[value for _, _, values in rows for value in values],
            y=[name for name, (_, _, values) in zip(names, rows, strict=True) for _ in values],
            mode="markers",
            marker={"color": "rgba(90, 120, 160, 0.35)", "size": 6},
            name="one run",
        )
    )
    chart.add_trace(
        go.Scatter(
            x=[summary.mean for summary, _, _ in rows],
            y=names,
            mode="markers",
            marker={"color": "#1f3b63", "size": 9, "symbol": "line-ns-open"},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [summary.high - summary.mean for summary, _, _ in rows],
                "arrayminus": [summary.mean - summary.low for summary, _, _ in rows],
                "color": "#1f3b63",
            },
            name="mean and 95 % interval",
        )
    )
    study = results.study
    lines = textwrap.wrap(f"{study.name}, search seeds. {study.description}", 90)[:LINES]
    top, inner, bottom = 50 + 24 * len(lines), 60 + 24 * len(rows), 100  # pixels: few rows leave words their room too
    chart.update_layout(
        title={
            "text": f"Seeds of each configuration<br><sub>{'<br>'.join(map(escape, lines))}</sub>",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 16},
        },
        xaxis_title=f"{escape(study.metric)} on validation (objective)",
        yaxis={"autorange": "reversed"},
        legend={"orientation": "h", "y": -60 / inner, "yanchor": "top"},
        template="plotly_white",
        height=top + inner + bottom,
        margin={"l": 100, "t": top, "b": bottom, "r": 20},
    )
    return chart
