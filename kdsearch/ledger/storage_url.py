"""The URL of a database: read, checked, and shown without any part of a password."""

from __future__ import annotations

import re

import sqlalchemy as sa
from psycopg2 import ProgrammingError
from psycopg2.extensions import make_dsn
from sqlalchemy.engine import URL, make_url

from kdsearch.errors import LedgerError
from kdsearch.texts import one_line

DRIVER = "postgresql+psycopg2"
_EXAMPLE = f"{DRIVER}://user@host/database"
_ESCAPES = "write @ as %40, / as %2F, : as %3A, ? as %3F, # as %23 and % as %25 in a user name or password"


def check_url(text: str) -> URL:
    """Parse a storage URL and refuse what is not Postgres over psycopg2.

    Raises ``LedgerError`` that repeats nothing of a URL but its scheme, and the name of an option: where it is
    malformed, any part of it may be of a password.
    """
    text = text.strip()
    scheme, separator, rest = text.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z0-9+_.-]+", scheme):
        plain = re.fullmatch(r"[A-Za-z0-9_./~-]+", text) is not None
        raise LedgerError(f"expected a URL such as {_EXAMPLE}, got {repr(text) if plain else 'another text'}")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if authority.count("@") > 1 or ("@" in rest and "@" not in authority):
        raise LedgerError(f"expected a URL such as {_EXAMPLE}, got one whose user or password is cut: {_ESCAPES}.")
    try:
        url = make_url(text)
    except (sa.exc.ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        raise LedgerError(
            f"expected a URL such as {_EXAMPLE}, got one of {scheme} that cannot be read: is the port a number? "
            f"If there is a password, {_ESCAPES}."
        ) from _without_text(error)
    if url.drivername in {"postgresql", "postgres"}:
        # SQLAlchemy 2.1 reads the bare name as psycopg 3, which is not installed.
        url = url.set(drivername=DRIVER)
    if url.drivername != DRIVER:
        raise LedgerError(f"kdsearch stores studies in Postgres alone: expected {_EXAMPLE}, got {url.drivername}://…")
    _check_options(url)
    return url


def _check_options(url: URL) -> None:
    """Refuse options that Postgres's client does not know, as URLs of other programs have."""
    for name in url.query.keys() - {"plugin"}:  # that one is SQLAlchemy's
        try:
            make_dsn(**{name: "x"})
        except (ProgrammingError, TypeError):
            # With a password among the options its & may have cut it.
            which = "an option" if any(map(_is_secret, url.query)) else f"the option {one_line(name)!r}"
            raise LedgerError(
                f"the URL has {which}, which Postgres's client does not know: leave it out. What it knows: sslmode, "
                f"host, options, connect_timeout and others of libpq. If it is of a password, {_ESCAPES} and & as %26."
            ) from None


def shown(url: URL) -> str:
    """The URL as text without secrets, those of its query among them."""
    query = {name: "***" if _is_secret(name) else value for name, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)


def has_secret(url: URL) -> bool:
    """Whether the URL holds a password in any form."""
    return bool(url.password) or any(_is_secret(name) for name in url.query)


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in ("pass", "secret", "token", "key"))


def _without_text(error: Exception) -> Exception:
    """The kind of an error whose text may hold the URL."""
    return ValueError(f"{type(error).__name__} while reading a URL")
