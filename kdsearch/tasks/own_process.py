"""The end of a process in which a user's code runs: a child that it forks ends by itself, no thread delays it."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import traceback
from collections.abc import Iterator


@contextlib.contextmanager
def own_process() -> Iterator[None]:
    """End a forked child where it leaves the block, however it does: by ``sys.exit``, an exception or a return.

    It would go on as a second worker with the connections of the first, and record its exit as the run's failure.
    """
    own = os.getpid()
    try:
        yield
    except BaseException as error:
        if os.getpid() != own:
            _leave(error)
        raise
    if os.getpid() != own:
        _leave(None)


def _leave(error: BaseException | None) -> None:
    """End this process as Python ends one that this exception leaves; without what the parent wants done at its end."""
    if isinstance(error, SystemExit):
        if error.code is not None and not isinstance(error.code, int):
            print(error.code, file=sys.stderr)
    elif error is not None:
        traceback.print_exception(error)
    _exit(_code_of(error))


def _code_of(error: BaseException | None) -> int:
    """The exit code of a process that this exception leaves."""
    if isinstance(error, SystemExit):
        return error.code & 0xFF if isinstance(error.code, int) else int(error.code is not None)
    return int(error is not None)


def _exit(code: int) -> None:
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


@contextlib.contextmanager
def ends_with_its_work(seconds: float = 10.0) -> Iterator[None]:
    """Let this process end soon after the block, also where threads that a user's code started do not end.

    Python waits for such a thread at its end, however long it takes. Here it gets so many seconds.
    """
    try:
        yield
    except BaseException as error:
        _watch_threads(_code_of(error), seconds)
        raise
    _watch_threads(0, seconds)


def _watch_threads(code: int, seconds: float) -> None:
    if not _lasting_threads():
        return
    ended = threading.Event()
    atexit.register(ended.set)  # called once no thread is left

    def watch() -> None:
        if not ended.wait(seconds):
            names = ", ".join(thread.name for thread in _lasting_threads())
            with contextlib.suppress(Exception):
                print(f"Ended beside threads of the study's code that do not end: {names}", file=sys.stderr)
            _exit(code)

    threading.Thread(target=watch, name="kdsearch-end", daemon=True).start()


def _lasting_threads() -> list[threading.Thread]:
    """The threads that Python waits for at its end."""
    own = (threading.main_thread(), threading.current_thread())
    return [thread for thread in threading.enumerate() if not thread.daemon and thread not in own]
