"""Keeping a worker's leases while it trains."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable

from kdsearch.ledger.leases import Lease
from kdsearch.ledger.ledger import Ledger

_BEAT_SECONDS = 2.0


class Heartbeat:
    """Renews all leases of a worker in one statement, from a thread with a connection of its own.

    ``stop_requested`` turns true when somebody asked the study to stop. ``leave`` ends the process: it is called, after
    the leases are given back, where the worker still works ``grace`` seconds after that or after ``should_stop`` said
    so, as the one whose launcher is gone. Without it the leases are kept: the process is not only a worker.
    """

    def __init__(
        self,
        ledger: Ledger,
        study_id: int,
        should_stop: Callable[[], bool] = lambda: False,
        leave: Callable[[], None] | None = None,
        grace: float = 60.0,
    ) -> None:
        self.stop_requested = False
        self._should_stop = should_stop
        self._leave = leave
        self._grace = grace
        self._told: float | None = None
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
            if self._leave is not None and self._overstays():
                with contextlib.suppress(Exception):  # else they run out: nobody renews them any more
                    self._ledger.release(held)
                self._leave()
                return
            if not held:
                continue
            try:
                kept, self.stop_requested = self._ledger.renew(self._study_id, held)
            except Exception:
                # The server is away, or refuses: try again. Should it never succeed, the leases run out and the fence
                # keeps the results of this worker out, so nothing is counted twice.
                continue
            self.drop(lease for lease in held if lease.run_id not in kept)

    def _overstays(self) -> bool:
        """Whether the worker was told to stop so long ago that it hangs, or trains what never reports."""
        if not (self.stop_requested or self._should_stop()):
            self._told = None
            return False
        self._told = self._told or time.monotonic()
        return time.monotonic() - self._told > self._grace
