"""The winner is chosen once, from search runs alone; then it and what it is compared with get fresh seeds."""

from __future__ import annotations

from kdsearch.errors import KdsearchError
from kdsearch.ledger.orders import ChooseWinner
from kdsearch.ledger.orders import EnterPhase
from kdsearch.ledger.orders import NewConfiguration
from kdsearch.ledger.orders import NewRun
from kdsearch.ledger.orders import Note
from kdsearch.ledger.orders import Order
from kdsearch.ledger.records import ENDED
from kdsearch.ledger.records import Kind
from kdsearch.ledger.records import SearchRun
from kdsearch.ledger.views import SearchState
from kdsearch.search.evidence import by_pool
from kdsearch.search.evidence import pending
from kdsearch.search.seeds import confirm_seed
from kdsearch.search.standing import Standing
from kdsearch.search.teachers import Teachers
from kdsearch.study import Study

ABLATION = "winner without distillation"


def choose(study: Study, state: SearchState, ranking: list[Standing]) -> list[Order]:
    """Fix winner, ablation and finalists; the confirm runs follow in the next decision."""
    if not ranking:
        raise KdsearchError(
            "the budget is spent and no search run ended well. See kdsearch status for the failed runs, mend the cause "
            "and launch with --retry-failed."
        )
    winner, *others = ranking
    made, ablation = _ablation(study, state, winner)
    evidence = {
        "rule": f"highest posterior mean of the objective over search seeds{_among(winner)}",
        "estimate": winner.estimate,
        "estimate_sd": winner.sd,
        "search_seeds": winner.n,
        "candidates": len(ranking),
        "min_effect": float(state.study.settings["min_effect"]),
    }
    return [
        *made,
        ChooseWinner(
            winner=winner.id,
            ablation=ablation,
            finalists=tuple(row.id for row in others if row.n > 1)[: int(state.study.settings["confirm"]["finalists"])],
            evidence=evidence,
        ),
    ]


def _among(winner: Standing) -> str:
    """A budget may end before any configuration has two seeds; then one run is all there is to choose by."""
    return ", of those with two seeds or more" if winner.n > 1 else "; none has two seeds: it is chosen by one run"


def _ablation(study: Study, state: SearchState, winner: Standing) -> tuple[list[Order], int | tuple[Kind, str]]:
    """The winner without distillation: a new configuration, unless there is one of the very same numbers."""
    params = study.without_teacher(winner.configuration.params)
    known = [winner.configuration, *(row for row in state.configurations.values() if row.kind == "baseline")]
    same = next((row for row in known if dict(row.params) == params), None)
    if same is not None:
        return [], same.id
    return [NewConfiguration("ablation", ABLATION, params, "kdsearch")], ("ablation", ABLATION)


def orders(study: Study, state: SearchState, seeds: int) -> list[Order]:
    """Confirm runs that are not yet ordered; when all have ended, the end.

    Priority is the seed's number first, so that a study stopped half-way still compares on common seeds.
    """
    record = state.study
    assert record.winner_id is not None
    assert record.ablation_id is not None
    baselines = [row.id for row in state.configurations.values() if row.kind == "baseline"]
    compared = list(dict.fromkeys([record.winner_id, record.ablation_id, *baselines, *record.finalist_ids]))
    runs = by_pool(state)["confirm"]
    known = {(run.configuration_id, run.seed) for run in runs}
    teachers = Teachers(state, study.uses_teacher)
    placed: list[Order] = []
    for index in range(seeds):
        for rank, configuration in enumerate(compared):
            seed = confirm_seed(index)
            if (configuration, seed) in known:
                continue
            more, needs = teachers.for_run(state.configurations[configuration].params, seed)
            placed += more
            placed.append(
                NewRun(
                    configuration,
                    "confirm",
                    seed,
                    needs=needs,
                    priority=1_000_000 + index * len(compared) + rank,
                    keep_weights=configuration == record.winner_id,
                )
            )
    if placed or pending(state.runs):
        back = [EnterPhase("confirm")] if record.phase == "finished" else []  # extended, or runs added by hand
        return [*back, *placed]
    return [] if record.phase == "finished" else [_look(state, runs), EnterPhase("finished")]


def _look(state: SearchState, runs: list[SearchRun]) -> Note:
    """From now on the verdict can be read: how many seeds winner and ablation have in common is what it rests on."""
    ended = {
        id_: {run.seed for run in runs if run.configuration_id == id_ and run.state in ENDED}
        for id_ in (state.study.winner_id, state.study.ablation_id)
    }
    seeds = len(set.intersection(*ended.values()))
    return Note("look", f"all confirm runs have ended: a look at {seeds} common fresh seeds", {"seeds": seeds})
