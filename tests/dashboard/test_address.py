"""The address that ``kdsearch dashboard`` prints can be opened, whatever it listens on."""

from __future__ import annotations

import http.client
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support import program


def free_port(family: socket.AddressFamily, host: str) -> int:
    try:
        with socket.socket(family) as free:
            free.bind((host, 0))
            return int(free.getsockname()[1])
    except OSError:
        pytest.skip(f"this machine has no address {host}")


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "::", "::1"])
def test_the_printed_address_lets_its_reader_in(home: Path, database_url: str, host: str) -> None:
    if host == "::":
        free_port(socket.AF_INET6, "::1")  # by which it is reached
    port = free_port(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    server = program(
        "dashboard", "--host", host, "--port", str(port), home=home, KDSEARCH_STORAGE=database_url, PYTHONUNBUFFERED="1"
    )
    try:
        assert server.stdout is not None
        printed = [server.stdout.readline()]
        if host in ("0.0.0.0", "::"):
            printed += [server.stdout.readline() for _ in range(2)]
            assert f"http://{socket.gethostname()}:{port}/dashboard?token=" in printed[2]
        address = urlsplit(re.findall(r"http://\S+", printed[0])[0])
        assert address.hostname in ("127.0.0.1", "::1")
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
        connection.request("GET", f"{address.path}?{address.query}", headers={"Host": address.netloc})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Location"]) == (303, "/dashboard"), printed
    finally:
        server.kill()
        server.communicate()
