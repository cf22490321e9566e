"""The commands that train a study's winner once more, and that write the weights which are kept."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from kdsearch.ledger.records import StudyRecord
from kdsearch.report.selection import Selection
from kdsearch.space import active, written
from kdsearch.tasks.base import VARY, Scalar


def train_command(selection: Selection) -> str | None:
    """Return ``kdsearch train STUDY.py ...`` for the winner; ``None`` where the study came from no file."""
    study = selection.study
    winner = selection.configurations.get(study.winner_id or -1)
    if winner is None or not study.source_file:
        return None
    words = ["kdsearch", "train", _path(study.source_file), *_preset(study), "--seed", "0"]
    for name, value in settings_of(selection, winner.params).items():
        words += ["--set", f"{name}={written(value)}"]
    return " ".join(shlex.quote(word) for word in words)


def export_command(selection: Selection) -> str | None:
    """Return ``kdsearch export model NAME -o winner.pt``; ``None`` where the first fresh seed keeps no weights."""
    study = selection.study
    if study.winner_id is None:
        return None
    first = study.draws.first_confirm_seed
    kept = any(run.seed == first and run.artifact for run in selection.of(study.winner_id, "confirm"))
    return f"kdsearch export model {shlex.quote(study.name)} -o winner.pt" if kept else None


def settings_of(selection: Selection, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return what has to be set for these numbers: the searched ones that are read, and others that differ.

    A configuration that somebody added may set what the space does not hold.
    """
    space = selection.study.settings.space
    set_ = {name: params[name] for name in active(space, params) if name in params}
    usual = next((row.params for row in selection.configurations.values() if row.origin == "sampler"), params)
    others = {name: value for name, value in params.items() if name not in space and usual.get(name, value) != value}
    return {**set_, **others}


def searched_numbers(selection: Selection) -> dict[str, Scalar]:
    """Return the winner's searched numbers, without those that nothing reads."""
    winner = selection.configurations.get(selection.study.winner_id or -1)
    if winner is None:
        return {}
    return {name: value for name, value in settings_of(selection, winner.params).items() if name != VARY}


def _path(source: str) -> str:
    """The file as one types it: from here, where it lies below the working directory; never like an option."""
    path = Path(source)
    typed = os.path.relpath(path) if path.is_absolute() and path.is_relative_to(Path.cwd()) else source
    return f"./{typed}" if typed.startswith("-") else typed


def _preset(study: StudyRecord) -> list[str]:
    """Always named where the file has any: what is chosen by hardware may be another one here."""
    preset = study.settings.preset
    if preset:
        return ["--preset", preset]
    try:
        some = "presets" in Path(study.source_file).read_text(errors="replace")
    except OSError:
        some = True
    return ["--preset", "none"] if some else []
