"""How many slots of a population are filled where its runs are of several folds, and where they are of none.

A toy study (runs of two to five epochs, 200 search runs, 20 fresh seeds) goes through ledger, planner and one worker.

    python -m tests.benchmarks.fold_slots [--widths 8 16] [--queued 5]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import kdsearch as kd
from kdsearch import settings
from kdsearch.engines.coordinator import Coordinator
from kdsearch.engines.debug import DebugEngine
from kdsearch.ledger import embedded
from kdsearch.ledger.ledger import Ledger
from tests.support import Crowd
from tests.support import Loaded
from tests.support import declaration
from tests.support import toy_study

FOLDS = 5


def main() -> None:
    """Print the share of filled slots by width."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=(8, 16))
    parser.add_argument("--queued", type=int, default=5, help="times the width: runs that the planner keeps queued")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ[settings.HOME] = str(Path(home) / "home")
        ledger = Ledger.connect()
        try:
            for width in arguments.widths:
                shares = {folds: filled(ledger, folds, width, arguments.queued * width) for folds in (0, FOLDS)}
                words = ", ".join(f"{share:.0%} with {folds or 'no'} folds" for folds, share in shares.items())
                print(f"{width} slots: {words}", flush=True)
        finally:
            embedded.stop()


def filled(ledger: Ledger, folds: int, width: int, queued: int) -> float:
    """Mean share of slots that hold a run at the boundaries of epochs."""
    crowd = Crowd(folds=folds)
    study = toy_study(
        task=crowd,
        name=f"folds{folds}-width{width}",
        budget=kd.Budget(runs=200),
        confirm=kd.Confirm(seeds=20, finalists=0),
    )
    record, _ = ledger.open_study(declaration(study))
    coordinator = Coordinator(ledger, study, record, queued)
    DebugEngine(coordinator, Loaded(study), population=width).run()  # type: ignore[arg-type]
    return sum(crowd.seen) / (len(crowd.seen) * width)


if __name__ == "__main__":
    main()
