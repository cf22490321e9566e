"""A study on a Ray cluster of two nodes that share no disk, its database a server over TCP."""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from faults.servers import TcpServer
from ray_nodes import Nodes, ray_nodes
from s3_server import BUCKET, s3_server
from support import run_program

import kdsearch as kd
from kdsearch.engines.ray_cluster import RayOptions, _check_answers, interpreter_environment
from kdsearch.engines.ray_engine import RayEngine, _Slots
from kdsearch.engines.ray_slot import WorkerSlot
from kdsearch.errors import KdsearchError

pytestmark = pytest.mark.timeout(300)

TAUGHT = """
import kdsearch as kd
from beside import WIDTH

study = kd.Study(
    name="taught",
    task=kd.tasks.VideoHashing(
        data=kd.data.jhmdb(), teacher={"frames": 4, "width": WIDTH}, student={"frames": 2, "width": 4}, epochs=2,
        batch=40, reductions=0,
    ),
    space={"alpha": kd.uniform(0.1, 1)},
    search=kd.Fixed(seeds=2), budget=kd.Budget(runs=8), confirm=kd.Confirm(seeds=2, finalists=0),
)
"""
SLOW = """
import time
import kdsearch as kd

def train(params, seed, report):
    for epoch in range(1, 9):
        time.sleep(0.1)
        report(epoch, params["x"])
    return params["x"] + 0.01 * (seed %% 7)

study = kd.Study(name="slow", task=train, space={"x": kd.uniform(0, 1)}, search=kd.Fixed(seeds=2),
    budget=kd.Budget(runs=%d), confirm=kd.Confirm(seeds=2, finalists=0))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TcpServer]:
    folder = tmp_path_factory.mktemp("server")
    folder.chmod(0o711)
    server = TcpServer(folder / "pg")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    with s3_server() as client:
        yield client


@pytest.fixture(scope="module")
def nodes(bucket: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with ray_nodes(tmp_path_factory.mktemp("nodes"), "node1", "node2", cpus=1) as nodes:
        yield nodes


@pytest.fixture
def database(server: TcpServer, request: pytest.FixtureRequest) -> str:
    """The URL of a new database."""
    name = f"d{abs(hash(request.node.name)) % 10**9}"
    server.sql(f"CREATE DATABASE {name}")
    return server.url.replace("/kd?", f"/{name}?")


def rows(url: str) -> list[tuple[object, ...]]:
    """Configuration, pool, seed, state and values of all runs."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    statement = (
        "SELECT c.kind, CAST(c.params AS text), r.pool, r.seed, r.state, r.objective, r.score FROM kdsearch.run r "
        "JOIN kdsearch.configuration c ON c.id = r.configuration_id ORDER BY 1, 2, 3, 4"
    )
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement))]
    except sa.exc.DBAPIError:
        return []


