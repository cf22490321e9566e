"""Serving Optuna's dashboard on this machine."""

from __future__ import annotations

from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from typing_extensions import override

from kdsearch.dashboard.figures import publish
from kdsearch.engines.optuna_mirror import Mirror, optuna_storage
from kdsearch.errors import KdsearchError
from kdsearch.ledger.ledger import Ledger

HOST = "127.0.0.1"  # Optuna's dashboard has no login: other machines reach it through ssh, not through us


class _Quiet(WSGIRequestHandler):
    @override
    def log_message(self, format: str, *args: object) -> None:
        return


def serve(ledger: Ledger, *, port: int, folder: Path = Path("dashboards")) -> None:
    """Mirror all studies, publish the figures of ``folder`` and serve until Ctrl-C."""
    from optuna_dashboard import wsgi

    for record in ledger.studies():
        Mirror(ledger, record).sync()
        if folder.is_dir():
            publish(ledger, record, folder)
    try:
        server = make_server(HOST, port, wsgi(optuna_storage(ledger.database)), _Threaded, _Quiet)
    except OSError as error:
        raise KdsearchError(f"port {port} of {HOST} cannot be served: {error}. Name another with --port.") from error
    print(f"Optuna dashboard: http://{HOST}:{port}/dashboard (Ctrl-C ends it)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


class _Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True
