"""Where a study stands by counts that the database makes, without a look at each of its runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kdsearch.ledger import queries, schema
from kdsearch.ledger.records import (
    ENDED,
    ConfigurationRecord,
    EventRecord,
    Kind,
    LeaderRecord,
    Pool,
    RunRecord,
    State,
    StudyRecord,
)
from kdsearch.ledger.run_rows import collected_later, fetch, read_runs

LATEST = 4_000
"""Runs that ended last, of which time and seconds are read: they tell the pace."""


LARGE = 2_000
"""Search runs from which on a launcher keeps what leads; below that, whoever asks finds it in a second."""

BEHIND = 0.01
"""What was kept serves until so large a share of the search runs has ended since."""


@dataclass(frozen=True)
class Tally:
    """How many ``runs`` share pool, kind of configuration, state and code hash.

    ``timed`` of them have seconds, which add up to ``seconds``, ``dated`` a time of their end too, ``scored`` a score.
    """

    pool: Pool
    kind: Kind
    state: State
    code: str | None
    runs: int
    timed: int
    seconds: float
    dated: int
    scored: int


@dataclass
class Sample:
    """Objectives of a configuration's ended search runs of one code, in the order of ids.

    ``objectives``: by seed; ``done``: those of runs that did not diverge.
    """

    objectives: dict[int, float] = field(default_factory=dict)
    done: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Overview:
    """A study with its search runs as ``tallies`` and ``samples``, the latter by code hash and configuration.

    ``others``: the runs of the other pools, without curves. ``latest``: pool, time (seconds since 1970) and seconds of
    the runs that ended last, the last one first, at most ``LATEST``.

    With a ``leader``, ``samples`` is empty, and of what the searches proposed ``configurations`` has the leader alone.
    """

    study: StudyRecord
    configurations: Mapping[int, ConfigurationRecord]
    events: tuple[EventRecord, ...]
    tallies: tuple[Tally, ...]
    samples: Mapping[str | None, Mapping[int, Sample]]
    others: tuple[RunRecord, ...]
    latest: tuple[tuple[Pool, float, float], ...]
    leader: LeaderRecord | None = None

    @property
    def ended(self) -> int:
        """Runs with a value of the search for the winner."""
        return _ended(self.tallies)


def overview(connection: Connection, study_id: int, kinds: Sequence[str] = ()) -> Overview:
    """One consistent read of counts and objectives; of the events those of these ``kinds`` alone. No score is read."""
    connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    run = schema.run.c
    others = read_runs(connection, sa.and_(run.study_id == study_id, run.pool != "search"), curves=False)
    given = {"study": study_id, "latest": LATEST}
    latest = connection.execute(_LATEST, given).all()
    study = queries.study_by_id(connection, study_id)
    tallies = tuple(Tally(*row) for row in connection.execute(_TALLIES, given))
    leader, configurations = _kept(study, tallies), {}
    if leader is not None:
        table = schema.configuration.c
        among = sa.or_(table.kind.not_in(("searched", "without")), table.id == leader.id)
        configurations = queries.configurations(connection, study_id, among=among)
        leader = leader if leader.id in configurations else None  # somebody has deleted it
    if leader is None:
        configurations = queries.configurations(connection, study_id)
    return Overview(
        study=study,
        configurations=configurations,
        events=tuple(queries.events_after(connection, study_id, 0, kinds=kinds)),
        tallies=tallies,
        samples=_samples(connection, study_id) if leader is None else {},
        others=others,
        latest=tuple((pool, at.timestamp(), seconds) for pool, at, seconds in latest),
        leader=leader,
    )


def _kept(study: StudyRecord, tallies: Sequence[Tally]) -> LeaderRecord | None:
    """What a launcher found to lead, where that still serves; not among runs of several codes, which it counts all."""
    found, ended = study.leader, _ended(tallies)
    if found is None or study.winner_id is not None or len({row.code for row in tallies if row.state in ENDED}) != 1:
        return None
    return found if ended >= LARGE and 0 <= ended - found.ended <= BEHIND * ended else None


def _ended(tallies: Sequence[Tally]) -> int:
    own = [row for row in tallies if row.pool == "search" and row.kind == "searched" and row.state in ENDED]
    return sum(row.runs for row in own)


@dataclass(frozen=True)
class Objectives:
    """A study with the objectives that stand for each configuration, in the order of ids.

    They are of search seeds, or of fresh seeds where a configuration was never searched.
    """

    study: StudyRecord
    configurations: Mapping[int, ConfigurationRecord]
    values: Mapping[int, list[float]]


def objectives(connection: Connection, study_id: int) -> Objectives:
    """One consistent read of the objectives by configuration."""
    connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    study = queries.study_by_id(connection, study_id)
    with collected_later():
        values: dict[int, list[float]] = dict(fetch(connection, _OBJECTIVES, {"study": study_id}))
    return Objectives(study, queries.configurations(connection, study_id), values)


def _samples(connection: Connection, study_id: int) -> dict[str | None, dict[int, Sample]]:
    """Objectives of ended search runs by code hash and configuration."""
    found: dict[str | None, dict[int, Sample]] = defaultdict(dict)
    with collected_later():
        for id_, code, seeds, values, done in fetch(connection, _SAMPLES, {"study": study_id}):
            kept = [value for value, ended_well in zip(values, done, strict=True) if ended_well]
            found[code][id_] = Sample(dict(zip(seeds, values, strict=True)), kept)
    return dict(found)


_TALLIES = sa.text(
    """
    SELECT r.pool, c.kind, r.state, nullif(r.code_hash, '') AS code, count(*), count(r.seconds),
           coalesce(sum(r.seconds), 0), count(*) FILTER (WHERE r.seconds IS NOT NULL AND r.finished_at IS NOT NULL),
           count(r.score)
    FROM kdsearch.run r JOIN kdsearch.configuration c ON c.id = r.configuration_id
    WHERE r.study_id = :study
    GROUP BY r.pool, c.kind, r.state, code
    """
)
_SAMPLES = sa.text(
    """
    SELECT configuration_id, nullif(code_hash, '') AS code, array_agg(seed ORDER BY id),
           array_agg(objective ORDER BY id), array_agg(state = 'done' ORDER BY id)
    FROM kdsearch.run
    WHERE study_id = :study AND pool = 'search' AND state IN ('done', 'diverged')
    GROUP BY configuration_id, code
    ORDER BY min(id)
    """
)
_OBJECTIVES = sa.text(
    """
    SELECT r.configuration_id, array_agg(r.objective ORDER BY r.id)
    FROM kdsearch.run r JOIN kdsearch.configuration c ON c.id = r.configuration_id
    WHERE r.study_id = :study AND r.state IN ('done', 'diverged') AND r.objective IS NOT NULL
        AND r.pool = CASE WHEN c.kind IN ('searched', 'without') THEN 'search' ELSE 'confirm' END
    GROUP BY r.configuration_id
    """
)
_LATEST = sa.text(
    """
    SELECT pool, finished_at, seconds FROM kdsearch.run
    WHERE study_id = :study AND state IN ('done', 'diverged', 'stopped')
        AND finished_at IS NOT NULL AND seconds IS NOT NULL
    ORDER BY finished_at DESC, seconds DESC
    LIMIT :latest
    """
)
