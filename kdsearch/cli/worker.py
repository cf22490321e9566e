"""``kdsearch worker``: join a study that was launched elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from kdsearch.cli.common import Data
from kdsearch.cli.common import Preset
from kdsearch.cli.common import Storage
from kdsearch.cli.common import StudyFile


def worker(
    study_file: StudyFile,
    preset: Preset = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; default cuda where there is a GPU.")] = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Train runs of a launched study in this process until it is finished. Ctrl-C hands back the run in hand.

    From another machine, name the database with --storage: the embedded server has no TCP and serves one machine.
    """
    from kdsearch.engines.devices import gpus
    from kdsearch.engines.devices import use_slot
    from kdsearch.engines.process import WorkerArguments
    from kdsearch.engines.process import work

    use_slot(device or ("cuda" if gpus() else "cpu"))
    work(
        WorkerArguments(
            study_file=str(study_file),
            preset=preset or "",
            device=device or ("cuda" if gpus() else "cpu"),
        ),
        say=lambda line: print(line, flush=True),
    )
