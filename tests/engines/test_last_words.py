"""What a worker process tells its launcher when it ends: of which kind the fault was, and in which words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict

import pytest

from kdsearch.engines import worker_process
from kdsearch.engines.failures import NothingWorks
from kdsearch.engines.last_words import Kind, LastWords, Listener, Words
from kdsearch.engines.worker_process import WorkerArguments
from kdsearch.errors import KdsearchError, LedgerError, StudyFileError


def test_a_process_that_says_nothing_is_not_waited_for() -> None:
    """A child of the worker may have the other end, and live on."""
    listener = Listener()
    child = os.dup(listener.writer)
    listener.started()
    assert listener.close() is None
    assert listener.close() is None, "asked again"
    os.close(child)


def test_what_a_users_code_starts_cannot_say_them() -> None:
    listener = Listener()
    LastWords(listener.writer)
    code = f"import os; os.write({listener.writer}, b'mine')"
    told = subprocess.run([sys.executable, "-c", code], close_fds=False, capture_output=True, text=True, check=False)
    listener.started()
    assert "Bad file descriptor" in told.stderr
    assert listener.close() is None


@pytest.mark.parametrize(
    ("error", "kind", "ends"),
    [
        (NothingWorks("5 runs in a row raised"), "nothing works", SystemExit),
        (LedgerError("the database is away"), "database", SystemExit),
        (StudyFileError("the study changed"), "error", SystemExit),
        (KdsearchError("no room"), "error", SystemExit),
        (ValueError("an accident"), "exception", ValueError),
    ],
)
def test_the_kind_of_a_fault_reaches_the_launcher(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: Kind, ends: type[BaseException]
) -> None:
    def work(arguments: WorkerArguments) -> None:
        assert arguments.study_file == "none.py"
        raise error

    listener = Listener()
    arguments = WorkerArguments("none.py", "none", "cpu", words=listener.writer)
    monkeypatch.setattr(worker_process, "work", work)
    monkeypatch.setattr(sys, "argv", ["worker", json.dumps(asdict(arguments))])
    with pytest.raises(ends) as ended:
        worker_process.main()
    if ends is SystemExit:
        assert ended.value.code == 1  # type: ignore[attr-defined]
    listener.started()
    said = listener.close()
    assert said is not None
    if kind == "exception":
        assert said.kind == kind
        assert said.message.endswith("ValueError: an accident\n"), "with its traceback"
    else:
        assert said == Words(kind, str(error))
    assert listener.close() is None, "it is said once"
