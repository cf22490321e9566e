"""Options and look-ups that several commands share."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from kdsearch import environment
from kdsearch.cli.output import complain, reserve_output
from kdsearch.errors import KdsearchError, LedgerError, StudyFileError, suggestion
from kdsearch.tasks.base import Scalar

if TYPE_CHECKING:
    from kdsearch.engines.study_file import LoadedStudy
    from kdsearch.ledger.ledger import Ledger
    from kdsearch.ledger.records import StudyRecord
    from kdsearch.study.declaration import Study


def _set_storage(value: str | None) -> str | None:
    if value:
        os.environ[environment.STORAGE] = value
    return value


def _set_data(value: Path | None) -> Path | None:
    if value:
        os.environ[environment.DATA] = str(value.expanduser().resolve())
    return value


def _existing(file: Path) -> Path:
    """The file, or a ``StudyFileError`` that says which file to give."""
    if file.is_file():
        return file
    raise StudyFileError(f"expected a study file, found no file {file}. {_file_of(str(file))}")


def _file_of(name: str) -> str:
    """A sentence that says which file to give in place of ``name``."""
    from kdsearch.cli.examples import examples

    if Path(f"{name}.py").is_file():
        return f"Did you mean {name}.py?"
    rows = [row for row in _stored() if name in (row.name, row.name.split("@")[0], row.name.split("+")[0])]
    if rows:
        lines = [
            f"{row.name}: kdsearch launch {quote(row.source_file)} --preset {row.settings.preset or 'none'}"
            for row in rows
        ]
        if not all(Path(row.source_file).is_file() for row in rows):
            lines.append("Where the file is not on this machine, give the path of a copy.")
        return "\n  ".join(["A stored study has this name. Give the file that it was launched from:", *lines])
    if Path(name).stem in examples():
        return f"To start from the example of this name: kdsearch studies copy {Path(name).stem}"
    return "kdsearch studies examples lists studies to start from."


def _stored() -> list[StudyRecord]:
    """All studies of the ledger; none where there is no ledger yet, or it cannot be read now."""
    from kdsearch.ledger import embedded

    if environment.storage_url() is None and not embedded.default_folder().exists():
        return []
    try:
        return list(connect(patience=2.0).studies())
    except KdsearchError:
        return []


Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        callback=_set_storage,
        is_eager=True,  # the callback of STUDY_FILE may read the database
        help="Postgres to use, postgresql+psycopg2://user@host/database, or @FILE with that URL, which keeps a "
        f"password off the command line; default: {environment.STORAGE}, else the embedded server.",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="FOLDER", callback=_set_data, help=f"Folder of the data; default: {environment.DATA}."
    ),
]
Preset = Annotated[
    str | None,
    typer.Option("--preset", help="Preset of the study file, or none; default: full on a GPU, else cpu."),
]
Population = Annotated[
    int | None,
    typer.Option(
        "--population",
        min=1,
        help="Runs that a worker trains at once; default: the fastest number, measured once per machine.",
    ),
]
StudyFile = Annotated[
    Path, typer.Argument(metavar="STUDY_FILE", callback=_existing, help="A Python file that makes a kdsearch.Study.")
]
StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="Name of a study, or its file.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Value of a parameter; may be repeated.")
]


_ENDINGS = {
    ".csv": "csv",
    ".json": "json",
    ".md": "md",
    ".tex": "latex",
    ".html": "html",
    ".npz": "npz",
    ".txt": "table",
}


def form_of(form: str | None, output: Path | None, forms: Sequence[str]) -> str:
    """The format that is said, or that of the file's ending, else the first of these; refused where they contradict."""
    if form is not None and form not in forms:
        raise KdsearchError(f"no format {form!r}: use one of {', '.join(forms)}")
    ending = None if output is None else _ENDINGS.get(output.suffix.lower())
    if form is None and ending is None and output is not None and output.suffix:
        raise KdsearchError(
            f"--output {output}: no format is known by the ending {output.suffix}; end it as one of "
            f"{', '.join(end for end, name in _ENDINGS.items() if name in forms)}, or name one by --format"
        )
    if ending is not None and ending not in forms:
        raise KdsearchError(f"--output {output} ends as none of the formats that can be written: {', '.join(forms)}")
    if form is not None and ending not in (None, form):
        raise KdsearchError(f"--format {form} and --output {output} contradict each other: leave the format out")
    return form or ending or forms[0]


def connect(storage: str | None = None, *, patience: float = 10.0) -> Ledger:
    """Open the ledger."""
    from kdsearch.ledger.ledger import Ledger

    return Ledger.connect(storage, patience=patience)


