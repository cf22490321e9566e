"""What the study cost: hours of training by what they were spent on, and how busy its workers were."""

import plotly.graph_objects as go

from kdsearch.figures import SERIES, finish, label, nothing, view
from kdsearch.report.wording import plural

POOLS = {"search": "search seeds", "confirm": "fresh seeds", "teacher": "teachers", "preflight": "preflight"}
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
    for place, state in enumerate(STATES):
        own = [hours.get((pool, state), 0.0) * size for pool in pools]
        if any(own):
            count = sum(run.state == state for run in timed)
            chart.add_trace(
                go.Bar(
                    x=own,
                    y=pools,
                    orientation="h",
                    name=f"{state} ({count})",
                    marker={"color": SERIES[place], "pattern": {"shape": ["", "/", "x", ".", "-"][place]}},
                    hovertemplate=f"%{{y}}: %{{x:.3g}} {unit}<extra></extra>",
                )
            )
    chart.update_xaxes(title_text=f"{unit} of training, summed over runs")
    chart.update_yaxes(categoryorder="array", categoryarray=pools[::-1])
    devices = {}
    for run in timed:
        devices[run.device or "unknown device"] = devices.get(run.device or "unknown device", 0) + 1
    said = ", ".join(
        f"{label(name)} ({count})" for name, count in sorted(devices.items(), key=lambda pair: -pair[1])[:4]
    )
    title = f"Cost: {total * size:.3g} {unit} of training in {len(timed):,} runs"
    note = f"Devices: {said}. {_busy(timed)}"
    return finish(
        chart, seen, title, note=note, height=120 + 44 * len(pools), barmode="stack", margin={"l": 110, "b": 60}
    )


def _busy(timed):
    """How many runs trained at once, over the time in which any did; a pause between two launches is none of it."""
    spans = sorted(
        (run.finished_at.timestamp() - run.seconds, run.finished_at.timestamp())
        for run in timed
        if run.finished_at is not None
    )
    if not spans:
        return ""
    busy, end = 0.0, spans[0][0]
    for begin, finish_ in spans:
        busy += max(0.0, finish_ - max(begin, end))
        end = max(end, finish_)
    workers = len({run.worker for run in timed if run.worker})
    if busy <= 0:
        return ""
    at_once = sum(finish_ - begin for begin, finish_ in spans) / busy
    return f"While any run trained, {at_once:.1f} did on average, by {plural(workers, 'worker')}."
