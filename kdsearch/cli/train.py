"""``kdsearch train``: one run outside the ledger, to look at."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from kdsearch.cli.common import Data, Preset, Settings, Storage, StudyName, load_named, parse_settings
from kdsearch.errors import KdsearchError, StudyFileError

_WRAPPERS = ("cli/train.py", "tasks/function.py")
"""Files of kdsearch that only pass a call on to a user's function."""


def train(
    study_name: StudyName,
    seed: Annotated[int, typer.Option(min=0, help="Search seed of the run.")] = 0,
    set_: Settings = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    preset: Preset = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Train one configuration with one seed and store nothing.

    The evaluations and the result are printed.
    """
    from kdsearch.engines.devices import use_slot
    from kdsearch.engines.teacher import draw_of
    from kdsearch.tasks.base import RunContext, RunRequest

    use_slot(device)
    study = load_named(study_name, preset, storage).study
    task = study.task
    given = parse_settings(set_, study)
    study.check(given)
    params = study.explicit(given)
    print(study.description)
    try:
        study.check(given, inside=True)
    except StudyFileError as outside:
        print(f"outside the search space, trained all the same: {outside}")
    print(", ".join(f"{name}={value}" for name, value in params.items()) + f", seed={seed}")
    if study.uses_teacher(params) and study.teacher is None:
        print("this configuration needs a teacher, which is trained once and kept")
    with _failures(), tempfile.TemporaryDirectory(prefix="kdsearch-train-") as folder:
        fold, teacher = draw_of(study, params, seed, device)
        if study.folds:
            print(f"validated on fold {fold.number} of {study.folds}")
        context = RunContext(
            Path(folder), device, report=lambda epoch, value: print(f"epoch {epoch}: objective {value:.4f}")
        )
        result = task.train(RunRequest("student", params, seed, teacher, fold), context)
    print(
        f"{result.state}: objective {result.objective:.4f} at epoch {result.epoch} of {result.epochs}, "
        f"{result.seconds:.1f} s on {result.device}. One seed is not a result: kdsearch launch measures many."
    )
    if result.score is not None:
        print(f"test score at that epoch: {result.score:.4f}")


@contextmanager
def _failures() -> Iterator[None]:
    """Turn an exception of the task into a ``KdsearchError``, below the part of its traceback that is the task's."""
    try:
        yield
    except (KdsearchError, OSError):
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if not frame.filename.endswith(_WRAPPERS)]
        print(*traceback.format_list(own), sep="", end="", file=sys.stderr)
        raise KdsearchError(f"the run failed: {type(error).__name__}: {error}") from error
