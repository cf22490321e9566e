"""URLs of databases: what is refused, and that no part of a password is ever shown, whatever the form of the URL."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from pathlib import Path

import pytest
from support import run_program

from kdsearch import environment
from kdsearch.errors import KdsearchError, LedgerError
from kdsearch.ledger.database import Database
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.storage_url import check_url, has_secret, shown

SECRET = ("hunter", "s3cr3t", "zwölf")


def parts_of_password(text: str) -> list[str]:
    return [part for part in SECRET if part in text]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg2//me:hunter@host/db",
        "postgresql+psycopg2:me:hunter@host/db",
        "postgresql+psycopg2://me:hunter@s3cr3t@host/db",
        "postgresql+psycopg2://me:hunter/s3cr3t@host/db",
        "postgresql+psycopg2://me:hunter?s3cr3t@host/db",
        "postgresql+psycopg2://me:hunter#s3cr3t@host/db",
        "postgresql+psycopg2://me:hunter:s3cr3t",
        "postgresql+psycopg2://host:hunter/db",
        "postgresql+psycopg2://me:hunter@host:s3cr3t/db",
        "mysql://me:hunter@host/db",
        "me:hunter@host/db",
        "hunter s3cr3t",
        "://me:hunter@host",
        "postgresql+psycopg2://me:hunter@[::1/db",
        "postgresql+psycopg2://me:zwölf@ho st:x/db",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(LedgerError) as refused:
        check_url(url)
    chain: list[str] = []
    error: BaseException | None = refused.value
    while error is not None:
        chain.append(str(error))
        error = error.__cause__
    assert parts_of_password("\n".join(chain)) == []
    assert "postgresql+psycopg2://user@host/database" in chain[0]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg2://me:hunter@127.0.0.1:1/db",
        "postgresql+psycopg2://me:hunter%40s3cr3t@127.0.0.1:1/db",
        "postgresql+psycopg2://me:hunter:s3cr3t@127.0.0.1:1/db",
        "postgresql+psycopg2://me@127.0.0.1:1/db?password=hunter",
        "postgresql+psycopg2://me@127.0.0.1:1/db?sslpassword=hunter&sslmode=prefer",
        "postgresql+psycopg2:///db?user=me&password=hunter&host=127.0.0.1&port=1",
        "postgresql+psycopg2://me:zw%C3%B6lf@127.0.0.1:1/db",
        "  postgresql://me:hunter@127.0.0.1:1/db\n",
    ],
)
def test_a_server_that_cannot_be_reached_is_named_without_the_password(url: str) -> None:
    checked = check_url(url)
    assert has_secret(checked)
    assert parts_of_password(shown(checked)) == []
    with pytest.raises(LedgerError) as refused:
        Ledger.connect(url, patience=0.1)
    assert parts_of_password(str(refused.value)) == []
    assert "127.0.0.1" in str(refused.value)


def test_a_url_without_a_secret_has_none() -> None:
    assert not has_secret(check_url("postgresql+psycopg2://me@host/db?sslmode=require"))


def test_a_file_holds_the_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    """Then it stands in no command line, which every user of the machine can read."""
    file = tmp_path / "url"
    file.write_text(f"{database_url}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KDSEARCH_STORAGE", "@url")
    environment.pin()  # as a command does before it reads a study file
    monkeypatch.chdir("/")
    assert environment.storage_url() == database_url, "a relative file is that of the first folder"
    database = Database(f"@{file}")
    database.check()
    database.dispose()


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), ("", "the file is empty"), (" \n", "empty")])
def test_a_file_without_a_url_is_said(tmp_path: Path, content: str | None, words: str) -> None:
    file = tmp_path / "url"
    if content is not None:
        file.write_text(content)
    with pytest.raises(KdsearchError, match=words):
        environment.storage_url(f"@{file}")


@pytest.mark.slow
def test_the_program_shows_no_password_in_output_or_files(tmp_path: Path) -> None:
    """The URL goes to workers by the environment, which only its owner reads; what they write is his alone too."""
    url = "postgresql+psycopg2://me:hunter@127.0.0.1:1/db"
    for command in (("list",), ("db", "url"), ("doctor",), ("report", "x"), ("launch", "none.py")):
        code, output = run_program(*command, home=tmp_path / "home", KDSEARCH_STORAGE=url)
        assert code != 0
        assert parts_of_password(output) == [], command


def test_new_folders_of_the_home_are_the_owners_alone(home: Path) -> None:
    old = os.umask(0)
    try:
        assert stat.S_IMODE(environment.home().stat().st_mode) in (0o700, 0o711)
        for name in ("logs", "runs", "artifacts"):
            (home / name).mkdir(mode=0o755)  # of an older version
            assert stat.S_IMODE(environment.folder(name).stat().st_mode) == 0o700
        assert stat.S_IMODE(environment.folder("runs", "a", "b").stat().st_mode) == 0o700
    finally:
        os.umask(old)


def test_a_folder_that_others_remove_meanwhile_is_made_all_the_same(home: Path) -> None:
    """The last run of a study removes the study's folder; another worker may be making its own in it."""
    over = threading.Event()

    def remove() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                (home / "runs" / "study").rmdir()
            time.sleep(0.0005)

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        for number in range(300):
            folder = environment.folder("runs", "study", str(number))
            assert folder.is_dir()
            folder.rmdir()
    finally:
        over.set()
        remover.join()


def test_a_home_that_was_there_keeps_its_mode(home: Path) -> None:
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    environment.home()
    assert stat.S_IMODE(home.stat().st_mode) == 0o755


def test_a_relative_home_stays_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that changes the folder would begin a second home there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KDSEARCH_HOME", "mine")
    monkeypatch.setenv("KDSEARCH_DATA", "data")
    assert environment.home() == tmp_path / "mine"
    assert environment.data_root() == tmp_path / "data"
    monkeypatch.chdir("/")
    assert environment.home() == tmp_path / "mine"
    assert environment.data_root() == tmp_path / "data"


@pytest.mark.parametrize("option", ["schema=public", "pool_size=5", "%0Ax=1", "sslmode=require&prepareThreshold=0"])
def test_an_option_that_postgres_does_not_know_is_refused_by_its_name(option: str) -> None:
    with pytest.raises(
        LedgerError, match=r"the URL has the option '.*', which Postgres's client does not know"
    ) as raised:
        check_url(f"postgresql://me:hunter@host/db?{option}")
    assert parts_of_password(str(raised.value)) == []
    assert "\n" not in str(raised.value)
    with pytest.raises(LedgerError, match=r"the URL has an option, which Postgres's client does not know") as raised:
        check_url("postgresql://me@host/db?password=a&hunter=b")
    assert parts_of_password(str(raised.value)) == []
    assert check_url("postgresql://host/db?sslmode=require&connect_timeout=3").query["sslmode"] == "require"
