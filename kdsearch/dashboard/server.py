"""Serving Optuna's dashboard on this machine."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from typing_extensions import override

from kdsearch.dashboard.figures import publish_all
from kdsearch.dashboard.guard import LOOPBACK, Guard
from kdsearch.engines.optuna_mirror import optuna_storage
from kdsearch.errors import KdsearchError
from kdsearch.ledger.ledger import Ledger

HOST = "127.0.0.1"
TOKEN = "KDSEARCH_DASHBOARD_TOKEN"
"""Environment variable of a token that stays the same; without it each start makes one."""


class _Quiet(WSGIRequestHandler):
    @override
    def log_message(self, format: str, *args: object) -> None:
        return


def serve(ledger: Ledger, *, port: int, folder: Path = Path("dashboards"), host: str = HOST) -> None:
    """Mirror all studies, publish the figures of ``folder`` and serve until Ctrl-C.

    ``host``: the address to listen on. Optuna's dashboard has no login: :class:`~kdsearch.dashboard.guard.Guard` asks
    for the token of the address that is printed.
    """
    from optuna_dashboard import wsgi

    for sentence in publish_all(ledger, folder):
        print(sentence, flush=True)
    token = os.environ.get(TOKEN) or secrets.token_urlsafe(24)
    if not re.fullmatch(r"[A-Za-z0-9._~-]{8,}", token):
        raise KdsearchError(f"{TOKEN}: expected at least 8 letters, digits or characters of ._~-, for an address")
    own = host in LOOPBACK
    app = Guard(wsgi(optuna_storage(ledger.database)), token=token, port=port, hosts=LOOPBACK if own else None)
    try:
        server = make_server(host, port, app, _ThreadedV6 if ":" in host else _Threaded, _Quiet)
    except OSError as error:
        raise KdsearchError(f"port {port} of {host} cannot be served: {error}. Name another with --port.") from error
    here, elsewhere = _names(host)
    print(f"Optuna dashboard: http://{here}:{port}/dashboard?token={token} (Ctrl-C ends it)", flush=True)
    if not own:
        print("It is reached from other machines, and what it sends is not encrypted.", flush=True)
    if elsewhere != here:
        print(f"From other machines: http://{elsewhere}:{port}/dashboard?token={token}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


def _names(host: str) -> tuple[str, str]:
    """The name by which a browser on this machine reaches an address that is listened on, and that for other machines.

    ``0.0.0.0``, ``::`` and no name at all stand for all addresses of this machine and are the name of none.
    """
    try:
        address = ipaddress.ip_address(host or "0.0.0.0")
    except ValueError:
        return host, host
    if address.is_unspecified:
        return ("127.0.0.1" if address.version == 4 else "[::1]"), socket.gethostname()
    name = str(address) if address.version == 4 else f"[{address}]"
    return name, name


class _Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _ThreadedV6(_Threaded):
    address_family = socket.AF_INET6
