"""Optuna's storage as its dashboard reads it: of a study with very many trials the first ones at once."""

from __future__ import annotations

import threading
from collections.abc import Container
from typing import Any

from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

FIRST = 100
"""Trials of the first answer; the mirror writes the best ones first."""

LARGE = 1_000
"""Trials: of a study with more, Optuna takes seconds to read them."""

LATER_SECONDS = 2.0
"""The reading of all trials begins so much later: the page that asks goes first."""

_NOT_SAID: Any = object()


class FirstTrials(RDBStorage):
    """Gives a page the first ``FIRST`` trials of a large study while all of them are read, and what was read last then.

    The page asks again every few seconds and adds what it does not have: trials keep their order. Whoever asks for
    copies, or says which ``states`` are wanted, as Optuna itself does, gets all trials as they are now.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._read: dict[int, list[FrozenTrial]] = {}
        self._reading: dict[int, threading.Thread] = {}
        self._lock = threading.Lock()

    @override
    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = _NOT_SAID
    ) -> list[FrozenTrial]:
        if deepcopy or states is not _NOT_SAID or not self._is_large(study_id):
            return super().get_all_trials(study_id, deepcopy, None if states is _NOT_SAID else states)
        self._begin(study_id)
        return self._read.get(study_id) or self._first(study_id)

    @override
    def delete_study(self, study_id: int) -> None:
        super().delete_study(study_id)
        self._read.pop(study_id, None)

    def _is_large(self, study_id: int) -> bool:
        try:
            self.get_trial_id_from_study_id_trial_number(study_id, LARGE)
        except KeyError:
            return False
        return True

    def _first(self, study_id: int) -> list[FrozenTrial]:
        numbers = range(FIRST)
        return [self.get_trial(self.get_trial_id_from_study_id_trial_number(study_id, n)) for n in numbers]

    def _begin(self, study_id: int) -> None:
        """Read all trials beside serving, where nobody does."""
        with self._lock:
            thread = self._reading.get(study_id)
            if thread is None or not thread.is_alive():
                reading = threading.Timer(LATER_SECONDS, self._all, (study_id,))
                reading.daemon = True
                self._reading[study_id] = reading
                reading.start()

    def _all(self, study_id: int) -> None:
        try:
            self._read[study_id] = super().get_all_trials(study_id, deepcopy=False)
        except Exception:  # deleted meanwhile, or the database is away: the page asks again, and is told
            self._read.pop(study_id, None)
