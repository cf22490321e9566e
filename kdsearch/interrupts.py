"""Ctrl-C at any moment: none is lost, and none leaves Python's import lock held.

Python raises ``KeyboardInterrupt`` between any two steps of the main thread. Within its import machinery the lock then
stays held, and every other thread that imports waits for ever; within the callback of a weak reference or a ``__del__``
it would be printed and forgotten.
"""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

_MACHINERY = "<frozen importlib"
_AGAIN_SECONDS = 0.02
_raised = False
_arming = False


@contextlib.contextmanager
def safe_interrupts() -> Iterator[None]:
    """Let Ctrl-C in this block wait for the step of an import, and for a callback in which Python would forget it.

    A handler of somebody else's stays in place.
    """
    global _raised
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    _raised = False
    usual = sys.unraisablehook

    def forgotten(unraisable: sys.UnraisableHookArgs) -> None:
        global _raised
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            _raised = False
            _put_off(signal.SIGINT)
        else:
            usual(unraisable)

    signal.signal(signal.SIGINT, _interrupt)
    sys.unraisablehook = forgotten
    try:
        yield
    finally:
        if sys.unraisablehook is forgotten:
            sys.unraisablehook = usual
        if signal.getsignal(signal.SIGINT) is _interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def raise_lost() -> None:
    """Raise ``KeyboardInterrupt`` where one was raised and something in between has swallowed it."""
    global _raised
    if _raised:
        _raised = False
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _raised
    if _arming:
        return  # this one comes while the one before is put off
    if frame is not None and frame.f_code.co_filename.startswith(_MACHINERY):
        _put_off(number)
        return
    _raised = True
    raise KeyboardInterrupt


def _put_off(number: int) -> None:
    """Send the signal once more in a moment."""
    global _arming
    _arming = True
    try:
        # Not by threading.Thread: its start waits for a lock, which the code that was interrupted may hold.
        _thread.start_new_thread(_send, (number,))
    finally:
        _arming = False


def _send(number: int) -> None:
    """To the main thread, which may wait by then: a signal to another one would not wake it."""
    time.sleep(_AGAIN_SECONDS)
    main = threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, number)
