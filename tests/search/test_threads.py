"""Decisions hold the linear algebra to one thread, and give the others back."""

from __future__ import annotations

import contextlib

import scipy.linalg  # noqa: F401  its own BLAS is loaded before anyone looks
from threadpoolctl import threadpool_info
from threadpoolctl import threadpool_limits

from kdsearch.search.threads import one_thread


def counts() -> set[int]:
    """Threads of each BLAS library in this process."""
    return {row["num_threads"] for row in threadpool_info() if row["user_api"] == "blas"}


def test_one_thread_inside_and_as_before_outside() -> None:
    with threadpool_limits(3, "blas"):
        with one_thread():
            assert counts() == {1}
            with one_thread():
                assert counts() == {1}
            assert counts() == {1}, "the outer caller is not done"
        assert counts() == {3}


def test_an_error_inside_gives_them_back_too() -> None:
    with threadpool_limits(3, "blas"):
        with contextlib.suppress(ValueError), one_thread():
            raise ValueError
        assert counts() == {3}
