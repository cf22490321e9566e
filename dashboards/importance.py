"""How much each searched number matters, and how well that is known."""

import plotly.graph_objects as go

from kdsearch.figures import PALETTE, axis_title, finish, labels, nothing, view

MOST = 20


def figure(results):
    """Each number's share of the variance over the space by the model, with 90 %; Optuna's PED-ANOVA beside it."""
    seen = view(results)
    if seen.surface is None:
        return nothing(seen, "Importance of the searched numbers", seen.no_model)
    shares = seen.importance[:MOST][::-1]
    names = list(labels({share.name: share.name for share in shares}).values())
    chart = go.Figure(
        go.Bar(
            x=[share.median for share in shares],
            y=names,
            orientation="h",
            marker={"color": PALETTE.search},
            error_x={
                "symmetric": False,
                "array": [share.high - share.median for share in shares],
                "arrayminus": [share.median - share.low for share in shares],
                "color": PALETTE.line,
            },
            name="the search's model: median and 90 % of its posterior",
            hovertemplate="%{y}: %{x:.2f}<extra></extra>",
        )
    )
    other = _ped_anova(seen)
    if other:
        chart.add_trace(
            go.Scatter(
                x=[other.get(share.name) for share in shares],
                y=names,
                mode="markers",
                marker={
                    "color": PALETTE.fresh,
                    "symbol": "diamond",
                    "size": 10,
                    "line": {"color": "white", "width": 1},
                },
                name="PED-ANOVA of Optuna, no interval",
                hovertemplate="%{y}: %{x:.2f}<extra></extra>",
            )
        )
    chart.update_xaxes(title_text=axis_title("share of the variance of the objective"), rangemode="tozero")
    best = shares[-1]
    bounds = f"[{100 * best.low:.0f}, {100 * best.high:.0f}]"
    title = f"Importance: {best.name} {100 * best.median:.0f} % {bounds} of the variance"
    note = "Shares count interactions for both numbers and may sum to more than 1."
    if other:
        note += " PED-ANOVA tells the best tenth of the configurations from the others and sums to 1"
        note += "; it has no numbers with conditions." if len(other) < len(seen.importance) else "."
    left = len(seen.importance) - len(shares)
    note = f"{note}{f' {left} further numbers are not shown.' if left else ''} {seen.model_note}".strip()
    return finish(chart, seen, title, note=note, height=90 + 30 * len(shares), margin={"l": 150, "b": 60})


def _ped_anova(seen):
    """By Optuna, over configurations with their posterior means; none where it cannot be computed."""
    import optuna

    from kdsearch.search.optuna_space import distributions, errors_alone

    space = {name: row for name, row in seen.space.items() if not hasattr(row, "on")}
    try:
        with errors_alone():
            study = optuna.create_study(direction="minimize" if seen.sign < 0 else "maximize")
            for row in seen.standings:
                params = {name: row.configuration.params.get(name) for name in space}
                if all(space[name].contains(value) for name, value in params.items()):
                    trial = optuna.create_trial(params=params, distributions=distributions(space), value=row.estimate)
                    study.add_trial(trial)
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            return optuna.importance.get_param_importances(study, evaluator=evaluator)
    except Exception:  # too few trials, or numbers that it cannot take: the model's shares stand without it
        return {}
