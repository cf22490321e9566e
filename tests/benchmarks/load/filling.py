"""A ledger with very many ended runs, written by the database itself in a few statements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from kdsearch.ledger.ledger import Ledger
    from kdsearch.study.declaration import Study

NAMES = "abcdefg"
EVALUATIONS = 10
"""Of each run: its curve has so many epochs."""

_RUNS = """
    INSERT INTO kdsearch.run (study_id, version, configuration_id, pool, seed, state, attempt, worker, started_at,
        finished_at, objective, score, epoch, epochs, scores, curve_names, curves, seconds, device, peak_memory,
        code_hash, data_hash)
    SELECT :study, :version, d.id, 'search', d.s, 'done', 1, 'node0.' || d.w, d.at - d.seconds * interval '1 s',
        d.at, d.value, d.value - 0.01, :evaluations, :evaluations,
        jsonb_build_object('last', d.value - 0.02, 'best_on_validation', d.value - 0.01, 'best_on_test', d.value),
        ARRAY['epoch', 'objective', 'score'], CAST(d.curves AS float8[]), d.seconds, 'cpu', 123456789,
        'code0000000000000000', :data
    FROM (
        SELECT c.id, s, floor(200 * random())::int AS w, 20 + 20 * random() AS seconds,
            now() - (600 + 864000 * random()) * interval '1 second' AS at,
            (c.params->>'a')::float8 + random() AS value, :curves AS curves
        FROM kdsearch.configuration c, generate_series(0, :each - 1) s
        WHERE c.study_id = :study
    ) d
"""


def study(runs: int, name: str = "load") -> Study:
    """Seven numbers of which one matters; it is never trained."""
    import kdsearch as kd

    return kd.Study(
        name=name,
        task=nothing,
        space={name: kd.uniform(0, 1) for name in NAMES},
        budget=kd.Budget(runs=max(runs, 2)),
        min_effect=1e-9,
    )


def nothing(params: dict[str, float], seed: int, report: object) -> float:
    """No training."""
    return params["a"]


def fill(ledger: Ledger, configurations: int, runs: int, *, queued: int = 0) -> int:
    """Store ended runs with curves, each configuration the same number, and ``queued`` that wait; returns the study.

    The study is in its search, with a budget that is ten times as large.
    """
    from kdsearch.engines.study_file import LoadedStudy

    declared = study(min(10 * runs, 1_000_000))
    record, _ = ledger.open_study(LoadedStudy(Path(__file__), declared).declaration())
    points = np.random.default_rng(0).random((configurations, len(NAMES))).round(6).tolist()
    values = json.dumps([dict(zip(NAMES, point, strict=True)) for point in points])
    epochs = list(range(1, EVALUATIONS + 1))
    rising = np.linspace(0.1, 0.9, EVALUATIONS).round(3).tolist()
    curves = str([epochs, rising, rising]).replace("[", "{").replace("]", "}")
    given = {"study": record.id, "version": record.version, "evaluations": EVALUATIONS, "data": record.data_hash}

    def write(connection: Connection) -> None:
        connection.execute(_CONFIGURATIONS, {"study": record.id, "points": values})
        connection.execute(sa.text(_RUNS), {**given, "curves": curves, "each": runs // configurations})
        connection.execute(_PHASE, {"study": record.id})
        queue(connection, record.id, queued)

    with ledger.database.engine.begin() as connection:
        write(connection)
    with ledger.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))
    return record.id


_CONFIGURATIONS = sa.text(
    "INSERT INTO kdsearch.configuration (study_id, kind, name, params, origin) "
    "SELECT :study, 'searched', 'c' || (place - 1), params, 'sampler' "
    "FROM jsonb_array_elements(CAST(:points AS jsonb)) WITH ORDINALITY AS given (params, place) ORDER BY place"
)
_PHASE = sa.text("UPDATE kdsearch.study SET phase = 'search' WHERE id = :study")


def queue(connection: Connection, study_id: int, count: int) -> None:
    """Queue so many further runs: seeds that the configurations do not have yet, spread over all of them."""
    if count <= 0:
        return
    connection.execute(
        sa.text(
            "WITH c AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS every "
            "FROM kdsearch.configuration WHERE study_id = :study), "
            "next AS (SELECT coalesce(max(seed), -1) + 1 AS seed FROM kdsearch.run WHERE study_id = :study) "
            "INSERT INTO kdsearch.run (study_id, version, configuration_id, pool, seed, priority) "
            "SELECT :study, (SELECT version FROM kdsearch.study WHERE id = :study), c.id, 'search', "
            "next.seed + i / c.every, i "
            "FROM next, generate_series(0, :count - 1) i JOIN c ON c.place = i % (SELECT max(every) FROM c)"
        ),
        {"study": study_id, "count": count},
    )


def note_leader(ledger: Ledger, study_id: int) -> None:
    """Note what leads, as a launcher does every few seconds."""
    from kdsearch.search.leader import leader_now

    found = leader_now(ledger.search_state(study_id))
    assert found is not None
    ledger.note_leader(study_id, found)


def size_of(ledger: Ledger) -> int:
    """Bytes of the database."""
    with ledger.database.engine.connect() as connection:
        return int(connection.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one())
