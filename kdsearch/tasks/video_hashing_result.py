"""What a run of video hashing is worth: objective and score of its codes, and the result it gives back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any

import torch

from kdsearch.metrics.retrieval import mean_average_precision
from kdsearch.tasks.base import RunContext
from kdsearch.tasks.base import RunRequest
from kdsearch.tasks.base import RunResult
from kdsearch.tasks.video_hashing_data import Dataset
from kdsearch.training.files import save_atomically
from kdsearch.training.loop import Evaluate
from kdsearch.training.members import Progress
from kdsearch.training.members import Recipe
from kdsearch.training.memory import peak_memory
from kdsearch.training.steppers import Stepper

if TYPE_CHECKING:
    from kdsearch.tasks.video_hashing import VideoHashing


def make_evaluate(task: VideoHashing, data: Dataset) -> Evaluate:
    """Objective (validation queries in the train part) and score (test queries in the database) from one forward."""
    needed = torch.unique(torch.cat((data.train, data.validation, data.database, data.query)))
    row = torch.zeros(len(data.labels), dtype=torch.int64, device=needed.device)
    row[needed] = torch.arange(len(needed), device=needed.device)
    parts = [
        (row[queries], row[base], data.labels[queries].unsqueeze(1) == data.labels[base])
        for queries, base in ((data.validation, data.train), (data.query, data.database))
    ]
    stable = "stable_ties" in task.quirks

    def evaluate(stepper: Stepper, slots: list[int]) -> list[tuple[float, float]]:
        codes = stepper.outputs(slots, needed).codes
        columns = [
            mean_average_precision(codes[:, queries], codes[:, base], relevant, stable_ties=stable)
            for queries, base, relevant in parts
        ]
        # NaN becomes a sign like any other: what is not finite must be told from codes that are bad.
        broken = ~codes.isfinite().flatten(1).all(1)
        table = torch.stack(columns, 1).masked_fill_(broken.unsqueeze(1), torch.nan)
        return [(objective, score) for objective, score in table.tolist()]

    return evaluate


def make_result(
    task: VideoHashing, request: RunRequest, context: RunContext, recipe: Recipe, progress: Progress
) -> RunResult:
    """The run's result; a diverged run stands at chance, whatever it reached before.

    The objective is the best on validation whatever ``recipe.choose`` says, so that a search never reads a choice made
    on test; score, epoch and kept weights are those of the chosen epoch.
    """
    result = RunResult(
        state="diverged" if progress.diverged else "done",
        objective=task.chances[0] if progress.diverged else 0.0,
        score=task.chances[1] if progress.diverged else None,
        epochs=progress.epoch,
        curve=progress.curve,
        seconds=progress.seconds,
        device=context.device,
        peak_memory=peak_memory(context.device),
    )
    if progress.diverged:
        result.scores = dict.fromkeys(("last", "best_on_validation", "best_on_test"), task.chances[1])
        return result
    objectives, scores = progress.curve["objective"], progress.curve["score"]
    chosen = progress.best_row(recipe.choose)
    result.objective, result.score = max(objectives), scores[chosen]
    result.epoch = int(progress.curve["epoch"][chosen])
    result.scores = {
        "last": scores[-1],
        "best_on_validation": scores[progress.best_row("objective")],
        "best_on_test": max(scores),
    }
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
