"""A study's teacher outside the ledger, for a user's own script: trained once on this machine, then found again."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import fasteners

from kdsearch import settings
from kdsearch.engines import artifacts
from kdsearch.engines.code import code_hash
from kdsearch.errors import KdsearchError
from kdsearch.errors import StudyFileError
from kdsearch.search.expected import TEACHER_CANDIDATES
from kdsearch.search.seeds import teacher_seed
from kdsearch.study import Study
from kdsearch.tasks.base import RunContext
from kdsearch.tasks.base import RunRequest


def trained_teacher(study: Study, device: str = "cpu") -> Path:
    """Weights of the best of three teachers by objective, the same seeds and rule as a launch has.

    Several processes may ask at once: one trains, the others wait for its file.
    """
    if study.teachers != "one":
        raise StudyFileError(
            f"study {study.name!r} has one teacher a seed, which kdsearch launch trains; outside of it only studies "
            "with teachers='one' are served"
        )
    folder = settings.home() / "teachers" / _key(study)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = folder / "chosen.json"
    with fasteners.InterProcessLock(folder / "lock"):
        if not chosen.exists():
            _train(study, folder, chosen, device)
    return artifacts.fetch(json.loads(chosen.read_text())["artifact"])


def _train(study: Study, folder: Path, chosen: Path, device: str) -> None:
    best: tuple[float, Path] | None = None
    for index in range(TEACHER_CANDIDATES):
        workspace = folder / str(index)
        workspace.mkdir(exist_ok=True)
        request = RunRequest("teacher", dict(study.trained.parameters), teacher_seed(index))
        result = study.trained.train(request, RunContext(workspace, device, keep_weights=True))
        if result.state == "done" and result.weights is not None and (best is None or result.objective > best[0]):
            best = (result.objective, result.weights)
    if best is None:
        raise KdsearchError(f"none of {TEACHER_CANDIDATES} teachers of study {study.name!r} trained without diverging")
    content = {"artifact": artifacts.store(best[1]), "objective": best[0]}
    temporary = chosen.with_suffix(".tmp")
    temporary.write_text(json.dumps(content))
    os.replace(temporary, chosen)


def _key(study: Study) -> str:
    task = study.trained
    text = json.dumps([task.identity(), task.fingerprint(), code_hash(task.sources())], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]
