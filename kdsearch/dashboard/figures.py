"""The figures of ``dashboards/``, one ``figure(results) -> plotly Figure`` a file, shown in Optuna's dashboard."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from kdsearch.dashboard.notes import write_notes
from kdsearch.engines.optuna_mirror import BATCH, Mirror, optuna_storage
from kdsearch.errors import KdsearchError, StudyDeleted
from kdsearch.figures.files import Figure, drawn
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord
from kdsearch.texts import one_line

# The dashboard ships every figure with every poll of a study; a large one makes it slow.
_LARGEST = 200_000
_CELL, _WRAPPED = 440, 46  # pixels of its cells, characters of a title in one of them


def publish_all(ledger: Ledger, folder: Path, records: Sequence[StudyRecord]) -> Iterator[str]:
    """Mirror each study and publish its figures; yield a sentence on each that was deleted meanwhile.

    So it does on each figure that cannot be drawn: one odd study hides no other.
    """
    for record in records:
        said: list[str] = []

        def failed(name: str, error: KdsearchError, said: list[str] = said, study: str = record.name) -> None:
            said.append(f"{one_line(study)} lacks the figure {name}: {error}")

        try:
            Mirror(ledger, record).sync()
            if folder.is_dir():
                publish(ledger, record, folder, failed)
        except StudyDeleted as error:
            said.append(f"{one_line(record.name)} is left out: {error}")
        yield from said


def begin(ledger: Ledger, records: Sequence[StudyRecord]) -> Iterator[str]:
    """Mirror the best configurations of the studies that have no trials yet; sentences as of ``publish_all``."""
    if not records:
        return
    there = {summary.study_name for summary in optuna_storage(ledger.database).get_all_studies()}
    for record in records:
        try:
            if record.name not in there:
                Mirror(ledger, record).sync(most=BATCH)
        except StudyDeleted as error:
            yield f"{one_line(record.name)} is left out: {error}"


def publish(
    ledger: Ledger, record: StudyRecord, folder: Path, failed: Callable[[str, KdsearchError], None] | None = None
) -> list[str]:
    """Draw every figure of a study and save it in its Optuna study, with notes; returns the names.

    ``failed``: is told of a figure that cannot be drawn, which raises ``KdsearchError`` without it.
    """
    import optuna
    from optuna_dashboard import save_plotly_graph_object

    storage = optuna_storage(ledger.database)
    try:
        study = optuna.load_study(study_name=record.name, storage=storage)
    except KeyError:
        raise StudyDeleted(f"the Optuna study {record.name!r} is gone: kdsearch db mirror makes it anew") from None
    results = ledger.results(record.id)
    names: list[str] = []
    for name, figure in map(_small, drawn(results, folder, failed=failed)):
        if len(figure.to_json(engine="json")) > _LARGEST:
            error = KdsearchError(f"the figure {name} is larger than {_LARGEST} bytes; let it draw less")
            if failed is None:
                raise error
            failed(name, error)
            continue
        save_plotly_graph_object(study, figure, graph_object_id=f"kdsearch-{name}")
        names.append(name)
    write_notes(study, results)
    return names


def _small(named: tuple[str, Figure]) -> tuple[str, Figure]:
    """A figure of ours for a cell of the dashboard, which is half a page wide and cuts what is higher.

    Its title wraps, its sentences are left to the page and its legend stands below.
    """
    name, figure = named
    meta = figure.layout.meta
    if isinstance(meta, Mapping) and meta.get("kind") == "kdsearch":
        lines = textwrap.wrap(meta["title"], _WRAPPED) or [name]
        figure.update_layout(
            title={"text": f"<b>{'<br>'.join(lines)}</b>", "font": {"size": 14}},
            height=_CELL,
            margin={"t": 50 + 18 * len(lines), "l": 60, "b": 70},
            legend={"y": -0.22, "yanchor": "top", "font": {"size": 11}},
        )
    return name, figure
