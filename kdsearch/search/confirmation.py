"""The winner is chosen once, from search runs alone; then it and what it is compared with get fresh seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdsearch.errors import KdsearchError
from kdsearch.ledger.orders import ChooseWinner, EnterPhase, NewConfiguration, NewRun, Note, Order
from kdsearch.ledger.queries import SearchState
from kdsearch.ledger.records import ENDED, ConfigurationRecord, Kind, SearchRun, StudyRecord
from kdsearch.search.observations import by_pool, pending
from kdsearch.search.ranking import Standing
from kdsearch.search.teachers import Teachers
from kdsearch.space import active_values
from kdsearch.study.declaration import Study
from kdsearch.tasks.base import Scalar

ABLATION = "winner without distillation"
FIRST_PRIORITY = 1_000_000
"""Of confirm runs: after all that is searched."""


def choose(study: Study, state: SearchState, ranking: list[Standing], without: list[Standing]) -> list[Order]:
    """Fix winner, ablation, best configuration without teacher and finalists; the confirm runs follow in the next
    decision.

    ``ranking`` and ``without``: of the two searches, best first.
    """
    if not ranking:
        raise KdsearchError(
            "the budget is spent and no search run ended well. See kdsearch status: mend the cause of failed runs and "
            "launch with --retry-failed; where a pruner stopped the others, give the study one that stops fewer."
        )
    winner, *others = ranking
    best = without[0] if without else None
    made, ablation = _ablation(study, state, winner, best)
    same = best is not None and _alike(study, best.configuration.params, winner.configuration.params)
    rule = f"{'lowest' if state.study.minimizes else 'highest'} posterior mean of the objective over search seeds"
    observations: dict[str, Any] = {
        "rule": f"{rule}{_among(winner)}",
        "estimate": winner.estimate,
        "estimate_sd": winner.sd,
        "search_seeds": winner.n,
        "candidates": len(ranking),
        "min_effect": state.study.settings.min_effect,
    }
    if best is not None:
        observations["without"] = {
            "name": best.configuration.name,
            "rule": f"{rule}{_among(best)}",
            "estimate": best.estimate,
            "estimate_sd": best.sd,
            "search_seeds": best.n,
            "candidates": len(without),
        }
    return [
        *made,
        ChooseWinner(
            winner=winner.id,
            ablation=ablation,
            finalists=tuple(row.id for row in others if row.n > 1)[: state.study.settings.confirm.finalists],
            observations=observations,
            best_without=None if best is None else winner.id if same else best.id,
        ),
    ]


def _among(winner: Standing) -> str:
    """A budget may end before any configuration has two seeds; then one run is all there is to choose by."""
    return ", of those with two seeds or more" if winner.n > 1 else "; none has two seeds: it is chosen by one run"


def _alike(study: Study, one: Mapping[str, Scalar], other: Mapping[str, Scalar]) -> bool:
    if study.without is None:
        return dict(one) == dict(other)
    return active_values(study.space, one) == active_values(study.space, other)


def _ablation(
    study: Study, state: SearchState, winner: Standing, best: Standing | None
) -> tuple[list[Order], int | tuple[Kind, str]]:
    """The winner without distillation: a new configuration, unless there is one that reads the very same numbers."""
    params = study.without_teacher(winner.configuration.params)
    known = [winner.configuration, *(row for row in state.configurations.values() if row.kind == "baseline")]
    if best is not None:
        known.insert(1, best.configuration)
    same = next((row for row in known if _alike(study, row.params, params)), None)
    if same is not None:
        return [], same.id
    return [NewConfiguration("ablation", ABLATION, params, "kdsearch")], ("ablation", ABLATION)


def orders(study: Study, state: SearchState) -> list[Order]:
    """Confirm runs that are not yet ordered; when all have ended, the end.

    Priority is the seed's number first, so that a study stopped half-way still compares on common seeds.
    """
    record = state.study
    runs = by_pool(state)["confirm"]
    known = {(run.configuration_id, run.seed) for run in runs if run.state != "cancelled"}
    teachers = Teachers(state, study.uses_teacher)
    wanted = compared(record, state.configurations)
    placed: list[Order] = []
    for index in range(max(wanted.values())):
        seed = teachers.draws.first_confirm_seed + index
        priority = FIRST_PRIORITY + index * (1 + len(wanted))  # the seed's own teacher, then those that wait for it
        for rank, (configuration, seeds) in enumerate(wanted.items(), 1):
            if index >= seeds or (configuration, seed) in known:
                continue
            place = teachers.for_run(state.configurations[configuration].params, "confirm", seed, priority)
            placed += place.orders
            placed.append(
                NewRun(
                    configuration,
                    "confirm",
                    seed,
                    needs=place.needs,
                    priority=priority + rank,
                    keep_weights=configuration == record.winner_id,
                    fold=place.fold,
                )
            )
    if placed or pending(state.runs):
        back = [EnterPhase("confirm")] if record.phase == "finished" else []  # extended, or runs added by hand
        return [*back, *placed]
    return [] if record.phase == "finished" else [_look(state, runs), EnterPhase("finished")]


def compared(study: StudyRecord, configurations: Mapping[int, ConfigurationRecord]) -> dict[int, int]:
    """What is compared, winner first, and on how many of the confirm seeds: baselines and finalists on the first."""
    confirm = study.settings.confirm
    primary = [id_ for id_ in (study.winner_id, study.ablation_id, study.best_without_id) if id_ is not None]
    baselines = [row.id for row in configurations.values() if row.kind == "baseline"]
    beside = dict.fromkeys([*primary, *baselines, *study.finalist_ids], confirm.of_others)
    return {**beside, **dict.fromkeys(primary, confirm.seeds)}


def _look(state: SearchState, runs: list[SearchRun]) -> Note:
    """From now on the verdict can be read: the seeds that its two sides have in common are what it rests on.

    Where the confirm seeds share teachers, it rests on so many teachers.
    """
    ended = {
        id_: {run.seed for run in runs if run.configuration_id == id_ and run.state in ENDED}
        for id_ in (state.study.winner_id, other_side(state.study))
    }
    common = set.intersection(*ended.values())
    message, data = f"all confirm runs have ended: a look at {len(common)} common fresh seeds", {"seeds": len(common)}
    draws = state.study.draws
    if draws.teachers:
        data["teachers"] = len({draws.index("confirm", seed) % draws.teachers for seed in common})
        message += f" of {data['teachers']} teachers"
    return Note("look", message, data)


def other_side(study: StudyRecord) -> int | None:
    """What the winner is compared with first of all: the answer to the study's question."""
    best = study.settings.question == "best without" and study.best_without_id is not None
    return study.best_without_id if best else study.ablation_id
