"""A study's teachers outside the ledger, for a user's own script: trained once on this machine, then found again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fasteners

from kdsearch import environment
from kdsearch.data.files import digest, write_bytes
from kdsearch.data.folds import Fold
from kdsearch.draws import Draw, Draws
from kdsearch.engines import artifacts
from kdsearch.engines.code_hash import code_hash
from kdsearch.errors import KdsearchError, StudyFileError
from kdsearch.search.teachers import REPLACED, streams_of
from kdsearch.study.declaration import Study
from kdsearch.tasks.base import RunContext, RunRequest, Scalar


def draw_of(study: Study, params: Mapping[str, Scalar], seed: int, device: str = "cpu") -> tuple[Fold, Path | None]:
    """The fold of a run on this seed of the search, and its teacher's weights where it has one.

    They are those that a launch of the study gives to the same seed.
    """
    draw = Draws(folds=study.folds).draw("search", seed, streams_of(params))
    if not study.uses_teacher(params):
        return draw.fold, None
    if study.teacher is not None:
        return draw.fold, given_weights(study)
    return draw.fold, trained_teacher(study, Draw() if study.taught == "one" else draw, device)


def given_weights(study: Study, identity: Mapping[str, Any] | None = None) -> Path:
    """The study's own copy of the file of weights that it was given, by content: the file may change while runs train.

    ``identity``: what the study is, where the ledger says it; else what the file holds now. Raises ``StudyFileError``
    where there is no copy yet and the file is another than the study's.
    """
    wanted = study.teacher_content if identity is None else str(identity["teachers"]["file"])
    copy = artifacts.folder() / f"{wanted}{study.teacher_file.suffix}"
    if copy.is_file() and digest(copy)[:32] == wanted:
        return copy
    content = study.teacher_file.read_bytes()
    found = hashlib.sha256(content).hexdigest()[:32]
    if found != wanted:
        raise StudyFileError(
            f"teacher={study.teacher_file} is not the file that study {study.name!r} was begun with: expected content "
            f"{wanted}, came {found}. Put the file back that it was, or give a study with this one another name"
        )
    return write_bytes(copy, content)


def trained_teacher(study: Study, draw: Draw = Draw(), device: str = "cpu") -> Path:  # noqa: B008
    """Weights of a draw's teacher, of the same seed and recipe as in a launch.

    Several processes may ask at once: one trains, the others wait for its file.
    """
    folder = environment.folder("teachers", _key(study, draw))
    chosen = folder / "chosen.json"
    with fasteners.InterProcessLock(folder / "lock"):
        name = _chosen(chosen)
        if name is None:
            _train(study, draw, folder, chosen, device)
            name = _chosen(chosen)
    assert name is not None
    return artifacts.fetch(name)


def _chosen(file: Path) -> str | None:
    """Name of the weights that a file names; ``None`` where there is none, or one that cannot be read."""
    try:
        name = str(json.loads(file.read_text())["artifact"])
        return name if artifacts.has(name) else None  # it may have gone with a study that had the same teacher
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _train(study: Study, draw: Draw, folder: Path, chosen: Path, device: str) -> None:
    """Train it; one that diverges is replaced, as in a launch."""
    draws = Draws(folds=study.folds)
    for replaced in range(REPLACED + 1):
        workspace = folder / str(replaced)
        workspace.mkdir(exist_ok=True)
        seed = draws.training_seed("teacher", draws.teacher_seed(draw, replaced))
        request = RunRequest("teacher", dict(study.task.parameters), seed, fold=draw.fold)
        result = study.task.train(request, RunContext(workspace, device, keep_weights=True))
        if result.state == "done" and result.weights is not None:
            content = json.dumps({"artifact": artifacts.store(result.weights), "objective": result.objective})
            write_bytes(chosen, content.encode())
            return
    raise KdsearchError(f"none of {REPLACED + 1} teachers of study {study.name!r} trained without diverging")


def _key(study: Study, draw: Draw) -> str:
    task = study.task
    place = [draw.fold.partition, draw.fold.number, draw.teacher]
    text = json.dumps([task.identity(), task.fingerprint(), code_hash(task.sources()), place], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]
