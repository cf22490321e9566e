"""``kdsearch export``: runs as a table, weights as a file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from kdsearch.cli.common import Data, Preset, Storage, StudyName, form_of, open_named
from kdsearch.cli.output import say
from kdsearch.errors import KdsearchError

app = typer.Typer(no_args_is_help=True, help="Write runs or weights to files, or runs to a tracker.")
Output = Annotated[Path | None, typer.Option("--output", "-o", help="The file to write.")]


@app.command("runs")
def runs(
    study: StudyName,
    form: Annotated[
        str | None, typer.Option("--format", help="csv or json; default: as the name of --output ends, else csv.")
    ] = None,
    output: Output = None,
    table: Annotated[
        Path | None, typer.Option("--table", help="Write all runs to a compact .npz file too, for replay.")
    ] = None,
    preset: Preset = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Write every run of a study, one row per run.

    A row holds parameters, seed, pool, objective, score, curve and seconds.
    """
    from kdsearch.report.export import runs_csv, runs_json, write_table

    if table is not None and table.suffix != ".npz":
        raise KdsearchError(f"expected --table FILE.npz, since it writes a numpy archive, got {table}")
    form = form_of(form, output, ("csv", "json"))
    ledger, record = open_named(study, preset, storage, newest=True)
    results = ledger.results(record.id)
    if table is not None:
        write_table(results, table)
        if output is None:
            say(f"{table}: {len(results.runs)} runs")
            return
    text = runs_csv(results) if form == "csv" else runs_json(results)
    if output is None:
        say(text, end="" if text.endswith("\n") else "\n")
    else:
        output.write_text(text, encoding="utf-8", errors="backslashreplace")
        say(f"{output}: {len(results.runs)} runs")


@app.command("model")
def model(
    study: StudyName,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("model.pt"),
    seed: Annotated[int, typer.Option(min=0, help="Number of the fresh seed, from 0.")] = 0,
    preset: Preset = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Write the winner's weights of one fresh seed.

    The default is the first seed, since the best seed is the best by luck.
    """
    from kdsearch.engines.artifacts import fetch
    from kdsearch.statistics.rounding import alone

    ledger, record = open_named(study, preset, storage, newest=True)
    if record.winner_id is None:
        raise KdsearchError(f"{record.name} has no winner yet (phase {record.phase}); launch it to its end")
    found = [
        run
        for run in ledger.results(record.id).runs
        if run.configuration_id == record.winner_id and run.seed == record.draws.first_confirm_seed + seed
    ]
    if not found or found[0].artifact is None:
        why = "the study has no such seed"
        if found:
            why = "its task keeps no weights" if found[0].state == "done" else f"its run is {found[0].state}"
        raise KdsearchError(f"no weights of the winner's fresh seed {seed}: {why}")
    shutil.copyfile(fetch(found[0].artifact), output)
    score = f", test {record.metric} {alone(found[0].score)}" if found[0].score is not None else ""
    say(f"{output}: winner of {record.name}, fresh seed {seed} (run {found[0].id}){score}")


@app.command("mlflow")
def mlflow(
    study: StudyName,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="URI", help="Tracking URI; default: MLFLOW_TRACKING_URI, else mlflow.db."),
    ] = None,
    preset: Preset = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Write every run to MLflow.

    A study is an experiment, a configuration a run, each of its seeds a run within that. A second export replaces the
    first one. Needs pip install "kdsearch[mlflow]".
    """
    from kdsearch.integrations.trackers.mlflow import export

    ledger, record = open_named(study, preset, storage, newest=True)
    count, place = export(ledger.results(record.id), to)
    say(f"{place}: {count} runs of {record.name}")


@app.command("wandb")
def wandb(
    study: StudyName,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="The folder to write to.")] = Path(),
    project: Annotated[str | None, typer.Option(help="The project; default: the study's name.")] = None,
    online: Annotated[bool, typer.Option("--online", help="Send them, as the user that wandb login knows.")] = False,
    preset: Preset = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Write every run for Weights & Biases.

    A run is grouped by its configuration, with its seed as a field. It is written offline, for wandb sync, unless
    --online is given. Needs pip install "kdsearch[wandb]".
    """
    from kdsearch.integrations.trackers.wandb import export

    ledger, record = open_named(study, preset, storage, newest=True)
    count = export(ledger.results(record.id), output, project=project, online=online)
    say(f"{output / 'wandb'}: {count} runs of {record.name}" + ("" if online else "; wandb sync sends them"))


@app.command("tensorboard")
def tensorboard(
    study: StudyName,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="The folder to write to.")] = Path(
        "tensorboard"
    ),
    preset: Preset = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Write the curve of every run as event files of TensorBoard.

    Each run has a folder below that of its configuration; the HParams tab compares them.
    """
    from kdsearch.integrations.trackers.tensorboard import export

    ledger, record = open_named(study, preset, storage, newest=True)
    count = export(ledger.results(record.id), output)
    say(f"{output}: {count} runs of {record.name}; tensorboard --logdir {output} shows them")
