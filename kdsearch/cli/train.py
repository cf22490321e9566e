"""``kdsearch train``: one run outside the ledger, to look at."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from kdsearch.cli.common import Data, Preset, Settings, Storage, StudyName, load_named, parse_settings


def train(
    study_name: StudyName,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    set_: Settings = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    preset: Preset = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Train one configuration with one seed and store nothing.

    Its evaluations and its result are printed.
    """
    from kdsearch.engines.devices import use_slot
    from kdsearch.engines.teacher import draw_of
    from kdsearch.errors import StudyFileError
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
        print(f"a search would refuse this ({outside}); train does it all the same")
    print(", ".join(f"{name}={value}" for name, value in params.items()) + f", seed={seed}")
    if study.uses_teacher(params) and study.teacher is None:
        print("this configuration needs a teacher, which is trained once and kept")
    fold, teacher = draw_of(study, params, seed, device)
    if study.folds:
        print(f"validated by fold {fold.number} of {study.folds}")
    with tempfile.TemporaryDirectory(prefix="kdsearch-train-") as folder:
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
