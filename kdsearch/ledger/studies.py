"""Studies in the ledger: opening one, refusing another under the same name, and logging what may change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from kdsearch.draws import VERSION
from kdsearch.errors import StudyMismatch
from kdsearch.ledger import queries, removal, schema
from kdsearch.ledger.records import LeaderRecord, StudyRecord
from kdsearch.ledger.settings import StudySettings


@dataclass(frozen=True)
class Declaration:
    """A study as a study file declares it, in the ledger's words."""

    name: str
    identity: Mapping[str, Any]
    settings: StudySettings
    description: str
    metric: str
    chance: float
    data_hash: str
    code_hash: str
    baselines: Mapping[str, Mapping[str, Any]]
    source_file: str = ""
    source_text: str = ""
    begin_with: Sequence[Mapping[str, Any]] = ()


def open_study(connection: Connection, declared: Declaration) -> tuple[StudyRecord, list[str]]:
    """Create the study or find it; returns it and what changed since (budget, confirm seeds, trainer code).

    Another study under this name gives way where none of its runs has ended: it was wrong at first. Raises
    ``StudyMismatch`` with the differing fields where any has.
    """
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": declared.name})
    table = schema.study
    row = connection.execute(sa.select(table).where(table.c.name == declared.name).with_for_update()).mappings().first()
    if row is None:
        return _create(connection, declared), []
    if row["version"] == 1:
        declared = replace(declared, settings=declared.settings.before_draws())
    differences = list(difference(row["identity"], to_json(declared.identity)))
    if differences and row["version"] > 1 and removal.untried(connection, row["id"]):
        return _anew(connection, row, declared, differences)
    if differences:
        raise StudyMismatch(
            f"the ledger holds another study named {declared.name!r}{_launched_with(row['settings'])}:\n  "
            + "\n  ".join(differences)
            + "\nGive the changed study another name in its file, or undo the change to go on with the stored one."
        )
    stored = StudySettings.from_json(row["settings"], f"the study {declared.name}")
    kept = stored.relaunched(declared.settings)
    if row["winner_id"] is not None:
        _check_after_choice(declared.name, stored, kept)
    changes = _settings_changes(stored, kept)
    if row["code_hash"] != declared.code_hash:
        changes.append(
            f"trainer code changed: {row['code_hash']} before, {declared.code_hash} now; "
            "runs are marked by code and not mixed in a table unless asked to. The search goes on from the runs of "
            "both: if the change alters results, give the study a new name"
        )
    connection.execute(
        table.update()
        .where(table.c.id == row["id"])
        .values(
            settings=kept.to_json(),
            code_hash=declared.code_hash,
            stop_requested=False,
            source_file=declared.source_file,
            source_text=declared.source_text,
        )
    )
    for change in changes:
        log_event(connection, row["id"], "changed", change)
    return queries.study_by_id(connection, row["id"]), [*changes, *stored.larger_than(declared.settings)]


def _launched_with(settings: Mapping[str, Any]) -> str:
    """What the stored study was launched with beside its file, of what makes it another study."""
    flags = _flags(settings)
    given = ["--begin-with STUDY" if key == "begin_with" else f"--set {key}={value}" for key, value in flags.items()]
    return f", launched with {' '.join(given)}" if given else ""


