"""Loading a study file: plain Python that makes one ``kdsearch.Study``."""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from kdsearch import environment
from kdsearch.data.synthetic import says_synthetic
from kdsearch.engines.code_hash import code_hash
from kdsearch.engines.devices import gpus
from kdsearch.engines.helper_modules import elsewhere, make_importable, named_at_run_time
from kdsearch.engines.study_modules import load_module
from kdsearch.engines.teacher import given_weights
from kdsearch.errors import DataError, KdsearchError, StudyFileError, StudyMismatch
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord
from kdsearch.ledger.settings import StudySettings
from kdsearch.ledger.studies import Declaration, difference, to_json
from kdsearch.search.searches import without_space
from kdsearch.study.budget import Budget, Confirm
from kdsearch.study.declaration import Study
from kdsearch.study.overrides import overridden
from kdsearch.tasks.bound_values import Bound
from kdsearch.tasks.function import FunctionTask
from kdsearch.tasks.unchanged_process import output_as_errors, unchanged_process
from kdsearch.values import wrong_json

_being_read: set[Path] = set()
"""Study files whose code is running now."""

_WAIT_SECONDS = 60.0
_one_at_a_time = threading.RLock()
"""Held while a study file is read: its modules and the streams belong to the whole process."""


@dataclass(frozen=True)
class LoadedStudy:
    """A study with the file that it came from and the preset in force."""

    path: Path
    study: Study

    @cached_property
    def code_hash(self) -> str:
        """Hash of the trainer's source, of the modules beside the file that it imports, and of what it carries."""
        return code_hash(self.study.task.sources(), self.path, self._bound.text)

    @cached_property
    def unseen(self) -> tuple[str, ...]:
        """What a run of a function may depend on and no hash sees: data and objects that it reads, code elsewhere."""
        task = self.study.task
        if not isinstance(task, FunctionTask):
            return ()
        data = self._bound.unseen if task.data_version == "none" else ()
        folder = self.path.resolve().parent
        return (*data, *elsewhere(task.sources(), folder), *named_at_run_time(task.sources(), folder))

    @cached_property
    def _bound(self) -> Bound:
        task = self.study.task
        return task.bound() if isinstance(task, FunctionTask) else Bound()

    def as_stored(self, ledger: Ledger) -> LoadedStudy:
        """The study as the ledger has it: one that was stored before runs drew folds goes on under its older recipe.

        Its budget and fresh seeds stay as stored: what the file says of them now may be meant for folds. Raises
        ``StudyMismatch`` where the file is another study than the one that is stored so under its name and preset.
        """
        older = self.study.older()
        stored = {row.name: row for row in ledger.studies()}
        row = stored.get(older.stored_name) if older is not None else None
        if row is None or row.version > 1 or self.study.stored_name in stored:
            return self
        before = self.study.older(_share(row)) or self.study
        lines = list(difference(row.identity, to_json(before.identity())))
        lines += [
            f"{name}: nothing in the ledger, {value!r} in the study file"
            for name, value in self.study.asked_since_draws().items()
        ]
        if lines:
            raise StudyMismatch(_refusal(row, self.study, lines))
        budget, confirm = Budget(**asdict(row.settings.budget)), Confirm(**asdict(row.settings.confirm))
        return replace(self, study=replace(before, budget=budget, confirm=confirm))

    def declaration(self) -> Declaration:
        """The study in the ledger's words; reads the data's fingerprint."""
        study, task = self.study, self.study.task
        identity = study.identity()
        if wrong := wrong_json(identity):
            raise StudyFileError(f"study {study.name!r}: what identity() of {type(task).__name__} gives: {wrong}")
        _check_teacher(study)
        if study.teacher is not None:
            given_weights(study, identity)  # kept now: a file that changes later changes no run
        return Declaration(
            name=study.stored_name,
            identity=identity,
            settings=StudySettings.from_json(to_json(study.settings()), f"the study {study.stored_name}"),
            description=study.description,
            metric=task.metric,
            chance=task.chance,
            data_hash=task.fingerprint(),
            code_hash=self.code_hash,
            baselines={name: study.explicit(values) for name, values in study.baselines.items()},
            source_file=str(self.path),
            source_text=self.path.read_text(errors="replace"),
            begin_with=study.first_configurations,
        )


def load(path: Path, preset: str | None = None, overrides: Mapping[str, Any] | None = None) -> LoadedStudy:
    """Import a study file and apply a preset: the named one, or the one that fits the hardware; then ``overrides``.

    Raises ``StudyFileError`` with the last line of the user's own code when the file cannot be imported.
    """
    if not path.is_file():
        raise StudyFileError(f"expected a study file such as studies/jhmdb_weights.py, found no file {path}")
    environment.pin()
    whole = path.resolve()  # before it is imported: it may change the working folder
    # One that has two names is one.
    studies = list({id(value): value for value in _import(path).values() if isinstance(value, Study)}.values())
    if len(studies) != 1:
        raise StudyFileError(f"{path} must make exactly one kdsearch.Study at its top level, it makes {len(studies)}")
    study = studies[0]
    name = preset or _fitting_preset(study)
    study = overridden(study.with_preset(None if name == "none" else name), overrides or {})
    _check_question(study)
    loaded = LoadedStudy(whole, study)
    with contextlib.suppress(Exception):  # a launch says what is wrong, a report needs no hash
        _ = loaded.code_hash  # of the code as it is now: it may be edited, and its objects change, while runs train
    return loaded


