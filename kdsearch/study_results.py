"""``kd.results``: a stored study in a script or notebook, as tables of pandas, figures and the report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsearch.errors import KdsearchError
from kdsearch.figures.files import drawn, figure_folder, names
from kdsearch.figures.view import view
from kdsearch.ledger.records import StudyResults
from kdsearch.page.document import fragment
from kdsearch.report import build, render, runs_json
from kdsearch.report.answer import searched_numbers
from kdsearch.report.tables import Estimate, Report
from kdsearch.statistics import summarize
from kdsearch.statistics.float_errors import usual_float_errors

if TYPE_CHECKING:
    from pandas import DataFrame

    from kdsearch.ledger.ledger import Ledger
    from kdsearch.study.declaration import Study
    from kdsearch.tasks.base import Scalar


class Results:
    """What a study has found, as of when it was read; ``refresh`` reads it anew.

    Test scores are hidden until the winner is chosen, here as in all tables. ``read`` is all that the ledger holds.
    """

    def __init__(self, ledger: Ledger, study_id: int) -> None:
        self._ledger, self._id = ledger, study_id
        self.read: StudyResults = ledger.results(study_id)

    @property
    def name(self) -> str:
        """The study's name."""
        return self.read.study.name

    @property
    def winner(self) -> str | None:
        """The name of the chosen configuration, ``None`` before the choice."""
        return view(self.read).selection.name(self.read.study.winner_id) if self.read.study.winner_id else None

    @property
    def params(self) -> dict[str, Scalar]:
        """The winner's searched numbers; empty before the choice."""
        return searched_numbers(view(self.read).selection)

    @property
    def figures(self) -> list[str]:
        """The names that ``figure`` takes."""
        return names(figure_folder())

    def refresh(self) -> Results:
        """The study as it is now."""
        return Results(self._ledger, self._id)

    def runs(self) -> DataFrame:
        """One row a run, with the columns of ``kdsearch export runs``."""
        frame: DataFrame = _pandas().DataFrame(json.loads(runs_json(self.read))["runs"])
        return frame

    def configurations(self) -> DataFrame:
        """One row a configuration, those of the search by what it believes of them.

        ``n``, ``mean``, ``sd``, ``low`` and ``high`` are of its runs on search seeds, ``estimate``, ``estimate_sd`` and
        ``out`` of the search's model; ``fresh_n``, ``fresh_mean`` and others of its results on fresh seeds, with the
        intervals of the report, once the winner is chosen.
        """
        with usual_float_errors():
            frame: DataFrame = _pandas().DataFrame(list(self._rows()))
        return frame

    def _rows(self) -> Iterator[dict[str, Any]]:
        seen = view(self.read)
        believed = {row.id: row for row in seen.standings}
        for id_ in [*believed, *(id_ for id_ in self.read.configurations if id_ not in believed)]:
            record, standing = self.read.configurations[id_], believed.get(id_)
            row: dict[str, Any] = {"name": record.name, "kind": record.kind, "winner": id_ == seen.winner_id}
            row |= {f"param.{name}": value for name, value in record.params.items()}
            row |= _columns("", Estimate.of(summarize(seen.selection.objectives(id_, "search"))))
            if standing is not None:
                row |= {"estimate": standing.estimate, "estimate_sd": standing.sd, "out": standing.out}
            fresh = seen.selection.results(id_) if seen.decided else {}
            yield row | _columns("fresh_", seen.units.estimate(fresh))

    def report(self) -> ReportText:
        """The report: text where it is printed, tables in a notebook."""
        return ReportText(build(self.read))

    def figure(self, name: str) -> Any:
        """A figure of plotly by its name, one of ``figures``."""
        return next(figure for _, figure in drawn(self.read, figure_folder(), name))

    def __repr__(self) -> str:
        return f"kd.results({self.name!r}): {self.read.study.phase}, {len(self.read.runs)} runs"

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()


class ReportText:
    """A report that prints as text and shows as tables in a notebook."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def __str__(self) -> str:
        return render(self.report)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return fragment(self.report)


def results(study: str | Path | Study, *, preset: str | None = None, storage: str | None = None) -> Results:
    """Read a stored study by its name, its file or its declaration. Raises ``KdsearchError`` where none is stored."""
    from kdsearch.engines.study_file import load_study
    from kdsearch.ledger.ledger import Ledger

    if isinstance(study, Path) or (isinstance(study, str) and study.endswith(".py")):
        study = load_study(study, preset)
    name = study if isinstance(study, str) else study.stored_name
    ledger = Ledger.connect(storage)
    return Results(ledger, ledger.study(name, preset).id)


def _columns(prefix: str, found: Estimate | None) -> dict[str, float]:
    if found is None:
        return {f"{prefix}n": 0}
    named = {"n": found.n, "mean": found.value, "sd": found.sd, "low": found.low, "high": found.high}
    return {f"{prefix}{name}": value for name, value in named.items()}


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise KdsearchError("tables of a study need pandas: pip install pandas") from None
    return pandas
