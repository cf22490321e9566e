"""Keeping a worker's leases while it trains."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from kdsearch.ledger.leases import Lease
from kdsearch.ledger.ledger import Ledger

_BEAT_SECONDS = 2.0


class Heartbeat:
    """Renews all leases of a worker in one statement, from a thread with a connection of its own.

    ``stop_requested`` turns true when somebody asked the study to stop.
    """

    def __init__(self, ledger: Ledger, study_id: int) -> None:
        self.stop_requested = False
        self._ledger = ledger
        self._study_id = study_id
        self._held: dict[int, Lease] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kdsearch-heartbeat", daemon=True)
        self._thread.start()

    def hold(self, leases: list[Lease]) -> None:
        """Keep these leases alive from now on."""
        with self._lock:
            self._held.update({lease.run_id: lease for lease in leases})

    def drop(self, leases: Iterable[Lease]) -> None:
        """Stop keeping these; a newer lease of the same run is another one, and stays."""
        with self._lock:
            for lease in leases:
                if self._is_held(lease):
                    del self._held[lease.run_id]

    def holds(self, lease: Lease) -> bool:
        """Whether the lease is still ours, as far as the last renewal told."""
        with self._lock:
            return self._is_held(lease)

    def _is_held(self, lease: Lease) -> bool:
        held = self._held.get(lease.run_id)
        return held is not None and held.token == lease.token

    def held(self) -> list[Lease]:
        """All leases held."""
        with self._lock:
            return list(self._held.values())

    def close(self) -> None:
        """End the thread."""
        self._wake.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._wake.wait(min(self._ledger.lease_seconds / 3, _BEAT_SECONDS)):
            held = self.held()
            if not held:
                continue
            try:
                kept, self.stop_requested = self._ledger.renew(self._study_id, held)
            except Exception:
                # The server is away, or refuses: try again. Should it never succeed, the leases run out and the fence
                # keeps the results of this worker out, so nothing is counted twice.
                continue
            self.drop(lease for lease in held if lease.run_id not in kept)
