"""Hyperparameter search for knowledge distillation whose answer is not luck.

Used in a study file as ``import kdsearch as kd``. Importing it imports neither torch nor optuna nor ray.
"""

from __future__ import annotations

import importlib
from typing import Any

from kdsearch.errors import KdsearchError
from kdsearch.space import categorical
from kdsearch.space import integer
from kdsearch.space import log
from kdsearch.space import uniform
from kdsearch.space import when
from kdsearch.spending import Adaptive
from kdsearch.spending import Budget
from kdsearch.spending import Confirm
from kdsearch.spending import Fixed
from kdsearch.spending import Published
from kdsearch.study import Study
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
    "load": ("kdsearch.engines.studyfile", "load_study"),
    "objective": ("kdsearch.engines.objective", "objective"),
    "trainable": ("kdsearch.engines.trainable", "trainable"),
    "ray_space": ("kdsearch.engines.trainable", "ray_space"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'kdsearch' has no attribute {name!r}; it has: {', '.join(__all__)}")
    module, attribute = _LAZY[name]
    loaded = importlib.import_module(module)
    return loaded if attribute is None else getattr(loaded, attribute)
