"""How seeds were spent: which configuration got a run when, which stayed in and which went out."""

import plotly.graph_objects as go

from kdsearch.figures import PALETTE, faded, finish, labels, nothing, thinned, view

ROWS, DOTS = 60, 1500


def figure(results):
    """Search runs in the order in which they ended, a row a configuration in the order in which they were proposed."""
    seen = view(results)
    runs = seen.search_runs
    if not runs:
        return nothing(seen, "How seeds were spent", "No search run has ended yet.")
    number = {run.id: place + 1 for place, run in enumerate(runs)}
    counts = {}
    for run in runs:
        counts[run.configuration_id] = counts.get(run.configuration_id, 0) + 1
    kept = set(sorted(counts, key=lambda id_: (id_ != seen.winner_id, -counts[id_], id_))[:ROWS])
    order = [id_ for id_ in seen.selection.configurations if id_ in kept]
    named = labels({id_: seen.name(id_) for id_ in order})
    names = {id_: f"{name} (n={counts[id_]})" for id_, name in named.items()}
    out = {row.id for row in seen.standings if row.out}
    chart = go.Figure()
    for name, colour, symbol, belongs in (
        ("in", PALETTE.search, "circle", lambda id_: id_ not in out and id_ != seen.winner_id),
        ("out by now", PALETTE.out, "x", lambda id_: id_ in out and id_ != seen.winner_id),
        ("winner", PALETTE.winner, "star", lambda id_: id_ == seen.winner_id),
    ):
        own = [run for run in runs if run.configuration_id in kept and belongs(run.configuration_id)]
        if own:
            own = thinned(own, DOTS)
            chart.add_trace(
                go.Scatter(
                    x=[number[run.id] for run in own],
                    y=[names[run.configuration_id] for run in own],
                    mode="markers",
                    marker={"color": faded(colour, 0.75), "symbol": symbol, "size": 8},
                    name=name,
                    text=[f"{seen.selection.objective(run):.4g}" for run in own],
                    hovertemplate="%{y}<br>run %{x}: %{text}<extra></extra>",
                )
            )
    chart.update_xaxes(title_text="search run, in the order in which they ended")
    chart.update_yaxes(
        categoryorder="array", categoryarray=[names[id_] for id_ in order][::-1], range=[-0.6, len(order) - 0.4]
    )
    once = sum(count == 1 for count in counts.values())
    most = max(counts, key=lambda id_: counts[id_])
    largest = f"{seen.selection.name(most)} {counts[most]}"
    title = f"How seeds were spent: {once} of {len(counts)} configurations got one, {largest}"
    left = len(counts) - len(order)
    note = f"{left:,} configurations with the fewest runs are not shown." if left else ""
    stopped = len(seen.selection.stopped)
    note += f" {stopped:,} runs that their curves have stopped are not among these." if stopped else ""
    return finish(
        chart, seen, title, note=note.strip(), height=90 + max(18 * len(order), 120), margin={"l": 150, "b": 60}
    )
