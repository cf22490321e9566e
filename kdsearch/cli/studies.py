"""``kdsearch list``: the studies of a ledger."""

from __future__ import annotations

from kdsearch.cli.common import Storage
from kdsearch.cli.common import connect


def list_studies(storage: Storage = None) -> None:
    """List the studies of the ledger."""
    from rich.console import Console
    from rich.table import Table

    ledger = connect(storage)
    rows = ledger.studies()
    if not rows:
        print(f"no studies in {ledger.database.rendered_url()}; start one with: kdsearch launch STUDY_FILE")
        return
    table = Table("study", "phase", "created (UTC)", "data", box=None, pad_edge=False)
    for row in rows:
        phase = f"{row.phase}, stopped" if row.stop_requested and row.phase != "finished" else row.phase
        table.add_row(row.name, phase, f"{row.created_at:%Y-%m-%d %H:%M}", row.description)
    Console(highlight=False).print(table)