@pytest.mark.slow
def test_weights_and_modules_reach_nodes_that_share_no_disk(
    nodes: Nodes, bucket: Any, database: str, tmp_path: Path
) -> None:
    (tmp_path / "taught.py").write_text(TAUGHT)
    (tmp_path / "beside.py").write_text("WIDTH = 6\n")
    study = str(tmp_path / "taught.py")
    variables = {"KDSEARCH_STORAGE": database, "KDSEARCH_ARTIFACTS": f"s3://{BUCKET}/kd"}
    options = ("--engine", "ray", "--address", nodes.address, "--population", "1")
    code, output = run_program("launch", study, *options, home=tmp_path / "home", timeout=240, **variables)
    assert code == 0, output
    assert f"Ray cluster: that at {nodes.address}, 3 nodes, 2 workers" in output
    found = rows(database)
    assert {row[4] for row in found} == {"done"}
    objects = bucket.list_objects_v2(Bucket=BUCKET, Prefix="kd/")["Contents"]
    weights = sorted(found["Key"].removeprefix("kd/artifacts/") for found in objects)
    homes = [{path.name for path in (nodes.home(name) / "artifacts").iterdir()} for name in nodes.nodes]
    assert sorted(homes[0] | homes[1]) == weights
    assert not (tmp_path / "home" / "artifacts").exists(), "the launcher trains nothing"
    assert not list((tmp_path / "home" / "ray").iterdir()), "nothing of Ray's is needed later"
    alone = database.replace("?", "_local?")
    engine = sa.create_engine(database, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {sa.engine.make_url(alone).database}"))
    local = ("--engine", "local", "--workers", "2", "--population", "1")
    code, output = run_program("launch", study, *local, home=tmp_path / "local", timeout=240, KDSEARCH_STORAGE=alone)
    assert code == 0, output
    assert rows(alone) == found, "the table of the local engine, value by value"


@pytest.mark.slow
def test_a_password_is_not_sent_through_ray_and_a_node_without_the_database_is_named(
    nodes: Nodes, database: str, tmp_path: Path
) -> None:
    study = tmp_path / "slow.py"
    study.write_text(SLOW % 4)
    url = database.replace("://me@", "://me:geheim4711@")
    launch = ("launch", str(study), "--engine", "ray", "--address", nodes.address)
    code, output = run_program(*launch, home=tmp_path / "home", timeout=120, KDSEARCH_STORAGE=url)
    assert code == 1
    for name in ("node1", "node2"):
        assert f"node {name}: KDSEARCH_STORAGE is not set there, and the launcher's URL holds a password" in output
    file = tmp_path / "url"
    file.write_text(url)
    file.chmod(0o600)
    code, output = run_program(*launch, home=tmp_path / "home", timeout=120, KDSEARCH_STORAGE=f"@{file}")
    assert code == 0, output
    places = [nodes.session, tmp_path / "home", *(nodes.home(name) for name in nodes.nodes)]
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [path for path in files if b"geheim4711" in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--address", "127.0.0.1:1"), "no Ray cluster answers at 127.0.0.1:1"),
        (("--address", "ADDRESS", "--gpus-per-worker", "0.5"), "no node of the cluster has room for a worker, which"),
    ],
)
def test_no_cluster_or_no_room_is_said(
    nodes: Nodes, database: str, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    study = tmp_path / "slow.py"
    study.write_text(SLOW % 4)
    given = [nodes.address if option == "ADDRESS" else option for option in options]
    code, output = run_program(
        "launch", str(study), "--engine", "ray", *given, home=tmp_path / "home", KDSEARCH_STORAGE=database
    )
    assert code == 1
    assert said in output


def test_shares_of_a_node_are_counted_as_ray_counts_them() -> None:
    shares = RayOptions(cpus_per_worker=0.1, gpus_per_worker=0.25)
    assert shares.fitting({"CPU": 16.0, "GPU": 2.0}) == 8
    assert shares.fitting({"CPU": 0.3, "GPU": 2.0}) == 3
    assert RayOptions(cpus_per_worker=0, gpus_per_worker=0.5).fitting({"CPU": 4.0}) == 0
    assert RayOptions().fitting({}) == 0


def test_an_interpreter_whose_path_a_shell_would_take_apart_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/plain/bin/python")
    assert interpreter_environment() == {}
    monkeypatch.setattr(sys, "executable", "/home/a user/bin/python")
    assert interpreter_environment() == {"py_executable": "'/home/a user/bin/python'"}


@pytest.mark.parametrize("shares", [(0, 0), (-1, 0), (1, float("nan")), (float("inf"), 0), ("1", 0)])
def test_a_share_that_is_none_is_refused(shares: tuple[Any, Any]) -> None:
    with pytest.raises(KdsearchError, match="a worker on Ray takes some CPUs or GPUs, as numbers from 0 on; got"):
        kd.RayOptions(cpus_per_worker=shares[0], gpus_per_worker=shares[1])


@pytest.mark.slow
def test_a_node_that_lacks_the_data_says_so_by_its_name(database: str, tmp_path: Path) -> None:
    """Its own folder has none, so that its data are synthetic and the study another one."""
    data = os.environ.get("KDSEARCH_DATA")
    if not data or not (Path(data) / "jhmdb").exists():
        pytest.skip("KDSEARCH_DATA names no JHMDB archives")
    (tmp_path / "taught.py").write_text(TAUGHT)
    (tmp_path / "beside.py").write_text("WIDTH = 6\n")
    with ray_nodes(tmp_path / "nodes", "far", environment={"KDSEARCH_DATA": str(tmp_path / "none")}) as nodes:
        code, output = run_program(
            *("launch", str(tmp_path / "taught.py"), "--engine", "ray", "--address", nodes.address),
            home=tmp_path / "home",
            KDSEARCH_STORAGE=database,
            KDSEARCH_DATA=data,
        )
    assert code == 1
    assert re.search(r"node far: .*data", output, re.DOTALL), output


def test_ray_options_need_the_engine_ray(tmp_path: Path, home: Path) -> None:
    study = tmp_path / "slow.py"
    study.write_text(SLOW % 4)
    with pytest.raises(KdsearchError, match="are for the engine ray; this one is local"):
        kd.launch(study, ray=RayOptions(address="auto"))
    assert not os.environ.get("RAY_ADDRESS")


def test_a_launch_ends_where_no_slot_can_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once where all have been heard of; where some are still to start, after a while in which none works."""

    def said(slots: _Slots, name: str, problem: str = "") -> bool:
        assert not slots(name, {"node": f"node of {name}", "problem": problem, "done": 0})
        return slots.none_works()

    slots = _Slots(workers=2)
    assert said(slots, "first", "no database") is False
    assert said(slots, "second", "no data") is True
    assert slots.problems() == ["node node of first: no database", "node node of second: no data"]
    assert said(slots, "first") is False
    monkeypatch.setattr("kdsearch.engines.ray_engine._HOPELESS_SECONDS", 0.2)
    alone = _Slots(workers=2)
    assert alone.none_works() is False, "nothing has been heard of"
    assert said(alone, "first", "no database") is False
    time.sleep(0.3)
    assert alone.none_works() is True
    assert said(alone, "first") is False
    assert said(alone, "first", "no database") is False, "the time begins anew"


def test_a_problem_of_a_slot_is_said_once_and_kept_with_the_study(tmp_path: Path) -> None:
    kept: list[tuple[object, ...]] = []
    told: list[str] = []

    def serve(observe: object, begin: object, watch: Callable[[], None]) -> None:
        engine._slots("first", {"node": "far", "problem": "no database", "done": 0})  # as Tune reports it
        watch()
        watch()

    ledger = SimpleNamespace(log_event=lambda *event: kept.append(event))
    record, cluster = SimpleNamespace(id=3), SimpleNamespace(workers=2)
    coordinator: Any = SimpleNamespace(ledger=ledger, record=record, serve=serve, finish=lambda: None)
    engine = RayEngine(coordinator, cluster, tmp_path / "study.py", say=told.append)  # type: ignore[arg-type]
    engine.run()
    assert kept == [(3, "slot", "node far: no database")]
    assert told == ["node far: no database"]


def test_a_slot_whose_problem_is_gone_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    slot = WorkerSlot.__new__(WorkerSlot)  # without Ray, which makes it in an actor
    slot._node = "far"
    slot._order = SimpleNamespace(variables={})  # type: ignore[assignment]
    slot._keeper, slot._problem, slot._again = None, "", float("-inf")
    slot._deaths = SimpleNamespace(read=lambda: None)  # type: ignore[assignment]
    keeper: Any = SimpleNamespace(start=lambda: None, watch=lambda: None, works=True)
    for seconds in ("_AGAIN_SECONDS", "STEP_SECONDS"):
        monkeypatch.setattr(f"kdsearch.engines.ray_slot.{seconds}", 0.0)

    def unable() -> Any:
        raise KdsearchError("no database")

    monkeypatch.setattr(slot, "_begin", unable)
    assert slot.step() == {"node": "far", "problem": "no database", "done": False}
    slot._again = float("inf")
    assert slot.step()["done"] is False, "it waits before it tries again"
    slot._again = float("-inf")
    monkeypatch.setattr(slot, "_begin", lambda: keeper)
    assert slot.step()["done"] is False, "it has begun"
    assert slot.step() == {"node": "far", "problem": "", "done": False}
    keeper.works = False
    assert slot.step()["done"] is True, "the study is over"


def test_a_launch_that_is_ended_before_its_slots_begin_ends(tmp_path: Path) -> None:
    """By Ctrl-C in its first plan; what that raised is what is seen."""

    def serve(*_: object) -> None:
        raise KeyboardInterrupt

    coordinator: Any = SimpleNamespace(serve=serve)
    engine = RayEngine(coordinator, SimpleNamespace(workers=2), tmp_path / "study.py")  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        engine.run()


def test_who_answers_is_asked_at_an_address_with_a_port_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        _check_answers(f"127.0.0.1:{port}")
    with pytest.raises(OSError):
        _check_answers(f"127.0.0.1:{port}")
    for address in (None, "auto", "local", f"ray://127.0.0.1:{port}", "node.example"):
        _check_answers(address)


def test_the_slots_begin_with_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()
    monkeypatch.setattr(RayEngine, "_fit", lambda self: begun.set())

    def serve(observe: object, begin: Callable[[], None], watch: object) -> None:
        begin()
        assert begun.wait(10)

    coordinator: Any = SimpleNamespace(serve=serve, finish=lambda: None)
    RayEngine(coordinator, SimpleNamespace(workers=2), tmp_path / "study.py").run()  # type: ignore[arg-type]
