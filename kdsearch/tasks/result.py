"""What a run gives back when its training is over."""

from __future__ import annotations

import json
from typing import Any

from kdsearch.tasks.base import RunContext
from kdsearch.tasks.base import RunRequest
from kdsearch.tasks.base import RunResult
from kdsearch.tasks.bench import Looped
from kdsearch.training.files import save_atomically
from kdsearch.training.members import Progress
from kdsearch.training.members import Recipe
from kdsearch.training.memory import peak_memory


def make_result(
    task: Looped, request: RunRequest, context: RunContext, recipe: Recipe, progress: Progress
) -> RunResult:
    """The run's result; a diverged run stands at chance, whatever it reached before.

    The objective is the best on validation also where ``recipe.choose`` is the score, so that a search never reads a
    choice made on test, and that of the last epoch where that is chosen; score, epoch and kept weights are those of
    the chosen epoch.
    """
    chances = task.chances_of(request.role) if progress.diverged else (0.0, 0.0)
    result = RunResult(
        state="diverged" if progress.diverged else "done",
        objective=chances[0] if progress.diverged else 0.0,
        score=chances[1] if progress.diverged else None,
        epochs=progress.epoch,
        curve=progress.curve,
        seconds=progress.seconds,
        device=context.device,
        peak_memory=peak_memory(context.device),
    )
    if progress.diverged:
        result.scores = dict.fromkeys(("last", "best_on_validation", "best_on_test"), chances[1])
        return result
    objectives, scores = progress.curve["objective"], progress.curve["score"]
    chosen = progress.best_row(recipe.choose)
    result.objective = objectives[chosen] if recipe.choose == "epoch" else max(objectives)
    result.score = scores[chosen]
    result.epoch = int(progress.curve["epoch"][chosen])
    result.scores = {
        "last": scores[-1],
        "best_on_validation": scores[progress.best_row("objective")],
        "best_on_test": max(scores),
    }
    if progress.best_queries is not None:
        result.queries = progress.best_queries.tolist()
    if recipe.keep_weights:
        result.weights = context.workspace / "weights.pt"
        meta: dict[str, Any] = {
            "role": request.role,
            "seed": request.seed,
            "epoch": result.epoch,
            "objective": objectives[chosen],
        }
        meta["task"] = json.dumps(task.identity(), default=str)
        save_atomically({"format": 1, "meta": meta, "state": progress.best_weights}, result.weights)
    return result
