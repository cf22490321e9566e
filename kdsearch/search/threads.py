"""One thread for the linear algebra of a decision: its matrices are small, and the other cores train."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """Let the BLAS libraries that are loaded by now use one thread; as before at the end.

    With more, the threads of one 400 x 400 factorization wait for each other while workers hold the cores: 0.24 s
    instead of 0.001 on 2 busy cores. The limit is the process's: while one thread holds it, another's has no effect.
    """
    limit: AbstractContextManager[object] = _loaded().limit(limits=1, user_api="blas")
    return limit


@cache
def _loaded() -> ThreadpoolController:
    """Found once: looking through all libraries of a process takes milliseconds."""
    return ThreadpoolController()
