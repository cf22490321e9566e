"""``kdsearch launch``: run a study to its end, or join the one that runs."""

from __future__ import annotations

import os
import re
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kdsearch.cli.common import Data, Population, Preset, Storage, StudyFile
from kdsearch.cli.output import console as make_console
from kdsearch.cli.output import encoding, say
from kdsearch.texts import literal, one_line

_MOST_ON_A_PAGE = 20_000
"""Runs: of more, a page takes longer than one who has just seen a study end would wait."""

if TYPE_CHECKING:
    from rich.console import Console

    from kdsearch.engines.launch import Launch, Ran
    from kdsearch.engines.ray_cluster import RayOptions
    from kdsearch.ledger.records import StudyResults


def launch(
    study_file: StudyFile,
    preset: Preset = None,
    engine: Annotated[
        str, typer.Option(help="local (worker processes), ray (a cluster) or debug (in this process).")
    ] = "local",
    workers: Annotated[
        int | None,
        typer.Option(
            min=0, help="Worker processes; default: one per CPU core, or one per GPU slot; on Ray as many as fit."
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="Ray cluster, auto or HOST:PORT; default: RAY_ADDRESS, else a new one on this machine."),
    ] = None,
    cpus_per_worker: Annotated[float | None, typer.Option(min=0, help="CPUs that a worker on Ray takes; 1.")] = None,
    gpus_per_worker: Annotated[
        float | None, typer.Option(min=0, help="GPUs that a worker on Ray takes, such as 0.25; 0.")
    ] = None,
    slots_per_gpu: Annotated[int, typer.Option(min=1, help="Worker processes that share a GPU.")] = 1,
    population: Population = None,
    runs: Annotated[int | None, typer.Option("--runs", min=2, help="Search runs, in place of the file's.")] = None,
    confirm_seeds: Annotated[
        int | None, typer.Option("--confirm-seeds", min=2, help="Fresh seeds of each compared configuration.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the study, in place of the file's.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Value of the study, such as task.epochs=40; repeat it."),
    ] = None,
    begin_with: Annotated[
        str | None,
        typer.Option("--begin-with", metavar="STUDY", help="Try the best configurations of this study first."),
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Queue failed runs again.")] = False,
    html: Annotated[
        bool, typer.Option("--html/--no-html", help="Write the report as a page with all figures too, at the end.")
    ] = True,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Run a study: search, choose a winner, confirm it, report.

    The winner is confirmed on fresh seeds. A second call resumes an interrupted launch, or joins one that is running.
    """
    from kdsearch.cli.launch_header import print_header
    from kdsearch.engines.launch import Launch

    console = make_console()
    opened = Launch.open(
        study_file,
        preset=preset,
        engine=engine,
        workers=workers,
        slots_per_gpu=slots_per_gpu,
        population=population,
        ray=_ray_options(address, cpus_per_worker, gpus_per_worker),
        begin_with=begin_with,
        overrides=_overrides(set_ or [], {"budget.runs": runs, "confirm.seeds": confirm_seeds, "name": name}),
        say=lambda line: console.print(literal(line)),
    )
    print_header(console, opened)
    try:
        if again := opened.retry_where_none_worked():
            tried = f"{again} failed run{' is' if again == 1 else 's are'}"
            console.print(f"No run of this study has ended well yet, so that {tried} tried again.")
        if retry_failed:
            _retry(console, opened)
        finished = _run(console, opened, html=html)
    except KeyboardInterrupt:
        console.print(_interrupted(opened))
        raise SystemExit(130) from None
    raise SystemExit(0 if finished else 1)


def _run(console: Console, opened: Launch, *, html: bool) -> bool:
    """Train to the end and print the report; whether the winner has a result on fresh seeds, or the study stopped."""
    from kdsearch.cli.progress import View
    from kdsearch.ledger.records import ENDED
    from kdsearch.report import build, render

    with View(console, opened.ledger, opened.record.id) as view:
        ran = opened.run(view.show, lambda line: console.print(literal(line)))
    if not ran.finished:
        console.print("The study was asked to stop. The same command resumes it.")
        return True
    console.print(_ending(ran))
    if opened.ledger.database.embedded:
        console.print("The embedded database keeps running for report and dashboard; kdsearch db stop stops it.\n")
    if html:
        _write_page(console, ran.results)
    # The report comes last, so that a terminal ends on the answer.
    width = console.width if console.is_terminal else 100
    say(render(build(ran.results), "table", width=width, encoding=encoding()))
    winner = ran.results.study.winner_id
    return any(
        run.pool == "confirm" and run.configuration_id == winner and run.state in ENDED for run in ran.results.runs
    )


def _write_page(console: Console, results: StudyResults) -> None:
    """Write the report as a page into the home and print where it is; whatever happens there, the report follows."""
    from kdsearch import environment
    from kdsearch.figures.files import figure_folder
    from kdsearch.page import page

    name = results.study.name
    if len(results.runs) > _MOST_ON_A_PAGE:
        console.print(literal(f"A page with all figures takes a while: kdsearch report {quote(name)} --html FILE\n"))
        return
    safe = re.sub(r"[^\w.@=+-]+", "_", name)[:100]
    try:
        file = environment.folder("reports") / f"{safe}.html"
        new = file.with_suffix(f".{os.getpid()}.new")
        new.write_text(page(results, figure_folder()), encoding="utf-8", errors="backslashreplace")
        new.replace(file)
    except KeyboardInterrupt:
        console.print("The page with all figures was not written.\n")
    except Exception as error:
        said = one_line(f"{type(error).__name__}: {error}")
        console.print(literal(f"The page with all figures could not be written: {said}\n"))
    else:
        console.print(literal(f"The report as a page with all figures: {file}\n"), soft_wrap=True)


def _overrides(pairs: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """What ``--set`` and the options of their own say of the study."""
    from kdsearch.errors import KdsearchError
    from kdsearch.study.overrides import read

    given, said = read(pairs), {key: value for key, value in options.items() if value is not None}
    if twice := sorted(given.keys() & said.keys()):
        raise KdsearchError(f"{twice[0]} is given by --set and by an option of its own")
    return {**given, **said}


def _ray_options(address: str | None, cpus: float | None, gpus: float | None) -> RayOptions | None:
    """What was said of Ray; nothing where nothing was."""
    from kdsearch.engines.ray_cluster import RayOptions

    said = {"address": address, "cpus_per_worker": cpus, "gpus_per_worker": gpus}
    given: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    return RayOptions(**given) if given else None


def _ending(ran: Ran) -> str:
    if ran.ended == ran.before:
        return f"Nothing was left to do: all {ran.ended} runs had ended before this launch.\n"
    return (
        f"Finished {ran.ended - ran.before} runs in {ran.seconds / 60:.1f} minutes and {ran.cpu_seconds:,.0f} CPU "
        "seconds of launcher and workers.\n"
    )


def _retry(console: Console, opened: Launch) -> None:
    queued, lost = opened.retry_failed()
    if queued:
        console.print(f"Failed runs that are queued again: {queued}.")
    if lost:
        console.print(f"Teachers that train again because their weights are missing: {len(lost)}.")


def _interrupted(opened: Launch) -> str:
    record = opened.ledger.study_by_id(opened.record.id)
    if record.phase == "finished":
        return f"Interrupted; the study is finished. To see its results: kdsearch report {record.name}"
    return "Interrupted; nothing is lost. The same command resumes the study."
