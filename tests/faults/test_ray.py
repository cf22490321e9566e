"""Faults that strike a study on a Ray cluster of two nodes: after each the table is that of an undisturbed launch."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from network import HERE, THERE, machine
from ray_nodes import Nodes, ray_nodes
from support import wait_for

from faults.harness import LEASE_SECONDS, Short, check
from faults.servers import TcpServer

pytestmark = pytest.mark.timeout(400)


class Cable(threading.Thread):
    """A way to the server that can be cut: while it is, nothing passes and nobody is told."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.whole = threading.Event()
        self.whole.set()
        self.start()

    def run(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                self.whole.wait()
                far = socket.create_connection(("127.0.0.1", self.target))
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                self.whole.wait()
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TcpServer]:
    server = TcpServer(tmp_path / "pg")
    yield server
    server.stop()


@pytest.fixture
def cable(server: TcpServer) -> Iterator[Cable]:
    cable = Cable(server.port)
    yield cable
    cable.whole.set()
    cable.listener.close()


@pytest.fixture
def nodes(tmp_path: Path, server: TcpServer, cable: Cable) -> Iterator[Nodes]:
    """Node 2 reaches the database by the cable."""
    environment = {"SHORT_MARKS": str(tmp_path / "study"), "KDSEARCH_LEASE_SECONDS": str(LEASE_SECONDS)}
    with ray_nodes(tmp_path / "nodes", "node1", environment=environment) as nodes:
        nodes.add("node2", KDSEARCH_STORAGE=server.url.replace(f":{server.port}/", f":{cable.port}/"))
        yield nodes


@pytest.fixture
def study(short: Callable[..., Short], server: TcpServer) -> Short:
    return short(runs=80, storage=server.url, environment={"SHORT_SECONDS": "0.4"})


def launched(study: Short, nodes: Nodes) -> subprocess.Popen[str]:
    """Launch it on the cluster, and return once both nodes train."""
    launcher = study.start("--engine", "ray", "--address", nodes.address, workers=4)
    places = "SELECT DISTINCT data ->> 'node' FROM kdsearch.event WHERE kind = 'worker'"
    both = "workers on both nodes"
    wait_for(lambda: len(study.query(places)) == 2 or launcher.poll() is not None, seconds=180, what=both)
    study.wait(10)
    assert launcher.poll() is None, launcher.communicate()
    return launcher


def workers_on(nodes: Nodes, name: str) -> list[psutil.Process]:
    """The worker processes of a node."""
    home = f"KDSEARCH_HOME={nodes.home(name)}"
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if "worker_process" in " ".join(process.cmdline()):
                environment = Path(f"/proc/{process.pid}/environ").read_bytes().decode(errors="replace")
                if home in environment.split("\0"):
                    found.append(process)
    return found


def test_a_worker_is_killed(study: Short, nodes: Nodes) -> None:
    launcher = launched(study, nodes)
    workers_on(nodes, "node2")[0].kill()
    output = check(study, launcher, launches=0)
    assert "is queued again" in output or study.count("attempt > 1")


def test_a_node_is_killed(study: Short, nodes: Nodes) -> None:
    launcher = launched(study, nodes)
    nodes.kill("node2")
    check(study, launcher, launches=0)


def test_a_node_is_killed_and_another_joins(short: Callable[..., Short], server: TcpServer, nodes: Nodes) -> None:
    """The study is long enough for the new node to begin."""
    study = short(runs=300, storage=server.url, environment={"SHORT_SECONDS": "0.4"})
    launcher = launched(study, nodes)
    nodes.kill("node2")
    nodes.add("node3")
    at_work = "SELECT 1 FROM kdsearch.event WHERE data ->> 'node' = 'node3'"
    wait_for(lambda: study.query(at_work) or launcher.poll() is not None, seconds=120, what="node 3 at work")
    assert launcher.poll() is None, "it ended before the node joined"
    check(study, launcher, launches=0)


def test_the_head_is_killed_and_the_study_ends_on_this_machine(study: Short, nodes: Nodes) -> None:
    launcher = launched(study, nodes)
    for process in nodes.cluster.head_node.all_processes.values():
        for info in process:
            with suppress(ProcessLookupError):
                os.kill(info.process.pid, signal.SIGKILL)
    launcher.send_signal(signal.SIGINT)
    launcher.communicate(timeout=120)
    check(study)


def test_the_launcher_is_killed_and_the_next_one_joins_the_cluster(study: Short, nodes: Nodes) -> None:
    launcher = launched(study, nodes)
    launcher.kill()
    launcher.communicate()
    again = study.start("--engine", "ray", "--address", nodes.address, workers=4)
    check(study, again, launches=0)


