"""``kdsearch.objective`` in a user's Optuna study and ``kdsearch.trainable`` in a real Ray Tuner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from support import NOISY, ToyTask, toy_study

import kdsearch as kd
from kdsearch.data.folds import Fold
from kdsearch.draws import Draw, Draws
from kdsearch.integrations.ray_trainable import interpreter_environment
from kdsearch.tasks import RunContext, RunRequest, RunResult


def test_optuna_gets_the_mean_over_seeds(home: Path) -> None:
    study = toy_study()
    found = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))
    found.optimize(kd.objective(study, seeds=3), n_trials=4)
    for trial in found.trials:
        objectives = trial.user_attrs["objectives"]
        assert len(objectives) == 3
        assert len(set(objectives)) == 3
        assert trial.value == pytest.approx(np.mean(objectives))
        assert trial.user_attrs["sd"] == pytest.approx(np.std(objectives, ddof=1))
        assert trial.intermediate_values[1] == objectives[0]
        assert trial.intermediate_values[3] == trial.value
        assert set(trial.params) == {"alpha", "rate"}


def test_a_pruner_sees_means_and_may_stop_early(home: Path) -> None:
    class Never(optuna.pruners.BasePruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            return len(trial.intermediate_values) == 2

    found = optuna.create_study(direction="maximize", pruner=Never())
    found.optimize(kd.objective(toy_study(), seeds=5), n_trials=1)
    (trial,) = found.trials
    assert trial.state == optuna.trial.TrialState.PRUNED
    assert trial.user_attrs["n"] == 2


def by_mode(params: dict[str, Any], seed: int, report: Any) -> float:
    """A value of its own for each choice."""
    return {None: 0.3, "a": 0.2, True: 0.1}[params["mode"]] + params.get("rate", 0)


def test_none_and_other_choices_reach_the_function_as_they_are(home: Path) -> None:
    space = {"mode": kd.categorical([None, "a", np.bool_(True)]), "rate": kd.when(kd.uniform(0, 0.05), mode=None)}
    study = kd.Study("modes", by_mode, space, defaults={"rate": 0.0})
    found = optuna.create_study(direction="maximize")
    for mode in (None, "a", True):
        found.enqueue_trial({"mode": mode, "rate": 0.04})
    found.optimize(kd.objective(study, seeds=np.int64(2)), n_trials=3)
    assert [trial.value for trial in found.trials] == pytest.approx([0.34, 0.2, 0.1])
    assert [set(trial.params) for trial in found.trials] == [{"mode", "rate"}, {"mode"}, {"mode"}]


@pytest.mark.parametrize("make", [kd.objective, kd.trainable])
def test_a_number_of_seeds_or_a_study_that_is_none_is_refused(make: Any) -> None:
    for seeds in (0, -1, 1.5, "3", True):
        with pytest.raises(ValueError, match="expected a whole number from 1"):
            make(toy_study(), seeds=seeds)
    with pytest.raises(TypeError, match=r"expected a study, such as kd\.load.*got 'studies/mine.py'"):
        make("studies/mine.py")


class Counting(ToyTask):
    """Tells which runs were trained."""

    def train(self, request: RunRequest, context: RunContext) -> RunResult:
        TRAINED.append(request)
        return super().train(request, context)


TRAINED: list[RunRequest] = []


def test_the_teacher_is_trained_once(home: Path) -> None:
    TRAINED.clear()
    for _ in range(2):
        optuna.create_study(direction="maximize").optimize(
            kd.objective(toy_study(task=Counting()), seeds=1), n_trials=2
        )
    assert sum(request.role == "teacher" for request in TRAINED) == 1
    assert sum(request.role == "student" for request in TRAINED) == 4


def test_each_seed_has_the_fold_and_the_teacher_that_a_launch_gives_it(home: Path) -> None:
    TRAINED.clear()
    study = toy_study(task=Counting(folds=3))
    optuna.create_study(direction="maximize").optimize(kd.objective(study, seeds=4), n_trials=1)
    teachers = [(request.seed, request.fold) for request in TRAINED if request.role == "teacher"]
    students = [(request.seed, request.fold) for request in TRAINED if request.role == "student"]
    assert teachers == [(2_000_001 + number, Fold(0, number)) for number in range(3)]
    assert students == [(seed, Fold(0, seed % 3)) for seed in range(4)]  # ToyTask refuses a teacher of another fold


def test_a_teacher_that_diverges_is_replaced(home: Path) -> None:
    TRAINED.clear()
    study = toy_study(task=Counting(folds=3, teacher_diverges=(2_000_001,)))
    optuna.create_study(direction="maximize").optimize(kd.objective(study, seeds=1), n_trials=1)
    seeds = [request.seed for request in TRAINED if request.role == "teacher"]
    assert seeds == [
        2_000_001,
        Draws(folds=3).training_seed("teacher", Draws(folds=3).teacher_seed(Draw(teacher=1), 1)),
    ]


@pytest.mark.slow
def test_ray_tune_gets_the_mean_over_seeds(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS", "0")
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    study = kd.load(NOISY)
    environment = interpreter_environment()
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=environment)
    try:
        results = tune.Tuner(
            kd.trainable(study, seeds=3),
            param_space=kd.ray_space(study),
            tune_config=tune.TuneConfig(
                metric="objective", mode="max", num_samples=4, search_alg=OptunaSearch(seed=1), max_concurrent_trials=2
            ),
            run_config=tune.RunConfig(storage_path=str(tmp_path / "ray"), verbose=0),
        ).fit()
    finally:
        ray.shutdown()
    assert len(results) == 4
    train = study.task.function  # type: ignore[attr-defined]
    for result in results:
        assert result.error is None
        assert result.metrics is not None
        alone = [train(result.config, index, lambda epoch, value: None)[0] for index in range(3)]
        assert result.metrics["objective"] == pytest.approx(np.mean(alone))
        assert result.metrics["sd"] == pytest.approx(np.std(alone, ddof=1))
        assert result.metrics["n"] == 3
    best = results.get_best_result()
    assert best.metrics is not None
    assert best.metrics["objective"] == max(result.metrics["objective"] for result in results if result.metrics)
