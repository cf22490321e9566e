"""One thread for the linear algebra of decisions: their matrices are small, and the other cores train."""

from __future__ import annotations

from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def one_thread() -> None:
    """Let the BLAS libraries that are loaded by now use one thread, from here on in this process.

    With more, the threads of one 400 x 400 factorization wait for each other while workers hold the cores: 0.24 s
    instead of 0.001 on 2 busy cores. For good, because the limit is the process's: given back by one thread, it would
    be lost to another that decides. Who decides trains nothing, or on one thread too (the debug engine).
    """
    ThreadpoolController().limit(limits=1, user_api="blas")
