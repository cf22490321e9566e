"""Files with a figure each, ``figure(results) -> plotly Figure``: those of ``dashboards/``, or a user's own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kdsearch import environment
from kdsearch.errors import KdsearchError, StudyDeleted
from kdsearch.ledger.records import StudyResults
from kdsearch.statistics.float_errors import usual_float_errors

Figure = Any
IMAGES = ("png", "svg", "pdf")
_WIDTH, _SCALE = 1000, 2  # pixels of an image, and how many dots each of them is in a png


def figure_files(folder: Path) -> Iterator[tuple[str, Callable[[StudyResults], Figure]]]:
    """Name and function of each figure file in a folder."""
    for path in sorted(folder.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"kdsearch_figure_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            raise KdsearchError(f"the figure file {path} cannot be read: {type(error).__name__}: {error}") from error
        if not callable(getattr(module, "figure", None)):
            raise KdsearchError(f"{path} must define figure(results) -> plotly Figure")
        yield path.stem, module.figure


def figure_folder(given: Path | None = None) -> Path:
    """The folder of figures that a user names, or kdsearch's own: in the installed package, or beside it in a clone.

    Raises ``KdsearchError`` where there is no such folder.
    """
    if given is not None and not given.is_dir():
        raise KdsearchError(f"expected a folder of figures, found no folder {given}")
    return given or environment.shipped("dashboards", "dashboards")


def names(folder: Path) -> list[str]:
    """The names of the figures of a folder."""
    return [name for name, _ in figure_files(folder)]


def drawn(
    results: StudyResults,
    folder: Path,
    name: str | None = None,
    failed: Callable[[str, KdsearchError], None] | None = None,
) -> Iterator[tuple[str, Figure]]:
    """Draw the figures of a folder, or the one of that name.

    One that cannot be drawn raises ``KdsearchError``, or where there is ``failed`` is left out, and that is told.
    """
    found = list(figure_files(folder))
    if name is not None and name not in (known := [own for own, _ in found]):
        raise KdsearchError(unknown(name, known))
    for own, draw in found:
        if name in (None, own):
            try:
                figure = _drawn(own, draw, results)
            except KdsearchError as error:
                if failed is None or isinstance(error, StudyDeleted):
                    raise
                failed(own, error)
                continue
            yield own, figure


def _drawn(name: str, draw: Callable[[StudyResults], Figure], results: StudyResults) -> Figure:
    try:
        with usual_float_errors():
            return draw(results)
    except KdsearchError:
        raise
    except (Exception, SystemExit) as error:
        raise KdsearchError(f"the figure {name} cannot be drawn: {type(error).__name__}: {error}") from error


def unknown(name: str, known: Sequence[str]) -> str:
    """Say that there is no such figure."""
    return f"there is no figure {name!r}: use one of {', '.join(known)}"


def kind_of(file: Path) -> str:
    """How a figure is written to a file: ``html``, ``png``, ``svg`` or ``pdf``, as its name ends."""
    kind = file.suffix.lower().removeprefix(".")
    if kind in ("html", "htm"):
        return "html"
    if kind not in IMAGES:
        raise KdsearchError(f"{file}: a figure is written as .html, .{', .'.join(IMAGES[:-1])} or .{IMAGES[-1]}")
    return kind


def write(figure: Figure, file: Path) -> None:
    """Write a figure as ``html``, ``png``, ``svg`` or ``pdf``, as the name of the file ends.

    Images are made by kaleido, which draws the same figure in a Chrome or Chromium: a second drawing by another library
    would be another figure. Raises ``KdsearchError`` on other endings, and where one of the two is missing.
    """
    kind = kind_of(file)
    if kind == "html":
        figure.write_html(file, include_plotlyjs=True)
        return
    try:
        import kaleido
    except ImportError:
        raise KdsearchError(f'{file}: images need kaleido: pip install "kdsearch[images]"; .html does not') from None
    options = {"format": kind, "width": _WIDTH, "height": figure.layout.height or 450}
    try:
        kaleido.write_fig_sync(figure, file, opts={**options, "scale": _SCALE if kind == "png" else 1})
    except Exception as error:  # kaleido has a class of its own for a missing Chrome, and passes on what Chrome says
        raise KdsearchError(
            f"{file} cannot be drawn: kaleido needs a Chrome or Chromium, such as Debian's package chromium "
            f"({type(error).__name__}: {error}); .html needs neither"
        ) from error
