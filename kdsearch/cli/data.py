"""``kdsearch data``: what data is there, whether it is whole, and packing it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from kdsearch import environment
from kdsearch.cli.common import Data
from kdsearch.errors import KdsearchError

if TYPE_CHECKING:
    from kdsearch.data.clips import Modality

app = typer.Typer(no_args_is_help=True, help="Data: list, verify, pack.")


@app.command("list")
def list_data(data: Data = None) -> None:
    """Show the data sets that studies can find, and what stands in for those that are missing."""
    from rich.console import Console
    from rich.table import Table

    from kdsearch.data import available

    table = Table("data", "modality", "count", "classes", "fingerprint", "where", box=None, pad_edge=False)
    for row in available(environment.data_root()):
        table.add_row(row.name, row.modality, str(row.clips), str(row.classes), row.fingerprint, str(row.where))
    Console(highlight=False).print(table)
    if environment.data_root() is None:
        print(
            f"{environment.DATA} is not set: studies run on stand-ins. Name a folder with --data or {environment.DATA}."
        )


@app.command("verify")
def verify_data(data: Data = None) -> None:
    """Check every data file; exit code 1 when one is missing or broken."""
    from kdsearch.data import verify

    root = environment.data_root()
    if root is None:
        raise KdsearchError(f"name the folder to verify with --data or {environment.DATA}")
    findings = verify(root)
    for finding in findings:
        print(f"{'ok    ' if finding.ok else 'BROKEN'} {finding.file}: {finding.message}")
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
    """Pack the official layout of a data set into one archive that loads at once.

    --data names the unpacked folder, or one .zip or .tar.gz that holds it.
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
        print(pack(source, destination, cast("Modality", modality)))
