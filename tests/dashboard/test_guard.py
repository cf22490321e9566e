"""The dashboard answers whoever has its token, and no other user of the machine and no other page in a browser."""

from __future__ import annotations

import http.client
import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from support import declaration, toy_study

from kdsearch.dashboard import serve
from kdsearch.dashboard.guard import Guard
from kdsearch.engines.optuna_mirror import Mirror, optuna_storage
from kdsearch.errors import KdsearchError
from kdsearch.ledger.ledger import Ledger

TOKEN = "the-token"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        return


class Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True


@contextmanager
def served(app: Any) -> Iterator[int]:
    """Serve an application, or a guard around it, and yield its port."""
    with make_server("127.0.0.1", 0, app, Threaded, Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def echo(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    start("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}".encode()]


@pytest.fixture
def port() -> Iterator[int]:
    with make_server("127.0.0.1", 0, echo, Threaded, Quiet) as server:
        server.set_app(Guard(echo, token=TOKEN, port=server.server_port))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.headers


def cookie(port: int, token: str = TOKEN) -> str:
    return f"kdsearch_{port}={token}"


def test_the_printed_address_leaves_a_cookie_and_no_token_in_the_address(port: int) -> None:
    status, _, headers = ask(port, f"/dashboard?a=1&token={TOKEN}&b=%26")
    assert status == 303
    assert headers["Location"] == "/dashboard?a=1&b=%26"
    assert headers["Set-Cookie"] == f"{cookie(port)}; Path=/; HttpOnly; SameSite=Strict"
    assert ask(port, "/dashboard", Cookie=f"other=1; {cookie(port)}")[:2] == (200, "GET /dashboard")
    assert ask(port, "/api/studies/1", "DELETE", Cookie=cookie(port))[:2] == (200, "DELETE /api/studies/1")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_without_the_token_nobody_reads_or_changes_anything(port: int, method: str) -> None:
    """Other users of the machine reach the port as well."""
    for headers in ({}, {"Cookie": cookie(port, "guess")}, {"Cookie": "a;b=="}, {"Cookie": cookie(port + 1)}):
        assert ask(port, "/api/studies", method, **headers)[0] == 401
    assert ask(port, "/api/studies?token=guess", method)[0] == 401
    assert ask(port, "/api/studies?token=", method)[0] == 401


@pytest.mark.parametrize(
    "host", ["evil.test", "evil.test:8080", "127.0.0.1.evil.test", "localhost.evil.test", "[::1", ""]
)
def test_a_name_that_was_made_to_point_here_is_refused(port: int, host: str) -> None:
    """DNS rebinding: the page's own name resolves to this machine, and the browser takes us for its site."""
    assert ask(port, "/api/studies", Host=host, Cookie=cookie(port))[0] == 403
    assert ask(port, f"/dashboard?token={TOKEN}", Host=host)[0] == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1:9000", "[::1]:9000"])
def test_names_of_this_machine_are_taken_through_a_tunnel_too(port: int, host: str) -> None:
    assert ask(port, "/api/studies", Host=host, Cookie=cookie(port))[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.test", "http://127.0.0.1:1", "https://localhost", "null", ""])
def test_requests_of_other_sites_are_refused(port: int, origin: str) -> None:
    """Also of a page on another port of this machine, which shares our cookies."""
    assert ask(port, "/api/studies/1", "DELETE", Origin=origin, Cookie=cookie(port))[0] == 403
    own = f"http://127.0.0.1:{port}"
    assert ask(port, "/api/studies/1", "DELETE", Origin=own, Cookie=cookie(port))[0] == 200


@pytest.mark.parametrize("path", ["//evil.test/a", "/\\evil.test", "///evil.test"])
def test_the_way_in_leads_to_no_other_site(port: int, path: str) -> None:
    location = ask(port, f"{path}?token={TOKEN}")[2]["Location"]
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))


def test_a_token_that_no_address_can_hold_is_refused(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    for token in ("short", "with space in it", "semi;colon;token", "new\nline-token"):
        monkeypatch.setenv("KDSEARCH_DASHBOARD_TOKEN", token)
        with pytest.raises(KdsearchError, match="KDSEARCH_DASHBOARD_TOKEN: expected at least 8 letters"):
            serve(ledger, port=1)


def browse(address: str, folder: Path, *options: str) -> str:
    """The page as a real browser has it once its scripts have run."""
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command += ["--virtual-time-budget=6000", *options, "--dump-dom", address]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


ATTACK = """<html><body><pre id="found">waiting</pre><script>
const said = [];
async function strike() {
  const requests = [["GET", "/api/studies"], ["DELETE", "/api/studies/1"], ["POST", "/api/studies/1/note"]];
  for (const [method, path] of requests) {
    try {
      const answer = await fetch(TARGET + path, {method, credentials: "include", mode: MODE});
      said.push(method + " " + answer.status + " " + (await answer.text()).slice(0, 80));
    } catch (error) { said.push(method + " " + error.name); }
  }
  document.getElementById("found").textContent = said.join("\\n") + "\\nover";
}
strike();
</script></body></html>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")
def test_pages_of_other_sites_reach_nothing_in_a_real_browser(ledger: Ledger, tmp_path: Path) -> None:
    """A page on another port of this machine, and one whose name points here, in the browser that has the cookie."""
    study = toy_study()
    record, _ = ledger.open_study(declaration(study))
    Mirror(ledger, record).sync()
    from optuna_dashboard import wsgi

    storage = optuna_storage(ledger.database)
    with make_server("127.0.0.1", 0, echo, Threaded, Quiet) as server:
        port = server.server_port
        server.set_app(Guard(wsgi(storage), token=TOKEN, port=port))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = f"http://127.0.0.1:{port}"
        assert "Optuna Dashboard" in browse(f"{here}/dashboard?token={TOKEN}", tmp_path)

        def page(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            start("200 OK", [("Content-Type", "text/html")])
            mode = "no-cors" if environ["PATH_INFO"] == "/blind" else "cors"
            return [ATTACK.replace("TARGET", json.dumps(here)).replace("MODE", json.dumps(mode)).encode()]

        with served(page) as other:
            for path in ("open", "blind"):
                found = browse(f"http://127.0.0.1:{other}/{path}", tmp_path)
                assert "over" in found, found
                assert record.name not in found
                assert " 200" not in found
        rebound = "--host-resolver-rules=MAP evil.test 127.0.0.1"
        found = browse(f"http://evil.test:{port}/api/studies", tmp_path, rebound)
        assert "does not answer under that host name" in found
        server.shutdown()
    assert [summary.study_name for summary in storage.get_all_studies()] == [record.name]
