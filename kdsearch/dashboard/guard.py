"""Who may use the dashboard: whoever has its token, from the dashboard's own pages, under this machine's name."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

Start = Callable[..., Any]
App = Callable[[dict[str, Any], Start], Iterable[bytes]]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
PARAMETER = "token"


class Guard:
    """A WSGI application in front of another one, which has no login and lets everybody delete studies.

    ``hosts``: names under which it answers, ``None`` for any. A page elsewhere, whose name was made to point here (DNS
    rebinding), sends another one. ``token``: it comes with the first address and stays as a cookie that scripts and
    other sites' requests do not have; it keeps out other users of this machine, who reach the port too. A request whose
    ``Origin`` is not the address that it goes to comes from another site and is refused.
    """

    def __init__(self, app: App, *, token: str, port: int, hosts: Iterable[str] | None = LOOPBACK) -> None:
        self._app = app
        self._token = token
        self._cookie = f"kdsearch_{port}"  # cookies of one host are shared by all ports
        self._hosts = None if hosts is None else frozenset(host.lower() for host in hosts)

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answer a request, or let the application answer it."""
        host = environ.get("HTTP_HOST", "")
        if self._hosts is not None and _hostname(host) not in self._hosts:
            return _refused(start, "403 Forbidden", "This dashboard does not answer under that host name.")
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and origin.lower().partition("://")[2] != host.lower():
            return _refused(start, "403 Forbidden", "This dashboard takes no requests from other sites.")
        query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        if environ.get("REQUEST_METHOD") == "GET" and any(name == PARAMETER for name, _ in query):
            return self._enter(environ, query, start)
        if not self._knows(self._sent(environ)):
            words = "This dashboard needs the token of the address that kdsearch dashboard printed. Open that address."
            return _refused(start, "401 Unauthorized", words)
        return self._app(environ, start)

    def _enter(self, environ: dict[str, Any], query: list[tuple[str, str]], start: Start) -> Iterable[bytes]:
        """Take the token as a cookie, and go to the same address without it: it stays in no history."""
        if not self._knows(next(value for name, value in query if name == PARAMETER)):
            return _refused(start, "401 Unauthorized", "This is not the token of this dashboard: it was started anew.")
        rest = urlencode([pair for pair in query if pair[0] != PARAMETER])
        # The path alone, with one slash: two at its beginning would name another host.
        path = "/" + environ.get("PATH_INFO", "").lstrip("/\\").replace("\r", "").replace("\n", "")
        cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
        start("303 See Other", [("Location", path + (f"?{rest}" if rest else "")), ("Set-Cookie", cookie)])
        return [b""]

    def _sent(self, environ: dict[str, Any]) -> str:
        try:
            found = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(self._cookie)
        except CookieError:
            return ""
        return "" if found is None else found.value

    def _knows(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode())


def _hostname(host: str) -> str:
    """The name of a ``Host`` header without its port; empty where it cannot be read."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _refused(start: Start, status: str, words: str) -> Iterable[bytes]:
    body = f"{words}\n".encode()
    start(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]
