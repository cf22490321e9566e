"""The suite of faults: the worst of them in every run of the tests, all of them with ``--faults all``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faults.harness import Short


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat each fault as often as ``--fault-repeats`` says."""
    repeats = metafunc.config.getoption("--fault-repeats")
    if repeats > 1:
        metafunc.fixturenames.append("repeat")
        metafunc.parametrize("repeat", range(repeats))


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Callable[..., Short]]:
    """Makes a study of short runs; its database is stopped at the end."""
    made: list[Short] = []

    def make(body: str = "", options: str = "", **fields: object) -> Short:
        made.append(Short(tmp_path / "study", body, options, **fields))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for study in made:
        study.close()
