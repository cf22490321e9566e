"""Which configurations a report compares, in which part, under which name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kdsearch.ledger.records import ConfigurationRecord
from kdsearch.report.selection import Selection

Part = Literal["winner", "primary", "baseline", "context"]


@dataclass(frozen=True)
class Compared:
    """One configuration of the comparison. ``part`` says what its row is for."""

    id: int
    label: str
    part: Part
    record: ConfigurationRecord


def compared(selection: Selection) -> list[Compared]:
    """Return the winner, the winner without distillation, the baselines, the finalists; each configuration once.

    The winner without distillation is left out where it is the winner itself (see ``void_primary``).
    """
    study = selection.study
    order: list[tuple[int, str, Part]] = []
    if study.winner_id is not None:
        order.append((study.winner_id, f"winner ({name_of(selection, study.winner_id)})", "winner"))
    if study.ablation_id is not None and void_primary(selection) is None:
        order.append((study.ablation_id, _ablation_label(selection, study.ablation_id), "primary"))
    for id_, record in sorted(selection.configurations.items()):
        if record.kind == "baseline":
            order.append((id_, record.name, "baseline"))
    order += [(id_, f"finalist {name_of(selection, id_)}", "context") for id_ in study.finalist_ids]
    rows: dict[int, Compared] = {}
    for id_, label, part in order:
        if id_ not in rows and id_ in selection.configurations:
            rows[id_] = Compared(id_, label, part, selection.configurations[id_])
    return list(rows.values())


def void_primary(selection: Selection) -> str | None:
    """Return why there is no comparison of the winner with itself without distillation, or ``None`` where there is."""
    study = selection.study
    names = [str(name) for name in study.settings.get("teacher_parameters", ())]
    if study.winner_id is None:
        return "no winner has been chosen"
    if not names:
        return "this task has no teacher, so there is no distillation to take away"
    winner = selection.configurations[study.winner_id].params
    if study.ablation_id == study.winner_id or not any(winner.get(name, 0) for name in names):
        return (
            "the winner uses no teacher (its teacher weights are 0), so the winner without distillation is the winner "
            "itself: the search found no use for distillation"
        )
    if study.ablation_id is None:
        return "the ledger holds no winner without distillation"
    return None


def name_of(selection: Selection, id_: int) -> str:
    """Return a configuration's name, or its number where it has none."""
    record = selection.configurations.get(id_)
    return record.name if record is not None and record.name else f"#{id_}"


def _ablation_label(selection: Selection, id_: int) -> str:
    record = selection.configurations.get(id_)
    label = "winner without distillation"
    # The study file may hold the very configuration already.
    return f"{label} (= {record.name})" if record is not None and record.kind == "baseline" else label
