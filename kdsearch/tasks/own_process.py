"""A run in its own process: a child that the run forks ends by itself and never speaks for the run."""

from __future__ import annotations

import contextlib
import os
import sys
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
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if error.code is not None and not isinstance(error.code, int):
            print(error.code, file=sys.stderr)
    elif error is not None:
        code = 1
        traceback.print_exception(error)
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code & 0xFF)