def test_a_node_does_not_reach_the_database_for_a_minute(study: Short, nodes: Nodes, cable: Cable) -> None:
    launcher = launched(study, nodes)
    cable.whole.clear()
    time.sleep(60)
    cable.whole.set()
    check(study, launcher, launches=0)


@pytest.mark.parametrize("cut", ["the database", "everything"])
def test_a_machine_does_not_reach(short: Callable[..., Short], server: TcpServer, tmp_path: Path, cut: str) -> None:
    """Node 2 has a network of its own: for a minute all answers of the database are lost, or it is alone.

    A result that it has sent by then counts in the first case: its answer alone is lost.
    """
    environment = {"SHORT_MARKS": str(tmp_path / "study"), "KDSEARCH_LEASE_SECONDS": str(LEASE_SECONDS)}
    with machine() as other:
        server.listen_on(HERE, f"{HERE}/24")
        near = server.url.replace("@127.0.0.1", f"@{HERE}")
        study = short(runs=80, storage=near, environment={"SHORT_SECONDS": "0.4"})
        with ray_nodes(tmp_path / "nodes", "node1", environment=environment, ip=HERE) as nodes:
            start = ["start", "--block", "--address", nodes.address, "--node-ip-address", THERE, "--num-cpus", "2"]
            command = [sys.executable, "-m", "ray.scripts.scripts", *start, "--node-name", "node2"]
            node = other.start(command, {**nodes.variables("node2"), "KDSEARCH_STORAGE": near})
            try:
                launcher = launched(study, nodes)
                its = f"worker LIKE '{other.name}%'"
                wait_for(lambda: study.count(f"state = 'leased' AND {its}"), what="a run that it holds")
                with other.cut_off(server.port if cut == "the database" else None):
                    held = study.count(f"state = 'leased' AND {its}")
                    time.sleep(60)
                    assert study.count(f"state = 'leased' AND {its}") == 0, "nothing is left with it"
                check(study, launcher, launches=0)
                if cut == "everything":
                    assert held, "it was cut off between two runs"
                    assert study.count("attempt > 1") >= held, "others took what the node held"
            finally:
                node.terminate()
                node.wait(30)


def test_ctrl_c_hands_back_the_runs_of_all_nodes(study: Short, nodes: Nodes) -> None:
    launcher = launched(study, nodes)
    launcher.send_signal(signal.SIGINT)
    output, _ = launcher.communicate(timeout=90)
    assert launcher.returncode == 130, output
    assert study.count("state = 'leased'") == 0, output
    assert not workers_on(nodes, "node1") + workers_on(nodes, "node2")
    check(study)


def test_a_launcher_that_is_told_to_end_hands_back_the_runs_of_all_nodes(study: Short, nodes: Nodes) -> None:
    launcher = launched(study, nodes)
    launcher.terminate()
    output, _ = launcher.communicate(timeout=90)
    assert launcher.returncode not in (0, None), output
    assert "Traceback" not in output
    wait_for(lambda: not workers_on(nodes, "node1") + workers_on(nodes, "node2"), what="the end of the workers")
    assert study.count("state = 'leased'") == 0, output
    assert study.count("losses + failures > 0") == 0, "handed back, not lost"
    check(study)


def test_what_began_locally_is_ended_on_ray_and_status_names_the_nodes(study: Short, nodes: Nodes) -> None:
    local = study.start(workers=2)
    study.wait(6)
    local.terminate()
    local.communicate(timeout=60)
    assert 6 <= study.count("state = 'done'") < 80
    launcher = study.start("--engine", "ray", "--address", nodes.address, workers=4)
    told: set[str] = set()

    def both_at_work() -> bool:
        _, output = study.kdsearch("status", str(study.file))
        told.update(line.partition(":")[0].strip() for line in output.splitlines() if line.startswith("  node"))
        return told == {"node1, cpu", "node2, cpu"} or launcher.poll() is not None

    wait_for(both_at_work, seconds=180, what="workers on both nodes")
    assert told == {"node1, cpu", "node2, cpu"}
    check(study, launcher, launches=0)


def test_three_hundred_runs_with_a_node_killed_in_the_middle(
    short: Callable[..., Short], server: TcpServer, nodes: Nodes
) -> None:
    study = short(runs=300, storage=server.url, environment={"SHORT_SECONDS": "0.2"})
    launcher = launched(study, nodes)
    study.wait(150)
    nodes.kill("node2")
    check(study, launcher, launches=0)
