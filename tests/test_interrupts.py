"""Ctrl-C: never within a step of the import machinery, never lost, and a handler of somebody else's is left alone."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from kdsearch.engines.coordinator import Coordinator
from kdsearch.interrupts import raise_lost, safe_interrupts

STEP = "import signal\nsignal.raise_signal(signal.SIGINT)\ndone.append('step')\n"


@pytest.fixture(autouse=True)
def _pythons_own_handler() -> Iterator[None]:
    """Whoever runs the tests may ignore Ctrl-C (nohup, a background job)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def in_machinery(done: list[str]) -> None:
    """A step of the import machinery during which Ctrl-C is pressed."""
    exec(compile(STEP, "<frozen importlib._bootstrap>", "exec"), {"done": done})


def test_a_step_of_an_import_is_completed_first() -> None:
    done: list[str] = []

    def import_slowly() -> None:
        with safe_interrupts():
            in_machinery(done)
            done.append("after")
            time.sleep(30)
            done.append("never")

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        import_slowly()
    assert done == ["step", "after"]
    assert time.monotonic() - begin < 20, "it wakes a thread that waits"


def test_a_second_one_while_the_first_is_put_off_leaves_the_step_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    start = threading.Timer.start

    def pressed_again(timer: threading.Timer) -> None:
        signal.raise_signal(signal.SIGINT)
        start(timer)

    monkeypatch.setattr(threading.Timer, "start", pressed_again)

    def import_slowly() -> None:
        with safe_interrupts():
            in_machinery(done)
            time.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        import_slowly()
    assert done == ["step"]


def test_without_it_the_step_is_left_half_done() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        in_machinery(done)
    assert not done


def test_elsewhere_it_strikes_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), safe_interrupts():
        signal.raise_signal(signal.SIGINT)


class Thing:
    pass


class Dying(Thing):
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("kind", [Thing, Dying], ids=["callback", "del"])
def test_one_that_python_would_forget_comes_a_moment_later(kind: type[Thing], capfd: Any) -> None:
    def strike(_: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    def drop_and_wait() -> None:
        with safe_interrupts():
            thing = kind()
            reference = weakref.ref(thing, strike) if kind is Thing else None
            del thing
            done.append(reference)
            time.sleep(30)

    done: list[Any] = []
    with pytest.raises(KeyboardInterrupt):
        drop_and_wait()
    assert len(done) == 1, "it does not strike within"
    assert capfd.readouterr().err == ""
    with safe_interrupts():
        raise_lost()  # it has been told


def test_what_else_python_cannot_raise_is_printed_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __del__(self) -> None:
            raise ValueError("in the end")

    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(unraisable.exc_value))
    usual = sys.unraisablehook
    with safe_interrupts():
        Broken()
    assert [str(error) for error in told] == ["in the end"]
    assert sys.unraisablehook is usual


def test_one_that_was_swallowed_is_raised_by_the_next_round() -> None:
    with safe_interrupts():
        with contextlib.suppress(BaseException):  # as in code of others
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            Coordinator.tick(object())  # type: ignore[arg-type]  # before it touches anything
        raise_lost()  # once only


def test_one_that_ended_an_earlier_block_is_not_raised_again() -> None:
    with pytest.raises(KeyboardInterrupt), safe_interrupts():
        signal.raise_signal(signal.SIGINT)
    with safe_interrupts():
        raise_lost()


def test_a_handler_of_somebody_else_stays() -> None:
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
    try:
        with safe_interrupts():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert asked == [signal.SIGINT]


def test_pythons_own_handler_comes_back() -> None:
    with safe_interrupts():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_than_the_main_one_is_let_alone() -> None:
    def inside() -> None:
        with safe_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    seen: list[object] = []
    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
