"""Hyperparameter search for knowledge distillation whose answer is not luck.

Used in a study file as ``import kdsearch as kd``. Each name is imported at its first use, so that a command begins at
once and none imports torch, optuna or ray without need.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdsearch import data, tasks
    from kdsearch.engines.launch import launch
    from kdsearch.engines.ray_cluster import RayOptions
    from kdsearch.engines.study_file import load_study as load
    from kdsearch.errors import KdsearchError
    from kdsearch.integrations.optuna_objective import objective
    from kdsearch.integrations.ray_trainable import ray_space, trainable
    from kdsearch.space import categorical, integer, log, uniform, when
    from kdsearch.study.budget import Adaptive, Budget, Confirm, Fixed, OptunaSearch, Published
    from kdsearch.study.declaration import Study
    from kdsearch.study_results import results
    from kdsearch.tasks.fold import Fold

__all__ = [
    "Adaptive",
    "Budget",
    "Confirm",
    "Fixed",
    "Fold",
    "KdsearchError",
    "OptunaSearch",
    "Published",
    "RayOptions",
    "Study",
    "categorical",
    "data",
    "integer",
    "launch",
    "load",
    "log",
    "objective",
    "ray_space",
    "results",
    "tasks",
    "trainable",
    "uniform",
    "when",
]

_MODULES = {
    **dict.fromkeys(("Adaptive", "Budget", "Confirm", "Fixed", "OptunaSearch", "Published"), "kdsearch.study.budget"),
    **dict.fromkeys(("categorical", "integer", "log", "uniform", "when"), "kdsearch.space"),
    **dict.fromkeys(("ray_space", "trainable"), "kdsearch.integrations.ray_trainable"),
    "Fold": "kdsearch.tasks.fold",
    "KdsearchError": "kdsearch.errors",
    "Study": "kdsearch.study.declaration",
    "RayOptions": "kdsearch.engines.ray_cluster",
    "launch": "kdsearch.engines.launch",
    "load": "kdsearch.engines.study_file",
    "objective": "kdsearch.integrations.optuna_objective",
    "results": "kdsearch.study_results",
}
_OTHER_NAMES = {"load": "load_study"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        found = getattr(importlib.import_module(_MODULES[name]), _OTHER_NAMES.get(name, name))
        globals()[name] = found
        return found
    if not name.startswith("_") and importlib.util.find_spec(f"kdsearch.{name}") is not None:
        return importlib.import_module(f"kdsearch.{name}")
    raise AttributeError(f"module 'kdsearch' has no attribute {name!r}; it has: {', '.join(__all__)}")


def __dir__() -> list[str]:
    """The public names, those that are imported at their first use among them: tab completion shows what there is."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
