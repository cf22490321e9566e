"""What a user's code changes in the process while its file is read, and is put back: it meant its own runs."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

import numpy as np

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def unchanged_process() -> Iterator[None]:
    """Put back the working folder, how numpy takes floating-point errors, and what Ctrl-C and a stop do.

    With numpy's errors raised the planner's own arithmetic would end a study, and with Ctrl-C ignored nothing would.
    """
    try:
        folder = os.getcwd()
    except OSError:
        folder = None
    main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in _SIGNALS} if main else {}
    streams = sys.stdout, sys.stderr
    errors = np.geterr()
    try:
        yield
    finally:
        np.seterr(**errors)
        sys.stdout, sys.stderr = streams
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        if folder is not None:
            with contextlib.suppress(OSError):
                os.chdir(folder)
