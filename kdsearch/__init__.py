"""Hyperparameter search for knowledge distillation whose answer is not luck.

Used in a study file as ``import kdsearch as kd``. Importing it imports neither torch nor optuna nor ray.
"""

from __future__ import annotations

import importlib
from typing import Any

from kdsearch.errors import KdsearchError
from kdsearch.space import categorical, integer, log, uniform, when
from kdsearch.study.budget import Adaptive, Budget, Confirm, Fixed, Published
from kdsearch.study.declaration import Study
from kdsearch.tasks.fold import Fold

__all__ = [
    "Adaptive",
    "Budget",
    "Confirm",
    "Fixed",
    "Fold",
    "KdsearchError",
    "Published",
    "Study",
    "categorical",
    "data",
    "integer",
    "launch",
    "load",
    "log",
    "objective",
    "ray_space",
    "tasks",
    "trainable",
    "uniform",
    "when",
]

_LAZY = {
    "data": ("kdsearch.data", None),
    "tasks": ("kdsearch.tasks", None),
    "launch": ("kdsearch.engines.launch", "launch"),
    "load": ("kdsearch.engines.study_file", "load_study"),
    "objective": ("kdsearch.integrations.optuna_objective", "objective"),
    "trainable": ("kdsearch.integrations.ray_trainable", "trainable"),
    "ray_space": ("kdsearch.integrations.ray_trainable", "ray_space"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'kdsearch' has no attribute {name!r}; it has: {', '.join(__all__)}")
    module, attribute = _LAZY[name]
    loaded = importlib.import_module(module)
    return loaded if attribute is None else getattr(loaded, attribute)


def __dir__() -> list[str]:
    """The public names, those that are imported at their first use among them: tab completion shows what there is."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
