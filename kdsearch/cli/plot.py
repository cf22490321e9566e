"""``kdsearch plot``: the figures of a study as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kdsearch.cli.common import Data, Preset, Storage, StudyName, open_named
from kdsearch.cli.output import say
from kdsearch.errors import KdsearchError


def plot(
    study: StudyName,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The figure; default: all of them, each into a file.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The file: .html, .png, .svg or .pdf, as its name ends; without NAME the folder, for html.",
        ),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Your own figures, one file with figure(results) each."),
    ] = None,
    preset: Preset = None,
    data: Data = None,
    storage: Storage = None,
) -> None:
    """Draw the figures of a study.

    An html file works offline, and what it shows can be zoomed. The others need kaleido (pip install
    "kdsearch[images]") and a Chrome or Chromium.
    """
    from kdsearch.figures.files import IMAGES, drawn, figure_folder, kind_of, names, unknown, write

    folder = figure_folder(figures)
    found = names(folder)
    if name is not None:
        if name not in found:
            raise KdsearchError(unknown(name, found))
        kind_of(output or Path(f"{name}.html"))
        files = {name: output or Path(f"{name}.html")}
    else:
        into = output or Path()
        if into.suffix.lower().removeprefix(".") in ("html", "htm", *IMAGES) and not into.is_dir():
            raise KdsearchError(
                f"{into} is one file, and there are {len(found)} figures: name one of {', '.join(found)}"
            )
        into.mkdir(parents=True, exist_ok=True)
        files = {own: into / f"{own}.html" for own in found}
    ledger, record = open_named(study, preset, storage, newest=True)
    results = ledger.results(record.id)
    for own, figure in drawn(results, folder, name):
        write(figure, files[own])
        say(f"{files[own]}: {own} of {record.name}")
