"""Which configurations a table of beliefs is about, where there are too many for one model."""

from __future__ import annotations

from collections.abc import Sequence

from kdsearch.report.selection import Selection
from kdsearch.search import modelled
from kdsearch.search.standing import Standing


def modelled_sentences(selection: Selection, standings: Sequence[Standing]) -> list[str]:
    """Say how many of the configurations with results the beliefs leave out; nothing where they leave out none."""
    known = sum(selection.configurations[id_].kind == "searched" for id_ in selection.searched())
    if len(standings) >= known:
        return []
    best = modelled.MODELLED * 3 // 4  # as ``modelled.modelled`` takes them
    return [
        f"{len(standings):,} of {known:,} configurations with results are in the model and counted here: the best "
        f"{best:,} and {len(standings) - best:,} others. The rest is neither ranked nor counted."
    ]
