"""``kdsearch logs``: everything about one run."""

from __future__ import annotations

from typing import Annotated

import typer

from kdsearch.cli.common import Storage
from kdsearch.cli.common import connect


def logs(run: Annotated[int, typer.Argument(metavar="RUN", help="A run's id.")], storage: Storage = None) -> None:
    """Show a run: configuration, state, attempts, curve, traceback."""
    ledger = connect(storage)
    study, record = ledger.run(run)
    results = ledger.results(study.id)
    configuration = results.configurations[record.configuration_id]
    print(f"run {run} of {study.name}: {study.description}")
    print(f"{configuration.kind} {configuration.name}, pool {record.pool}, seed {record.seed}")
    print(", ".join(f"{name}={value}" for name, value in configuration.params.items()))
    print(f"{record.state}, attempt {record.attempt}, worker {record.worker or 'none yet'}")
    if record.objective is not None:
        print(f"objective {record.objective:.4f} at epoch {record.epoch} of {record.epochs}")
        print(
            f"{record.seconds:.1f} s on {record.device}, peak memory {(record.peak_memory or 0) / 2**20:.0f} MiB, "
            f"code {record.code_hash}, data {record.data_hash}"
        )
        if record.artifact:
            print(f"weights {record.artifact}")
    names = [name for name in record.curve if name != "score"]
    if names:
        print("  ".join(f"{name:>12}" for name in names))
        for values in zip(*(record.curve[name] for name in names), strict=True):
            print("  ".join(f"{value:12.5g}" for value in values))
    for event in results.events:
        if event.run_id == run:
            print(f"{event.at:%Y-%m-%d %H:%M:%S} {event.kind}: {event.message}")
            if "traceback" in event.data:
                print(event.data["traceback"])
    if record.error and not any(event.run_id == run for event in results.events):
        print(record.error)
