"""The mean of a configuration over its seeds, for your own Optuna study: ``optimize(kdsearch.objective(mine))``."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kdsearch import environment
from kdsearch.draws import FIRST_PREFLIGHT_SEED
from kdsearch.engines.code_hash import code_hash
from kdsearch.engines.teacher import draw_of
from kdsearch.search.optuna_space import suggest
from kdsearch.statistics.summaries import Summary, summarize
from kdsearch.study.declaration import Study
from kdsearch.tasks.base import RunContext, RunRequest, Scalar
from kdsearch.tasks.function import FunctionTask
from kdsearch.values import is_whole, plain, shown

if TYPE_CHECKING:
    from optuna import Trial


def objective(study: Study, *, seeds: int = 3, device: str = "cpu") -> Callable[[Trial], float]:
    """A function for ``optuna.Study.optimize``, of an Optuna study with the direction of ``study``.

    Each trial trains its configuration with the study's first ``seeds`` search seeds and returns the mean. After each
    seed it reports the mean so far to pruners, with the number of seeds as the step. ``n``, ``sd``, ``low``, ``high``
    and ``objectives`` are user attributes. Each seed has its own fold and teacher; a teacher is trained once per
    machine. Test scores are not read. Raises ``ValueError`` where ``seeds`` is not a whole number, 1 or more.
    """
    seeds = checked(study, seeds)

    def train(trial: Trial) -> float:
        import optuna

        _check_direction(study, trial)
        params = suggest(study.space, trial)

        def report(objectives: list[float]) -> None:
            trial.report(sum(objectives) / len(objectives), step=len(objectives))
            if trial.should_prune() and len(objectives) < seeds:
                _describe(trial, objectives)
                raise optuna.TrialPruned

        objectives = evaluate(study, params, seeds=seeds, device=device, report=report)
        return _describe(trial, objectives).mean

    return train


def _check_direction(study: Study, trial: Trial) -> None:
    """Raise ``ValueError`` where Optuna goes the other way; a trial outside of a study goes none."""
    own = getattr(trial, "study", None)
    if own is not None and own.direction.name.lower() != study.direction:
        raise ValueError(
            f"study {study.name!r} says direction={study.direction!r}: make Optuna's with "
            f"optuna.create_study(direction={study.direction!r}), which has {own.direction.name.lower()!r}"
        )


def checked(study: Any, seeds: Any) -> int:
    """The number of seeds as an int; ``TypeError`` or ``ValueError`` for what is no study or no such number."""
    if not isinstance(study, Study):
        raise TypeError(f"expected a study, such as kd.load('studies/mine.py') gives, got {shown(study)}")
    if not is_whole(plain(seeds), 1, FIRST_PREFLIGHT_SEED):
        raise ValueError(f"seeds={shown(seeds)}: expected a whole number from 1 to {FIRST_PREFLIGHT_SEED}")
    return int(seeds)


def evaluate(
    study: Study,
    params: Mapping[str, Scalar],
    *,
    seeds: int,
    device: str = "cpu",
    report: Callable[[list[float]], None] = lambda objectives: None,
) -> list[float]:
    """Objectives of one configuration on the first ``seeds`` search seeds; ``report`` gets the list after each seed."""
    complete = study.complete(params)
    objectives: list[float] = []
    task = study.task
    code = code_hash(task.sources(), bound=task.bound().text if isinstance(task, FunctionTask) else "")
    for seed in range(seeds):
        fold, teacher = draw_of(study, complete, seed, device)
        key = [study.task.identity(), study.task.fingerprint(), code, complete, seed]
        key += [] if study.teacher is None else [study.teacher_content]
        text = json.dumps(key, sort_keys=True)
        workspace = environment.folder("trials", hashlib.sha256(text.encode()).hexdigest()[:20])
        workspace.mkdir(parents=True, exist_ok=True)
        request = RunRequest("student", complete, seed, teacher, fold)
        result = study.task.train(request, RunContext(workspace, device))
        shutil.rmtree(workspace, ignore_errors=True)
        objectives.append(result.objective)
        report(objectives)
    return objectives


def _describe(trial: Trial, objectives: list[float]) -> Summary:
    summary = summarize(objectives)
    trial.set_user_attr("objectives", objectives)
    for name in ("n", "sd", "low", "high") if summary.n > 1 else ("n",):
        trial.set_user_attr(name, getattr(summary, name))
    return summary