def _flags(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a launch set in place of what the file says, of what makes it another study."""
    free = ("name", "budget", "confirm")
    overrides = settings.get("overrides") or {}
    return {key: value for key, value in overrides.items() if key.partition(".")[0] not in free}


def _anew(
    connection: Connection, row: RowMapping, declared: Declaration, differences: list[str]
) -> tuple[StudyRecord, list[str]]:
    """A study that was wrong at first: no run of it has ended, so that the corrected one may have its name.

    It is another row: a launch or a worker that has opened the wrong one finds that it is gone. Its events stay.
    """
    table, event = schema.study, schema.event
    connection.execute(table.update().where(table.c.id == row["id"]).values(name=f"{declared.name} {row['uid']}"))
    fresh = _create(connection, declared)
    connection.execute(event.update().where(event.c.study_id == row["id"]).values(study_id=fresh.id))
    connection.execute(table.delete().where(table.c.id == row["id"]))
    connection.execute(table.update().where(table.c.id == fresh.id).values(uid=row["uid"]))  # that of its folders
    change = f"no run of it had ended, so it is begun anew as the file says now: {'; '.join(differences)}"
    log_event(connection, fresh.id, "changed", change)
    return queries.study_by_id(connection, fresh.id), [change]


def _check_after_choice(name: str, stored: StudySettings, kept: StudySettings) -> None:
    """Refuse what only a search could use that has ended."""
    budgets = difference(to_json(asdict(stored.budget)), to_json(asdict(kept.budget)), "budget")
    finalists = difference(stored.confirm.finalists, kept.confirm.finalists, "confirm.finalists")
    if changed := [*budgets, *finalists]:
        raise StudyMismatch(
            f"the winner of {name} is chosen and stays the winner, so its search cannot continue:\n  "
            + "\n  ".join(changed)
            + "\nFor a longer search, give the study another name in its file; else undo the change. confirm.seeds can "
            "still grow."
        )


def change_settings(connection: Connection, study_id: int, changes: Mapping[str, Any], message: str) -> None:
    """Replace some settings by their keys in JSON, as ``extend`` does, and log it."""
    table = schema.study
    row = connection.execute(sa.select(table.c.settings).where(table.c.id == study_id).with_for_update()).scalar()
    if row is None:
        raise queries.deleted(study_id)
    changed = StudySettings.from_json(row).changed(**changes)
    connection.execute(table.update().where(table.c.id == study_id).values(settings=changed.to_json()))
    before = {name: row.get(name) for name in changes}
    log_event(connection, study_id, "changed", message, {**changes, "before": before})


def note_other_code(connection: Connection, study_id: int, code_hash: str, worker: str) -> str:
    """Log, once for each code, that a worker trains with other code than the study's last launch; returns the message.

    Empty where the code is the same.
    """
    table, events = schema.study, schema.event
    launched = connection.execute(sa.select(table.c.code_hash).where(table.c.id == study_id)).scalar()
    if launched in (None, code_hash):
        return ""
    message = (
        f"trainer code was edited while the study runs: {launched} at its launch, {code_hash} now. Runs are marked by "
        "code and not mixed in a table unless asked to; if it alters results, undo it or give the study a new name"
    )
    said = sa.select(events.c.id).where(events.c.study_id == study_id, events.c.message == message)
    if connection.execute(said.limit(1)).scalar() is None:
        log_event(connection, study_id, "code changed", message, {"worker": worker})
    return message


def request_stop(connection: Connection, study_id: int, stop: bool = True) -> None:
    """Ask all workers of a study to hand back their runs, or take that back."""
    table = schema.study
    connection.execute(table.update().where(table.c.id == study_id).values(stop_requested=stop))


def note_leader(connection: Connection, study_id: int, leader: LeaderRecord) -> None:
    """Store what leads a study, for those who ask; of several launchers, what the last one says."""
    table = schema.study
    connection.execute(table.update().where(table.c.id == study_id).values(leader=leader.to_json()))


def log_event(
    connection: Connection,
    study_id: int,
    kind: str,
    message: str,
    data: Mapping[str, Any] | None = None,
    run_id: int | None = None,
) -> None:
    """Store an event; ``data`` holds texts and numbers.

    Its time is that of now: a transaction's own time is that of its start, before it had its locks.
    """
    values = {name: storable(value) if isinstance(value, str) else value for name, value in (data or {}).items()}
    connection.execute(
        schema.event.insert().values(
            study_id=study_id,
            kind=kind,
            message=storable(message),
            data=values,
            run_id=run_id,
            at=sa.func.clock_timestamp(),
        )
    )


def storable(text: str) -> str:
    """The text as Postgres takes it, which takes neither NUL nor half a surrogate pair; an exception may hold both."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


def difference(stored: Any, declared: Any, path: str = "") -> Iterator[str]:
    """Lines such as ``space.alpha.high: 1.0 in the ledger, 2.0 in the study file``."""
    if isinstance(stored, Mapping) and isinstance(declared, Mapping):
        for key in sorted({*stored, *declared}):
            yield from difference(
                stored.get(key, "nothing"), declared.get(key, "nothing"), f"{path}.{key}" if path else str(key)
            )
    elif stored != declared:
        yield f"{path}: {stored!r} in the ledger, {declared!r} in the study file"


def _create(connection: Connection, declared: Declaration) -> StudyRecord:
    values = _values(declared)
    study_id = connection.execute(schema.study.insert().values(values).returning(schema.study.c.id)).scalar_one()
    _add_configurations(connection, study_id, declared)
    return queries.study_by_id(connection, study_id)


def _values(declared: Declaration) -> dict[str, Any]:
    """The row of a study that begins."""
    return {
        "name": declared.name,
        "phase": "teacher",
        "identity": to_json(declared.identity),
        "settings": declared.settings.to_json(),
        "description": declared.description,
        "metric": declared.metric,
        "chance": declared.chance,
        "data_hash": declared.data_hash,
        "code_hash": declared.code_hash,
        "source_file": declared.source_file,
        "source_text": declared.source_text,
        "version": VERSION,
    }


def _add_configurations(connection: Connection, study_id: int, declared: Declaration) -> None:
    """The baselines, and what the search begins with."""
    rows = [
        {"study_id": study_id, "kind": "baseline", "name": name, "params": to_json(params), "origin": "study file"}
        for name, params in declared.baselines.items()
    ]
    if rows:
        connection.execute(schema.configuration.insert(), rows)
    # Of the search, without a run as yet: the planner orders one for each before it proposes anything itself.
    first = [
        {"study_id": study_id, "kind": "searched", "name": f"b{place}", "params": to_json(params), "origin": "begin"}
        for place, params in enumerate(declared.begin_with)
    ]
    if first:
        connection.execute(schema.configuration.insert(), first)
    said = f", {len(first)} configurations to begin with" if first else ""
    log_event(connection, study_id, "created", f"study created with {len(rows)} baselines{said}")


def _settings_changes(stored: StudySettings, kept: StudySettings) -> list[str]:
    return [
        line.replace("in the study file", "now").replace("in the ledger", "before")
        for line in difference(stored.to_json(), kept.to_json())
    ]


def to_json(value: Any) -> Any:
    """JSON values as Postgres gives them back, so that a stored and a declared identity compare equal."""
    import json

    return json.loads(json.dumps(value, allow_nan=False))
