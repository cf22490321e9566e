"""What a comparison with the best without distillation rests on: how much the search that found it was given."""

from __future__ import annotations

from collections.abc import Sequence

from kdsearch.ledger.records import searched
from kdsearch.report.captions import min_effect, plural
from kdsearch.report.compared import Compared, best_without_id, label_of, uses_teacher
from kdsearch.report.comparisons import NONE, Judged, Outcome
from kdsearch.report.formats.cells import fixed
from kdsearch.report.selection import Selection
from kdsearch.search.searches import SearchKind

FEW = 3
"""A search with fewer runs than the other's by this factor finds less of what its space holds."""

CLAIMS = {
    "better": "helps",
    "worse": "hurts",
    "equivalent": "makes no difference beyond {effect}",
    "undecided": "is not shown to make a difference",
    NONE: "is not shown to make a difference",
}
"""Of distillation at the winner's own numbers; without a verdict nothing is shown either."""


def funding_sentences(selection: Selection, other: int) -> list[str]:
    """Say in numbers how the two searches were funded, where ``other`` comes of one that had far fewer runs.

    The winner is the best of many settings then, and what it is compared with the best of few.
    """
    if other == selection.study.ablation_id or other != best_without_id(selection):
        return []
    (runs, settings), (most, tried) = (_spent(selection, kind) for kind in ("without", "searched"))
    if FEW * runs >= most:
        return []
    return [
        f"The search without distillation had {plural(runs, 'run')} over {plural(settings, 'setting')}, the other "
        f"{most:,} over {tried:,}: too few there can make distillation look useful."
    ]


def _spent(selection: Selection, kind: SearchKind) -> tuple[int, int]:
    """Runs of a search before the winner was chosen, and the settings that they are of; of any code, failed or not."""
    every = (*selection.runs, *selection.left_out, *selection.failures)
    own = [run for run in every if run.pool == "search" and searched(selection.configurations, run, kind)]
    return len(own), len({run.configuration_id for run in own})


def itself_sentences(selection: Selection, outcome: Outcome, other: int) -> list[str]:
    """Say what distillation does at the winner's own numbers, where it is not shown to help there.

    Only where the winner is compared with another setting, ``other``: a gain over that may be that of other numbers.
    """
    ablation = selection.study.ablation_id
    judged = outcome.rows.get(ablation) if ablation is not None else None
    if judged is None or other == ablation or other != best_without_id(selection) or judged.verdict == "better":
        return []
    mean = fixed(judged.difference.mean, selection.digits, signed=True)
    return [f"At the winner's own numbers distillation {_claim(selection, judged)} ({mean}, {judged.verdict})."]


def _claim(selection: Selection, judged: Judged) -> str:
    if judged.difference.mean == 0 == judged.difference.sd:
        return "makes no difference"
    return CLAIMS[judged.verdict].format(effect=f"{min_effect(selection):g}")


def baselines_above(selection: Selection, rows: Sequence[Compared]) -> list[str]:
    """Name the baselines that do without distillation and have a higher mean than the best that was found without."""
    best = best_without_id(selection)
    if best is None or all(row.id != best for row in rows):
        return []
    found, said = selection.results(best), []
    for row in rows:
        own = selection.results(row.id)
        seeds = sorted(own.keys() & found.keys())
        if row.part != "baseline" or not seeds or uses_teacher(selection, row.id):
            continue
        here, there = (sum(values[seed] for seed in seeds) / len(seeds) for values in (own, found))
        if here > there:
            common = plural(len(seeds), "common fresh seed")
            said.append(
                f"{row.label} does without distillation too, and its mean over {common} is "
                f"{fixed(here, selection.digits)}, above {fixed(there, selection.digits)} of the "
                f"{label_of(selection, best)}: the search without distillation may have missed what is better (means "
                "alone, no verdict)."
            )
    return said
