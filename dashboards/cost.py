"""What the study cost: hours of training by what they were spent on, and what passed by the clock."""

import plotly.graph_objects as go

from kdsearch.figures import SERIES, finish, nothing, view

POOLS = {"search": "search seeds", "confirm": "fresh seeds", "teacher": "teachers", "preflight": "preflight"}
SHAPES = ("", "/", "x", ".", "-", "+", "|")
UNITS = (("hours", 1), ("minutes", 60), ("seconds", 3600))
STATES = ("done", "diverged", "stopped", "failed", "cancelled")


def figure(results):
    """Hours by pool and state; of all runs, also those that no table counts."""
    seen = view(results)
    timed = [run for run in results.runs if run.seconds is not None]
    if not timed:
        return nothing(seen, "Cost", "No run has ended yet.")
    hours = {}
    for run in timed:
        key = POOLS[run.pool], run.state
        hours[key] = hours.get(key, 0.0) + run.seconds / 3600
    total = sum(hours.values())
    unit, size = next(((unit, size) for unit, size in UNITS if total * size >= 1), UNITS[-1])
    pools = [pool for pool in POOLS.values() if any(key[0] == pool for key in hours)]
    chart = go.Figure()
    states = [*STATES, *sorted({key[1] for key in hours} - set(STATES))]
    for place, state in enumerate(state for state in states if any(key[1] == state for key in hours)):
        count = sum(run.state == state for run in timed)
        chart.add_trace(
            go.Bar(
                x=[hours.get((pool, state), 0.0) * size for pool in pools],
                y=pools,
                orientation="h",
                name=f"{state} ({count:,})",
                marker={"color": SERIES[place], "pattern": {"shape": SHAPES[place]}},
                hovertemplate=f"%{{y}}: %{{x:.3g}} {unit}<extra></extra>",
            )
        )
    chart.update_xaxes(title_text=f"{unit} of training, summed over runs")
    chart.update_yaxes(categoryorder="array", categoryarray=pools[::-1])
    devices = {}
    for run in timed:
        devices[run.device or "unknown device"] = devices.get(run.device or "unknown device", 0) + 1
    said = ", ".join(f"{name} ({count:,})" for name, count in sorted(devices.items(), key=lambda pair: -pair[1])[:4])
    title = f"Cost: {total * size:.3g} {unit} of training in {len(timed):,} runs"
    note = f"Runs that train together share their time. Devices: {said}. {_clock(timed)}".strip()
    return finish(
        chart, seen, title, note=note, height=120 + 44 * len(pools), barmode="stack", margin={"l": 110, "b": 60}
    )


def _clock(timed):
    """What passed between the first end of a run and the last one, with all pauses."""
    ends = sorted(run.finished_at for run in timed if run.finished_at is not None)
    if len(ends) < 2:
        return ""
    passed = (ends[-1] - ends[0]).total_seconds()
    unit, size = next(((unit, size) for unit, size in UNITS if passed * size >= 3600), UNITS[-1])
    return f"From the first end of a run to the last: {passed / 3600 * size:.3g} {unit} by the clock."
