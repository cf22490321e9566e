"""``kdsearch.objective`` in a user's Optuna study and ``kdsearch.trainable`` in a real Ray Tuner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pytest
from support import NOISY
from support import ToyTask
from support import toy_study

import kdsearch as kd
from kdsearch.engines.trainable import interpreter_environment
from kdsearch.search.seeds import search_seed


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


def test_the_teacher_is_trained_once_and_is_the_best_of_three(home: Path) -> None:
    counted: list[int] = []

    class Counting(ToyTask):
        def train(self, request, context):  # type: ignore[no-untyped-def]
            if request.role == "teacher":
                counted.append(request.seed)
            return super().train(request, context)

    study = toy_study(task=Counting())
    for _ in range(2):
        optuna.create_study(direction="maximize").optimize(kd.objective(study, seeds=1), n_trials=2)
    assert len(counted) == 3


def test_one_teacher_a_seed_is_left_to_launch(home: Path) -> None:
    from kdsearch.errors import StudyFileError

    with pytest.raises(StudyFileError, match="one teacher a seed"):
        optuna.create_study().optimize(kd.objective(toy_study(teachers="per-seed")), n_trials=1)


def test_ray_tune_gets_the_mean_over_seeds(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS", "0")
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    study = kd.load(NOISY)
    environment = interpreter_environment()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=environment)
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
    train = study.trained.function  # type: ignore[attr-defined]
    for result in results:
        assert result.error is None
        assert result.metrics is not None
        alone = [train(result.config, search_seed(index), lambda epoch, value: None)[0] for index in range(3)]
        assert result.metrics["objective"] == pytest.approx(np.mean(alone))
        assert result.metrics["sd"] == pytest.approx(np.std(alone, ddof=1))
        assert result.metrics["n"] == 3
    best = results.get_best_result()
    assert best.metrics is not None
    assert best.metrics["objective"] == max(result.metrics["objective"] for result in results if result.metrics)
