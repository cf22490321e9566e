"""``kdsearch stop``: ask every worker of a study to hand back its run."""

from __future__ import annotations

import time

from kdsearch.cli.common import Data, Preset, Storage, StudyName, connect, find

_WAIT_SECONDS = 30.0


def stop(study: StudyName, preset: Preset = None, data: Data = None, storage: Storage = None) -> None:
    """Stop a study on all machines.

    Launching it again goes on from there.
    """
    ledger = connect(storage)
    record = find(ledger, study, preset)
    ledger.request_stop(record.id)
    deadline = time.monotonic() + _WAIT_SECONDS
    while (holders := ledger.lease_holders(record.id)) and time.monotonic() < deadline:
        time.sleep(0.2)
    if holders:
        print(f"asked to stop; still training: {', '.join(holders)} (they stop at their next evaluation)")
    else:
        print(f"{record.name} is stopped; no worker holds a run. Launch it again to go on.")
