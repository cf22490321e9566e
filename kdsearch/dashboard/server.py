"""Serving Optuna's dashboard on this machine."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from typing_extensions import override

from kdsearch.dashboard.figures import begin, publish_all
from kdsearch.dashboard.first_trials import FirstTrials
from kdsearch.dashboard.guard import LOOPBACK, Guard
from kdsearch.engines.optuna_mirror import optuna_storage
from kdsearch.errors import KdsearchError
from kdsearch.ledger.ledger import Ledger
from kdsearch.texts import one_line

HOST = "127.0.0.1"
TOKEN = "KDSEARCH_DASHBOARD_TOKEN"
"""Environment variable of a token that stays the same; without it each start makes one."""

FIRST_PAGE_SECONDS = 2.0
"""What is done beside serving begins so much later: the first page goes first."""

REFRESH_SECONDS = 20.0
"""So often it is looked which studies have new runs; their figures and notes are drawn anew."""


class _Quiet(WSGIRequestHandler):
    @override
    def log_message(self, format: str, *args: object) -> None:
        return


def serve(ledger: Ledger, *, port: int, folder: Path = Path("dashboards"), host: str = HOST) -> None:
    """Serve all studies until Ctrl-C, with the figures of ``folder`` and notes, which are kept up to date.

    Before the first page of each study the best configurations are mirrored; the rest and the figures follow beside
    serving, and again whenever runs have ended.
    ``host``: the address to listen on. Optuna's dashboard has no login: :class:`~kdsearch.dashboard.guard.Guard` asks
    for the token of the address that is printed.
    """
    from optuna_dashboard import wsgi

    studies = ledger.studies()
    for sentence in begin(ledger, studies):
        print(sentence, flush=True)
    token = os.environ.get(TOKEN) or secrets.token_urlsafe(24)
    if not re.fullmatch(r"[A-Za-z0-9._~-]{8,}", token):
        raise KdsearchError(f"{TOKEN}: expected at least 8 letters, digits or characters of ._~-, for an address")
    own = host in LOOPBACK
    app = Guard(
        wsgi(optuna_storage(ledger.database, FirstTrials)), token=token, port=port, hosts=LOOPBACK if own else None
    )
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
    ended = threading.Event()
    threading.Thread(target=_keep_up, args=(ledger, folder, ended), daemon=True).start()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        ended.set()
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


def _keep_up(ledger: Ledger, folder: Path, ended: threading.Event) -> None:
    """Mirror and draw all studies, the newest first, and again each that has changed since.

    What goes wrong is said once, and ends nothing: the others come all the same.
    """
    drawn: dict[int, tuple[object, ...]] = {}
    told: set[str] = set()
    pause = FIRST_PAGE_SECONDS
    while not ended.wait(pause):
        pause = REFRESH_SECONDS
        try:
            records = sorted(ledger.studies(), key=lambda record: record.id, reverse=True)
        except Exception as error:
            _tell(f"the studies cannot be read: {one_line(str(error))}", told)
            continue
        for record in records:
            if ended.is_set():
                return
            try:
                state = record.phase, record.winner_id, ledger.ended_runs(record.id)
                if drawn.get(record.id) == state:
                    continue
                for sentence in publish_all(ledger, folder, [record]):
                    _tell(sentence, told)
                drawn[record.id] = state
            except Exception as error:
                _tell(f"{one_line(record.name)} is not up to date: {one_line(str(error))}", told)


def _tell(sentence: str, told: set[str]) -> None:
    if sentence not in told:
        told.add(sentence)
        print(sentence, flush=True)


class _Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _ThreadedV6(_Threaded):
    address_family = socket.AF_INET6
