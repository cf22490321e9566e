"""``kdsearch worker`` and ``kdsearch stop``: one more process for a launched study, or none."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from kdsearch.cli.common import Data, Population, Preset, Storage, StudyName, load_named, open_named
from kdsearch.cli.output import say

_WAIT_SECONDS = 30.0


def worker(
    study: StudyName,
    preset: Preset = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; default: cuda if there is a GPU.")] = None,
    population: Population = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Train runs of a launched study in this process.

    It ends when the study is finished. Ctrl-C hands back the runs that it trains. It finds the file and the
    preset of a study by its name, if that file is on this machine. On another machine, name the database with
    --storage: the embedded server has no TCP port and serves one machine.
    """
    from kdsearch.engines.devices import gpus, use_slot
    from kdsearch.engines.worker_process import WorkerArguments, work

    where = device or ("cuda" if gpus() else "cpu")
    use_slot(where)
    loaded = load_named(study, preset, storage)
    file, preset = str(loaded.path), loaded.study.preset or "none"
    given = dict(loaded.study.overrides)
    arguments = WorkerArguments(study_file=file, preset=preset, device=where, population=population, overrides=given)
    work(arguments, say=lambda line: say(line, flush=True))


def stop(study: StudyName, preset: Preset = None, data: Data = None, storage: Storage = None) -> None:
    """Stop a study on all machines.

    Its workers hand back their runs. Launch it again to resume it.
    """
    ledger, record = open_named(study, preset, storage)
    if record.phase == "finished":
        say(f"{record.name} is finished: no worker trains it.")
        return
    ledger.request_stop(record.id)
    deadline = time.monotonic() + _WAIT_SECONDS
    while (holders := ledger.lease_holders(record.id)) and time.monotonic() < deadline:
        time.sleep(0.2)
    if holders:
        say(f"{record.name} is asked to stop. Still training, until their next evaluation: {', '.join(holders)}")
    else:
        say(f"{record.name} is stopped; no worker holds a run. Launch it again to resume it.")
