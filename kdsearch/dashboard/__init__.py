"""Optuna's dashboard on the mirrored studies, with the project's figures in it."""

from kdsearch.dashboard.figures import publish
from kdsearch.dashboard.server import serve

__all__ = ["publish", "serve"]