def _check_question(study: Study) -> None:
    """Refuse a comparison with the best configuration without distillation where there is nothing to search for one."""
    if study.question == "best without" and not without_space(StudySettings.from_json(study.searched)):
        off = f"every teacher weight ({', '.join(study.off)}) is 0"
        if study.without is not None:
            off = f"{', '.join(f'{name} is {value!r}' for name, value in study.off.items())}"
        raise StudyFileError(
            f"study {study.name!r}: question='best without' needs a number to search where {off}, and of the space "
            f"({', '.join(study.space)}) none is left then. Search one that matters without a teacher too, or leave "
            "the question at 'itself': it is the same comparison here"
        )


def _share(row: StudyRecord) -> float | None:
    """The share of the train list that validated all runs of a stored study, where its data name one."""
    data: Any = (row.identity.get("task") or {}).get("data") or {}
    return dict(data.get("clips") or data).get("validation")


def _refusal(row: StudyRecord, study: Study, lines: list[str]) -> str:
    preset = f" with preset {study.preset}" if study.preset else ""
    folds = f"{study.folds} fold{'s' if study.folds > 1 else ''}"
    return (
        f"the ledger holds the study {row.name!r}, of this name{preset}, which was begun before there were folds (one "
        "split for all runs, one teacher chosen on it), and the study file differs from it:\n  "
        + "\n  ".join(lines)
        + "\nUndo the change to go on with the stored one, or give the changed study another name in its file: it then "
        f"begins anew, with {folds}. What is stored can be read by its name: kdsearch report {row.name}"
    )


def _check_teacher(study: Study) -> None:
    """Read a given file of weights once, before hours of runs ask for it."""
    check = getattr(study.task, "check_teacher", None)
    if study.teacher is None or check is None:
        return
    try:
        check(study.teacher_file)
    except DataError as error:
        raise StudyFileError(f"teacher={study.teacher_file} holds no teacher of this task: {error}") from error


def _fitting_preset(study: Study) -> str:
    """``full`` on a GPU, unless its data are not there: nobody wants to train a large network on synthetic data."""
    if gpus() and "full" in study.presets and _has_data(study.with_preset("full")):
        return "full"
    return "cpu" if "cpu" in study.presets else "none"


def _has_data(study: Study) -> bool:
    try:
        return not says_synthetic(study.description)
    except DataError:  # some data have no synthetic form; who names the preset is told what is missing
        return False


def load_study(path: str | Path, preset: str | None = None) -> Study:
    """The study of a study file, with a preset applied as ``kdsearch launch`` does."""
    return load(Path(path), preset).study


def _import(path: Path) -> dict[str, object]:
    if path.suffix != ".py":
        raise StudyFileError(f"{path} is not a Python file: expected a name that ends in .py")
    own = path.resolve()
    if not _one_at_a_time.acquire(timeout=_WAIT_SECONDS):
        raise StudyFileError(
            f"{path} cannot be read: another thread reads a study file for {_WAIT_SECONDS:.0f} seconds. Does that file "
            "wait for a thread of its own that reads one?"
        )
    try:
        return _import_alone(path, own)
    finally:
        _one_at_a_time.release()


def _import_alone(path: Path, own: Path) -> dict[str, object]:
    if own in _being_read:
        raise StudyFileError(
            f"{path} reads itself: what launches or loads it stands at its top level. Put that below "
            'if __name__ == "__main__":'
        )
    _being_read.add(own)
    # Before the process is noted: the folder of the study that was read last stays out of the places of modules.
    make_importable(own.parent)
    try:
        # What it prints is no part of what a command prints: an export to stdout stays CSV or JSON.
        with unchanged_process(), contextlib.redirect_stdout(sys.stderr), output_as_errors():
            return vars(load_module(path))
    except KdsearchError:
        raise
    except (Exception, SystemExit) as error:
        frames = [row for row in traceback.extract_tb(error.__traceback__) if Path(row.filename).resolve() == own]
        where = f"{path}, line {frames[-1].lineno}: {frames[-1].line}" if frames else str(path)
        if isinstance(error, SyntaxError):
            where = f"{path}, line {error.lineno}: {(error.text or '').strip()}"
        raise StudyFileError(
            f"the study file fails to import.\n  {where}\n  {type(error).__name__}: {error}\n"
            "Mend the file and call the same command again."
        ) from error
    finally:
        _being_read.discard(own)