def open_named(
    study: str, preset: str | None = None, storage: str | None = None, *, newest: bool = False
) -> tuple[Ledger, StudyRecord]:
    """The ledger, and the stored study of a name or of a study file; ``newest``: see ``find``."""
    ledger = connect(storage)
    return ledger, find(ledger, study, preset, newest=newest)


def find(ledger: Ledger, study: str, preset: str | None = None, *, newest: bool = False) -> StudyRecord:
    """The stored study of a name or of a study file, whose code may print nothing between what the command prints.

    ``newest``: of several studies of that name, as of a smoke test and the real one, the one that was begun last, which
    is said; for commands that read alone.
    """
    if is_file(study):
        reserve_output()
        return load_stored(ledger, study, preset)[1]
    matches = ledger.matching(study, preset) if newest else []
    if len(matches) < 2:
        return ledger.study(study, preset)
    found = max(matches, key=lambda row: row.created_at)
    others = ", ".join(row.name for row in matches if row.id != found.id)
    complain(f"{study} names several studies; this is the newest, {found.name}. The others, by their names: {others}")
    return found


def _launched(ledger: Ledger, study: Study, file: str) -> StudyRecord:
    """The stored study of a study file; ``LedgerError`` where none was launched, with those of the same name."""
    stored = {row.name: row for row in ledger.studies()}
    if study.stored_name in stored:
        return stored[study.stored_name]
    others = ", ".join(name for name in stored if name.split("@")[0] == study.name)
    raise LedgerError(
        f"the study {study.stored_name!r} has not been launched. "
        + (f"Launched with other data or another preset: {others}. " if others else "")
        + f"To launch it: kdsearch launch {quote(file)}"
        + (f" --preset {study.preset or 'none'}" if study.presets else "")
    )


def is_file(study: str) -> bool:
    """Whether what a user typed is a study file, or else a study's name."""
    return Path(study).suffix == ".py" or Path(study).is_file()


def load_stored(ledger: Ledger, study: str, preset: str | None = None) -> tuple[LoadedStudy, StudyRecord]:
    """A stored study with its study file: the one named, or the one that it was launched from.

    Raises ``StudyFileError`` where that file is not on this machine, or makes another study now.
    """
    from kdsearch.engines.study_file import load

    if is_file(study):
        loaded = load(Path(study), preset).as_stored(ledger)
        return loaded, _launched(ledger, loaded.study, study)
    record = ledger.study(study, preset)
    source, stored = Path(record.source_file), record.settings.preset or "none"
    if not source.is_file():
        raise StudyFileError(
            f"expected the file that the study {record.name} was launched from, {source}, but there is none on this "
            f"machine. Give the path of a copy in place of the name, with --preset {stored}"
        )
    loaded = load(source, preset or stored, record.settings.overrides).as_stored(ledger)
    if loaded.study.stored_name != record.name:
        raise StudyFileError(
            f"{source} now makes the study {loaded.study.stored_name}, not {record.name}: "
            f"was it launched with other data ({environment.DATA}) or another preset?"
        )
    return loaded, record


def load_named(study: str, preset: str | None = None, storage: str | None = None) -> LoadedStudy:
    """A study file's study, or a stored one's; only for the latter is the ledger opened."""
    from kdsearch.engines.study_file import load

    if is_file(study):
        return load(Path(study), preset)
    ledger = connect(storage)
    try:
        return load_stored(ledger, study, preset)[0]
    finally:
        ledger.database.dispose()


def folded(text: str, width: int | None, indent: int = 0) -> str:
    """The text in lines of at most ``width`` characters, broken between words where that can be; ``None``: one line.

    All lines but the first are indented. A word that is longer than a line is broken, so that nothing is cut.
    """
    if width is None:
        return text
    return textwrap.fill(text, max(width, indent + 20), subsequent_indent=" " * indent, break_on_hyphens=False)


def parse_settings(pairs: list[str] | None, study: Study) -> dict[str, Scalar]:
    """``name=value`` pairs as values of their parameters; unknown names are refused with the nearest known one.

    A choice, or a word by default, keeps its type: ``07`` is a word where it is one of the words to choose from.
    """
    from kdsearch.study import set_text

    parameters = study.task.parameters
    values: dict[str, Scalar] = {}
    for pair in pairs or []:
        name, text = set_text.split(pair, parameters)
        if name not in parameters:
            raise KdsearchError(f"unknown parameter {name!r}; {suggestion(name, parameters)}")
        try:
            values[name] = set_text.read(text, study.space.get(name), parameters[name])
        except KdsearchError as error:
            raise KdsearchError(f"{name}={error}") from error
    return values
