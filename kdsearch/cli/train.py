"""``kdsearch train``: one run outside the ledger, to look at."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from kdsearch.cli.common import Data, Preset, Settings, Storage, StudyName, load_named, parse_settings
from kdsearch.cli.output import complain, say
from kdsearch.draws import FIRST_PREFLIGHT_SEED
from kdsearch.errors import KdsearchError, StudyFileError
from kdsearch.study.set_text import write
from kdsearch.texts import literal, one_line

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
    from kdsearch.statistics.rounding import alone
    from kdsearch.tasks.base import RunContext, RunRequest

    if seed >= FIRST_PREFLIGHT_SEED:
        raise KdsearchError(
            f"got --seed {seed:,}; search seeds lie below {FIRST_PREFLIGHT_SEED:,}. Those above belong to teachers "
            "and to the fresh seeds, which nobody looks at before the winner is chosen"
        )
    use_slot(device)
    study = load_named(study_name, preset, storage).study
    task = study.task
    given = parse_settings(set_, study)
    study.check(given)
    params = study.explicit(given)
    say(one_line(study.description))
    try:
        study.check(given, inside=True)
    except StudyFileError as outside:
        say(one_line(f"outside the search space, trained all the same: {outside}"))
    words = [f"{name}={write(value, study.space.get(name))}" for name, value in params.items()]
    say(one_line(", ".join([*words, f"seed={seed}"])))
    if study.uses_teacher(params) and study.teacher is None:
        say("this configuration needs a teacher, which is trained once and kept")
    with _failures(), tempfile.TemporaryDirectory(prefix="kdsearch-train-") as folder:
        fold, teacher = draw_of(study, params, seed, device)
        if study.folds:
            say(f"validated on fold {fold.number} of {study.folds}")
        context = RunContext(
            Path(folder), device, report=lambda epoch, value: say(f"epoch {epoch}: objective {alone(value)}")
        )
        result = task.train(RunRequest("student", params, seed, teacher, fold), context)
    say(
        f"{result.state}: objective {alone(result.objective)} at epoch {result.epoch} of {result.epochs}, "
        f"{result.seconds:.1f} s on {result.device}. One seed is not a result: kdsearch launch measures many."
    )
    if result.score is not None:
        say(f"test score at that epoch: {alone(result.score)}")


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
        if own:
            complain("".join(traceback.format_list(own)).rstrip("\n"))
        text = literal(str(error)).replace("\n", "\n    ")  # none of its lines looks like one of kdsearch
        raise KdsearchError(f"the run failed: {type(error).__name__}: {text}") from error
