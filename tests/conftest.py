"""A real PostgreSQL for the whole session; each test that asks for a ledger gets a database of its own."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from kdsearch.ledger import embedded
from kdsearch.ledger.ledger import Ledger

_numbers = itertools.count()


@pytest.fixture(scope="session")
def tmp_path_factory(tmp_path_factory: pytest.TempPathFactory) -> pytest.TempPathFactory:
    """Folders of tests that the account of PostgreSQL may pass through where the tests run as root."""
    if os.geteuid() == 0:
        make = tmp_path_factory.mktemp

        def mktemp(basename: str, numbered: bool = True) -> Path:
            path = make(basename, numbered)
            path.chmod(0o711)
            return path

        tmp_path_factory.mktemp = mktemp  # type: ignore[method-assign]
        base = tmp_path_factory.getbasetemp()
        for path in (base, *base.parents):
            if path != Path(tempfile.gettempdir()) and path.is_relative_to(tempfile.gettempdir()):
                path.chmod(0o711)
    return tmp_path_factory


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an embedded PostgreSQL that is stopped when the session ends."""
    folder: Path = tmp_path_factory.mktemp("server") / "postgres"
    yield embedded.start(folder)
    embedded.stop(folder)


@pytest.fixture
def database_url(server: str) -> Iterator[str]:
    """URL of a new, empty database."""
    name = f"test{next(_numbers)}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield server.replace("/postgres?", f"/{name}?")
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``KDSEARCH_HOME`` of the test's own, with short leases."""
    folder = tmp_path / "home"
    monkeypatch.setenv("KDSEARCH_HOME", str(folder))
    monkeypatch.delenv("KDSEARCH_STORAGE", raising=False)
    return folder


@pytest.fixture
def ledger(database_url: str, home: Path) -> Iterator[Ledger]:
    """A ledger on an empty database."""
    opened = Ledger.connect(database_url)
    yield opened
    opened.database.dispose()


_LONG = ("test_docs.py", "test_kills.py", "test_image_studies.py", "test_commands.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the suite of faults, which takes longer than all other tests."""
    parser.addoption("--faults", choices=("worst", "all"), default="worst", help="which tests of tests/faults to run")
    parser.addoption("--fault-repeats", type=int, default=1, help="how often each test of tests/faults is run")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first: begun last, one of them would keep one process busy while the others have nothing."""
    if config.getoption("--faults") == "worst":
        faults = Path(__file__).parent / "faults"  # not any folder of that name above the project
        left = [item for item in items if faults in item.path.parents and item.get_closest_marker("worst") is None]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
    items.sort(key=lambda item: _LONG.index(item.path.name) if item.path.name in _LONG else len(_LONG))
