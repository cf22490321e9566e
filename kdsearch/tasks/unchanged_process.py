"""What a user's code changes in the process that reads its file or trains its runs, and is put back afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np

from kdsearch.tasks.own_process import own_process

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF)
_TIMERS = {
    signal.ITIMER_REAL: signal.SIGALRM,
    signal.ITIMER_VIRTUAL: signal.SIGVTALRM,
    signal.ITIMER_PROF: signal.SIGPROF,
}
_READ_HERE = ("KDSEARCH_", "PG", "HOME", "XDG_", "TMPDIR", "PATH")
"""Beginnings of the names of variables that kdsearch, libpq and the embedded server read."""

_PLACES = ("KDSEARCH_HOME", "KDSEARCH_STORAGE", "KDSEARCH_ARTIFACTS", "KDSEARCH_LEASE_SECONDS", "PG")


@contextlib.contextmanager
def users_code() -> Iterator[None]:
    """Train a run: what its code does to the process ends with it, and so does a child that it forks."""
    before = _own_variables()
    with own_process(), unchanged_process():
        try:
            yield
        finally:
            for name in _own_variables().keys() - before.keys():
                del os.environ[name]
            os.environ.update(before)


@contextlib.contextmanager
def unchanged_process() -> Iterator[None]:
    """Put back the working folder, how numpy takes floating-point errors, what signals do, timers, and the streams.

    With numpy's errors raised the planner's own arithmetic would end a study, and with Ctrl-C ignored nothing would.
    Of the environment, variables that kdsearch reads come back where they are gone; others stay as the code has them.
    So do places of modules: kdsearch imports some of its own later, while what the code has added is for its helpers.
    """
    try:
        folder = os.getcwd()
    except OSError:
        folder = None
    main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in _SIGNALS} if main else {}
    timers = {timer: signal.getitimer(timer) for timer in _TIMERS} if main else {}
    begin = time.monotonic()
    variables = {name: value for name, value in os.environ.items() if name.startswith(_READ_HERE)}
    errors, streams = np.geterr(), (sys.stdout, sys.stderr)
    places, finders = list(sys.path), list(sys.meta_path)
    sys.stdout, sys.stderr = _lent(sys.stdout), _lent(sys.stderr)
    try:
        yield
    finally:
        _put_back_timers(timers, time.monotonic() - begin)
        np.seterr(**errors)
        sys.stdout, sys.stderr = streams
        sys.path.extend(place for place in places if place not in sys.path)
        sys.meta_path.extend(finder for finder in finders if finder not in sys.meta_path)
        for name, value in variables.items():
            os.environ.setdefault(name, value)
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        if folder is not None:
            with contextlib.suppress(OSError):
                os.chdir(folder)


def _put_back_timers(timers: Mapping[int, tuple[float, float]], passed: float) -> None:
    """Take away what a run has set, which would strike another one, and let go on what it has replaced."""
    for timer, (left, interval) in timers.items():
        now, every = signal.getitimer(timer)
        if left == 0 and now > 0:
            signal.signal(_TIMERS[timer], signal.SIG_IGN)  # it may strike before it is gone
            signal.setitimer(timer, 0)
        elif left > 0 and timer == signal.ITIMER_REAL and (every != interval or abs(now - (left - passed)) > 1):
            signal.setitimer(timer, max(left - passed, 0.001), interval)


def _own_variables() -> dict[str, str]:
    """The variables that say where kdsearch keeps what it has: a run that changes them would split it in two."""
    return {name: value for name, value in os.environ.items() if name.startswith(_PLACES)}


@contextlib.contextmanager
def output_as_errors() -> Iterator[None]:
    """Let what programs write to the standard output, such as one that ``os.system`` starts, go to standard error."""
    try:
        kept = os.dup(1)
    except OSError:  # there is none
        kept = None
    try:
        with contextlib.suppress(OSError):
            os.dup2(2, 1)
        yield
    finally:
        with contextlib.suppress(OSError):
            os.close(1)
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)


class _Lent:
    """A stream that a user's code may close, detach or wrap in another: the process goes on using it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def buffer(self) -> Any:
        """The bytes below, which a wrapper closes when it is deleted."""
        return _Lent(self._stream.buffer)

    def detach(self) -> Any:
        """The bytes below; they stay attached."""
        return self.buffer

    def close(self) -> None:
        """Write out what waits; the stream stays open."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def _lent(stream: Any) -> Any:
    return stream if stream is None or isinstance(stream, _Lent) else _Lent(stream)
