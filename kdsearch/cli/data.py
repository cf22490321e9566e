"""``kdsearch data``: what data is there, whether it is whole, and packing it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from kdsearch import environment
from kdsearch.cli.common import Data
from kdsearch.cli.output import console, say
from kdsearch.errors import KdsearchError
from kdsearch.texts import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from kdsearch.data.clips import Modality
    from kdsearch.data.inventory import Available

app = typer.Typer(no_args_is_help=True, help="Data: list, verify, pack.")
_UNLIMITED = 100_000
"""Columns of an output that is no terminal: a table takes what its longest row needs."""


@app.command("list")
def list_data(data: Data = None) -> None:
    """List the data sets that studies can use.

    The column "where" says which of them are synthetic.
    """
    from kdsearch.data import available

    shown = console()
    if not shown.is_terminal:
        shown.width = _UNLIMITED
    shown.print(table_of(available(environment.data_root())))
    if environment.data_root() is None:
        name = environment.DATA
        say(f"{name} is not set: studies run on synthetic data. Name a folder with --data or {name}.")


def table_of(rows: Iterable[Available]) -> Table:
    """One row a set of data; where the width is too little, words go on in the next line and nothing is cut."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("data", "modality", "count", "classes", "fingerprint", "where"):
        table.add_column(title, overflow="fold")
    for row in rows:
        cells = (row.name, row.modality, str(row.clips), str(row.classes), row.fingerprint, row.where)
        table.add_row(*(Text(one_line(cell)) for cell in cells))
    return table


@app.command("verify")
def verify_data(data: Data = None) -> None:
    """Check every data file.

    The exit code is 1 when one is missing or broken.
    """
    from kdsearch.data import verify

    root = environment.data_root()
    if root is None:
        raise KdsearchError(f"name the folder to verify with --data or {environment.DATA}")
    findings = verify(root)
    for finding in findings:
        say(f"{'ok    ' if finding.ok else 'BROKEN'} {one_line(f'{finding.file}: {finding.message}')}")
    if not findings:
        raise KdsearchError(f"no data that kdsearch knows was found below {root}")
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)


@app.command("pack")
def pack_data(
    name: Annotated[str, typer.Argument(help="The data set: jhmdb.")],
    destination: Annotated[Path, typer.Option("--to", help="Folder for the archives.")] = Path(),
    modality: Annotated[str, typer.Option(help="poses, masks or silhouettes.")] = "poses",
    data: Data = None,
) -> None:
    """Pack the official layout of a data set into one archive.

    The archive loads at once. --data names the unpacked folder, or one .zip or .tar.gz that holds it.
    """
    from kdsearch.data import pack, safe_extract

    if name != "jhmdb":
        raise KdsearchError(f"expected a data set that can be packed (jhmdb), got {name!r}")
    if modality not in ("poses", "masks", "silhouettes"):
        raise KdsearchError(f"expected --modality poses, masks or silhouettes, got {modality!r}")
    root = environment.data_root()
    if root is None:
        raise KdsearchError(f"name the folder of the official layout with --data or {environment.DATA}")
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kdsearch-pack-") as folder:
        source = safe_extract(root, Path(folder)) if root.is_file() else root
        say(str(pack(source, destination, cast("Modality", modality))))
