"""A study's teachers outside the ledger, for a user's own script: trained once on this machine, then found again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import fasteners

from kdsearch import settings
from kdsearch.data.folds import Fold
from kdsearch.draws import Draw
from kdsearch.draws import Draws
from kdsearch.engines import artifacts
from kdsearch.engines.code import code_hash
from kdsearch.errors import KdsearchError
from kdsearch.search.teachers import REPLACED
from kdsearch.search.teachers import streams_of
from kdsearch.study import Study
from kdsearch.tasks.base import RunContext
from kdsearch.tasks.base import RunRequest
from kdsearch.tasks.base import Scalar


def draw_of(study: Study, params: Mapping[str, Scalar], seed: int, device: str = "cpu") -> tuple[Fold, Path | None]:
    """The fold of a run on this seed of the search, and its teacher's weights where it listens to one.

    They are those that a launch of the study gives to the same seed.
    """
    draw = Draws(folds=study.folds).draw("search", seed, streams_of(params))
    if not study.uses_teacher(params):
        return draw.fold, None
    if study.teacher is not None:
        return draw.fold, study.teacher_file
    return draw.fold, trained_teacher(study, Draw() if study.taught == "one" else draw, device)


def trained_teacher(study: Study, draw: Draw = Draw(), device: str = "cpu") -> Path:  # noqa: B008
    """Weights of a draw's teacher, of the same seed and recipe as in a launch.

    Several processes may ask at once: one trains, the others wait for its file.
    """
    folder = settings.home() / "teachers" / _key(study, draw)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = folder / "chosen.json"
    with fasteners.InterProcessLock(folder / "lock"):
        if not chosen.exists():
            _train(study, draw, folder, chosen, device)
    return artifacts.fetch(json.loads(chosen.read_text())["artifact"])


def _train(study: Study, draw: Draw, folder: Path, chosen: Path, device: str) -> None:
    """Train it; one that diverges is replaced, as in a launch."""
    draws = Draws(folds=study.folds)
    for replaced in range(REPLACED + 1):
        workspace = folder / str(replaced)
        workspace.mkdir(exist_ok=True)
        seed = draws.training_seed("teacher", draws.teacher_seed(draw, replaced))
        request = RunRequest("teacher", dict(study.trained.parameters), seed, fold=draw.fold)
        result = study.trained.train(request, RunContext(workspace, device, keep_weights=True))
        if result.state == "done" and result.weights is not None:
            content = {"artifact": artifacts.store(result.weights), "objective": result.objective}
            temporary = chosen.with_suffix(".tmp")
            temporary.write_text(json.dumps(content))
            os.replace(temporary, chosen)
            return
    raise KdsearchError(f"none of {REPLACED + 1} teachers of study {study.name!r} trained without diverging")


def _key(study: Study, draw: Draw) -> str:
    task = study.trained
    place = [draw.fold.partition, draw.fold.number, draw.teacher]
    text = json.dumps([task.identity(), task.fingerprint(), code_hash(task.sources()), place], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]
