"""Plain Optuna trials on the same Postgres by several clients: ``RDBStorage`` each, or one ``GrpcStorageProxy``."""

from __future__ import annotations

import importlib.util
import multiprocessing
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdsearch.ledger.ledger import Ledger

NAMES = "abcdefg"


def measure(trials: int, clients: int, before: int = 0) -> Iterator[tuple[str, float]]:
    """Seconds by the clock for so many trials of seven random numbers, through either storage.

    ``before``: finished trials that the study holds already, as a ledger holds runs.
    """
    from kdsearch.engines.optuna_mirror import optuna_storage
    from kdsearch.ledger.ledger import Ledger
    from tests.benchmarks.load.commands import free_port

    ledger = Ledger.connect()
    optuna_storage(ledger.database)  # its tables
    for name in ("rdb", "grpc"):
        _fill(ledger, name, before)
    yield "RDBStorage", _run(trials, clients, "rdb", None)
    if importlib.util.find_spec("grpc") is None:
        print("GrpcStorageProxy is not measured without grpcio: pip install -e '.[benchmarks]'")
        return
    context = multiprocessing.get_context("spawn")
    port = free_port()
    server = context.Process(target=_proxy, args=(port,), daemon=True)
    server.start()
    try:
        yield "GrpcStorageProxy", _run(trials, clients, "grpc", port)
    finally:
        server.kill()
        server.join()


def _fill(ledger: Ledger, name: str, count: int) -> None:
    """Write so many finished trials into Optuna's tables, as the mirror does; one by one they would take an hour."""
    import numpy as np
    import optuna
    import sqlalchemy as sa

    from kdsearch.engines.optuna_mirror import optuna_storage
    from kdsearch.engines.optuna_tables import Change, write

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(study_name=name, storage=optuna_storage(ledger.database))
    uniform = optuna.distributions.FloatDistribution(0, 1)
    engine = ledger.database.engine
    for values in np.array_split(np.random.default_rng(0).random((count, len(NAMES))), -(-count // 1_000) or 1):
        changes = [
            Change(
                trial=None,
                attributes={},
                params=dict(zip(NAMES, row, strict=True)),
                distributions=dict.fromkeys(NAMES, uniform),
                reported=(1, sum(row)),
                state=optuna.trial.TrialState.COMPLETE,
                value=sum(row),
            )
            for row in values.tolist()
        ]
        with engine.begin() as connection:
            write(connection, study._study_id, changes)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))


def _run(trials: int, clients: int, name: str, port: int | None) -> float:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(clients + 1)
    processes = [context.Process(target=_client, args=(barrier, trials // clients, name, port)) for _ in range(clients)]
    for process in processes:
        process.start()
    barrier.wait(120)
    begin = time.perf_counter()
    for process in processes:
        process.join()
        if process.exitcode:
            raise RuntimeError(f"a client of {name} ended with {process.exitcode}")
    return time.perf_counter() - begin


def _storage(port: int | None) -> Any:
    import optuna

    if port is None:
        from kdsearch.engines.optuna_mirror import optuna_storage
        from kdsearch.ledger.ledger import Ledger

        return optuna_storage(Ledger.connect().database)
    proxy = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=port)
    proxy.wait_server_ready(timeout=60)
    return proxy


def _proxy(port: int) -> None:
    import optuna

    optuna.storages.run_grpc_proxy_server(optuna.storages.get_storage(_storage(None)), host="127.0.0.1", port=port)


def _client(barrier: Any, trials: int, name: str, port: int | None) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = _storage(port)
    sampler = optuna.samplers.RandomSampler()
    study = optuna.create_study(study_name=name, storage=storage, sampler=sampler, load_if_exists=True)
    barrier.wait(120)
    for _ in range(trials):
        trial = study.ask()
        value = sum(trial.suggest_float(name, 0, 1) for name in NAMES)
        trial.report(value, step=1)
        study.tell(trial, value)
