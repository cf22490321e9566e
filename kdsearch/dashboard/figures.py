"""The figures of ``dashboards/``, one ``figure(results) -> plotly Figure`` a file, shown in Optuna's dashboard."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kdsearch.engines.optuna_mirror import BATCH, Mirror, optuna_storage
from kdsearch.errors import KdsearchError, StudyDeleted
from kdsearch.ledger.ledger import Ledger
from kdsearch.ledger.records import StudyRecord, StudyResults
from kdsearch.texts import one_line

Figure = Any
# The dashboard ships every figure with every poll of a study; a large one makes it slow.
_LARGEST = 400_000


def figure_files(folder: Path) -> Iterator[tuple[str, Callable[[StudyResults], Figure]]]:
    """Name and function of each figure file in a folder."""
    for path in sorted(folder.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"kdsearch_figure_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            raise KdsearchError(f"the figure file {path} cannot be read: {type(error).__name__}: {error}") from error
        if not callable(getattr(module, "figure", None)):
            raise KdsearchError(f"{path} must define figure(results) -> plotly Figure")
        yield path.stem, module.figure


def publish_all(ledger: Ledger, folder: Path, records: Sequence[StudyRecord]) -> Iterator[str]:
    """Mirror each study and publish its figures; yield a sentence on each that was deleted meanwhile."""
    for record in records:
        try:
            Mirror(ledger, record).sync()
            if folder.is_dir():
                publish(ledger, record, folder)
        except StudyDeleted as error:
            yield f"{one_line(record.name)} is left out: {error}"


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


def publish(ledger: Ledger, record: StudyRecord, folder: Path) -> list[str]:
    """Draw every figure of a study and save it in its Optuna study; returns the names."""
    import optuna
    from optuna_dashboard import save_plotly_graph_object

    storage = optuna_storage(ledger.database)
    try:
        study = optuna.load_study(study_name=record.name, storage=storage)
    except KeyError:
        raise StudyDeleted(f"the Optuna study {record.name!r} is gone: kdsearch db mirror makes it anew") from None
    results = ledger.results(record.id)
    names: list[str] = []
    for name, draw in figure_files(folder):
        try:
            figure = draw(results)
            size = len(figure.to_json())
        except (Exception, SystemExit) as error:
            raise KdsearchError(f"the figure {name} cannot be drawn: {type(error).__name__}: {error}") from error
        if size > _LARGEST:
            raise KdsearchError(f"the figure {name} is larger than {_LARGEST} bytes; let it draw less")
        save_plotly_graph_object(study, figure, graph_object_id=f"kdsearch-{name}")
        names.append(name)
    return names
