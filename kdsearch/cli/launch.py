"""``kdsearch launch``: run a study to its end, or join the one that runs."""

from __future__ import annotations

from typing import Annotated

import typer

from kdsearch.cli.common import Data, Population, Preset, Storage, StudyFile


def launch(
    study_file: StudyFile,
    preset: Preset = None,
    engine: Annotated[str, typer.Option(help="local (worker processes) or debug (in this process).")] = "local",
    workers: Annotated[
        int | None, typer.Option(min=0, help="Worker processes; default one a CPU core, or one a GPU slot.")
    ] = None,
    slots_per_gpu: Annotated[int, typer.Option(min=1, help="Worker processes that share a GPU.")] = 1,
    population: Population = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Queue failed runs again first.")] = False,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Run a study: search, choose a winner, confirm it on fresh seeds, report.

    Call it again after any interruption and it goes on; call it twice at once and the second joins.
    """
    from kdsearch.cli import launching

    launching.launch(
        study_file,
        preset=preset,
        engine=engine,
        workers=workers,
        slots_per_gpu=slots_per_gpu,
        population=population,
        retry_failed=retry_failed,
    )
