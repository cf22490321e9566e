"""Options and look-ups that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import typer

from kdsearch import settings
from kdsearch.errors import KdsearchError
from kdsearch.errors import StudyFileError
from kdsearch.tasks.base import Scalar

if TYPE_CHECKING:
    from kdsearch.engines.studyfile import LoadedStudy
    from kdsearch.ledger.ledger import Ledger
    from kdsearch.ledger.records import StudyRecord


def _set_storage(value: str | None) -> str | None:
    if value:
        os.environ[settings.STORAGE] = value
    return value


def _set_data(value: Path | None) -> Path | None:
    if value:
        os.environ[settings.DATA] = str(value.expanduser().resolve())
    return value


Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        callback=_set_storage,
        help=f"Postgres to use, postgresql+psycopg2://user@host/database; default {settings.STORAGE}, "
        "else the embedded server.",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="FOLDER", callback=_set_data, help=f"Where data lies; default {settings.DATA}."),
]
Preset = Annotated[
    str | None,
    typer.Option("--preset", help="Preset of the study file, or 'none'; default by hardware (full on GPU, else cpu)."),
]
StudyFile = Annotated[
    Path, typer.Argument(metavar="STUDY_FILE", help="A study file, such as studies/jhmdb_weights.py.")
]
StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="A study's name, or its study file.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="One parameter; give it several times.")
]


def connect(storage: str | None = None, *, patience: float = 10.0) -> Ledger:
    """Open the ledger."""
    from kdsearch.ledger.ledger import Ledger

    return Ledger.connect(storage, patience=patience)


def find(ledger: Ledger, study: str, preset: str | None = None) -> StudyRecord:
    """The stored study of a name or of a study file."""
    path = Path(study)
    if path.suffix == ".py" or path.is_file():
        from kdsearch.engines.studyfile import load

        return ledger.study(load(path, preset).study.stored_name)
    return ledger.study(study)


def load_stored(ledger: Ledger, study: str, preset: str | None = None) -> tuple[LoadedStudy, StudyRecord]:
    """A stored study with its study file: the one named, or the one that it was launched from."""
    from kdsearch.engines.studyfile import load

    path = Path(study)
    if path.suffix == ".py" or path.is_file():
        loaded = load(path, preset)
        return loaded, ledger.study(loaded.study.stored_name)
    record = ledger.study(study)
    source = Path(record.source_file)
    if not source.is_file():
        raise StudyFileError(
            f"the study {record.name} was launched from {source}, which is gone; name its file instead"
        )
    loaded = load(source, preset or record.settings["preset"] or "none")
    if loaded.study.stored_name != record.name:
        raise StudyFileError(
            f"{source} now makes the study {loaded.study.stored_name}, not {record.name}: "
            f"was it launched with other data ({settings.DATA}) or another preset?"
        )
    return loaded, record


def parse_settings(pairs: list[str] | None, known: list[str]) -> dict[str, Scalar]:
    """``name=value`` pairs as numbers where they are numbers; unknown names are refused with the nearest known one."""
    import difflib

    values: dict[str, Scalar] = {}
    for pair in pairs or []:
        name, equals, text = pair.partition("=")
        if not equals or not text:
            raise KdsearchError(f"--set takes name=value, got {pair!r}")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise KdsearchError(f"unknown parameter {name!r}; {hint}Known: {', '.join(known)}")
        values[name] = _scalar(text)
    return values


def _scalar(text: str) -> Scalar:
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)
