"""The mean of a configuration over its seeds, for your own Ray Tune script: ``Tuner(kdsearch.trainable(mine))``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from kdsearch import environment
from kdsearch.engines import study_modules
from kdsearch.engines.helper_modules import helpers
from kdsearch.engines.ray_cluster import interpreter_environment
from kdsearch.engines.teacher import draw_of
from kdsearch.integrations.optuna_objective import checked, evaluate
from kdsearch.space import Categorical, Integer, unconditional
from kdsearch.statistics.summaries import summarize
from kdsearch.study.declaration import Study

_PASSED_ON = (environment.HOME, environment.DATA)


def trainable(study: Study, *, seeds: int = 3, device: str = "cpu") -> Callable[[dict[str, Any]], None]:
    """A function trainable for ``ray.tune.Tuner``.

    A trial trains its configuration with the study's first ``seeds`` search seeds and reports once, after the last one:
    ``objective`` (the mean), ``sd``, ``low``, ``high``, ``n``. So no scheduler of Ray sees the value of a single seed.
    This function trains the teachers, before the trials start. Test scores are not read. The ``mode`` of Ray's
    ``TuneConfig`` is ``max``, or ``min`` where the study has ``direction="minimize"``.
    """
    seeds = checked(study, seeds)

    import ray
    from ray import cloudpickle

    if interpreter_environment() and not ray.is_initialized():
        ray.init(runtime_env=interpreter_environment())
    if study.task.has_teacher:
        taught = {**study.defaults, **dict.fromkeys(study.task.teacher_parameters, 1.0)}
        for seed in range(seeds):
            draw_of(study, taught, seed, device)
    # Workers import neither the study file nor what lies beside it, so that these are pickled by value.
    named = {type(study.task).__module__, getattr(getattr(study.task, "function", None), "__module__", "")}
    for module in [*named, *helpers()]:
        own = module.startswith("kdsearch.") and not module.startswith(f"{study_modules.__name__}.")
        if module in sys.modules and not own:
            cloudpickle.register_pickle_by_value(sys.modules[module])
    passed = {name: os.path.abspath(os.environ[name]) for name in _PASSED_ON if os.environ.get(name)}
    passed.setdefault(environment.HOME, str(environment.home()))
    packed = cloudpickle.dumps(study)

    def train(config: dict[str, Any]) -> None:
        from ray import tune

        os.environ.update(passed)
        restored: Study = cloudpickle.loads(packed)
        objectives = evaluate(restored, {name: config[name] for name in restored.space}, seeds=seeds, device=device)
        summary = summarize(objectives)
        spread = {name: getattr(summary, name) for name in ("sd", "low", "high", "n")}
        tune.report({"objective": summary.mean, **spread})

    return train


def ray_space(study: Study) -> Mapping[str, Any]:
    """The study's space as a ``param_space`` of Ray Tune.

    Ray's spaces have no conditions: every dimension is drawn, and training uses the default of a parameter whose
    condition does not hold.
    """
    from ray import tune

    space: dict[str, Any] = {}
    for name, conditional in study.space.items():
        dimension = unconditional(conditional)
        if isinstance(dimension, Categorical):
            space[name] = tune.choice(list(dimension.choices))
        elif isinstance(dimension, Integer):
            draw = tune.lograndint if dimension.log else tune.randint
            space[name] = draw(dimension.low, dimension.high + 1)  # Ray excludes the upper end
        else:
            space[name] = (tune.loguniform if dimension.log else tune.uniform)(dimension.low, dimension.high)
    return space
