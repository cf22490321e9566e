"""``kdsearch worker``: join a study that was launched elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from kdsearch.cli.common import Data, Population, Preset, Storage, StudyName, connect, is_file, load_stored


def worker(
    study: StudyName,
    preset: Preset = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; default cuda where there is a GPU.")] = None,
    population: Population = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Train runs of a launched study in this process.

    It ends when the study is finished; Ctrl-C hands back the run in hand. A study's name stands for the file and the
    preset that it was launched with, where that file is on this machine. From another machine, name the database with
    --storage: the embedded server has no TCP and serves one machine.
    """
    from kdsearch.engines.devices import gpus, use_slot
    from kdsearch.engines.worker_process import WorkerArguments, work

    where = device or ("cuda" if gpus() else "cpu")
    use_slot(where)
    path = study
    if not is_file(study):
        ledger = connect(storage)
        loaded, record = load_stored(ledger, study, preset)
        ledger.database.dispose()
        path, preset = str(loaded.path), record.settings.preset or "none"
    work(
        WorkerArguments(
            study_file=path,
            preset=preset or "",
            device=where,
            population=population,
        ),
        say=lambda line: print(line, flush=True),
    )
