"""Which configurations a report compares, in which part, under which name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from kdsearch.ledger.records import ConfigurationRecord
from kdsearch.report.selection import Selection
from kdsearch.search.searches import without_space
from kdsearch.space import active_values
from kdsearch.tasks.base import Scalar

Part = Literal["winner", "primary", "second", "baseline", "context"]
ITSELF, BEST_WITHOUT = "itself", "best without"
"""The questions of a study file: distillation at the winner's numbers, or against the best that does without it."""

WITHOUT, BEST = "winner without distillation", "best without distillation"


@dataclass(frozen=True)
class Compared:
    """One configuration of the comparison. ``part`` says what its row is for."""

    id: int
    label: str
    part: Part
    record: ConfigurationRecord


def compared(selection: Selection) -> list[Compared]:
    """Return the winner, those without distillation, the baselines, the finalists; each configuration once.

    The winner without distillation is left out where it is the winner itself (see ``void_ablation``).
    """
    study = selection.study
    order: list[tuple[int, str, Part]] = []
    if study.winner_id is not None:
        order.append((study.winner_id, f"winner ({selection.name(study.winner_id)})", "winner"))
    if (primary := primary_id(selection)) is not None:
        order.append((primary, label_of(selection, primary), "primary"))
    if (second := second_id(selection)) is not None:
        order.append((second, label_of(selection, second), "second"))
    for id_, record in sorted(selection.configurations.items()):
        if record.kind == "baseline":
            order.append((id_, record.name, "baseline"))
    order += [(id_, f"finalist {selection.name(id_)}", "context") for id_ in study.finalist_ids]
    rows: dict[int, Compared] = {}
    for id_, label, part in order:
        if id_ not in rows and id_ in selection.configurations:
            rows[id_] = Compared(id_, label, part, selection.configurations[id_])
    return list(rows.values())


def primary_id(selection: Selection) -> int | None:
    """Return what the winner is compared with first of all; ``None`` where ``void_primary`` says why not."""
    best = best_without_id(selection)
    if selection.study.settings.question == BEST_WITHOUT and best is not None:
        return best
    return None if void_primary(selection) is not None else selection.study.ablation_id


def second_id(selection: Selection) -> int | None:
    """Return the second comparison: the other one without distillation, where it is not the primary one."""
    ablation = selection.study.ablation_id if void_ablation(selection) is None else None
    primary = primary_id(selection)
    others = [id_ for id_ in (ablation, best_without_id(selection)) if id_ is not None and id_ != primary]
    return others[0] if others else None


def best_without_id(selection: Selection) -> int | None:
    """Return the best configuration without a teacher, where the winner has one: else neither side distils."""
    best, winner = selection.study.best_without_id, selection.study.winner_id
    if winner is None or winner not in selection.configurations or not uses_teacher(selection, winner):
        return None
    return None if best == winner or best not in selection.configurations else best


def void_primary(selection: Selection) -> str | None:
    """Return why there is no primary comparison, or ``None`` where there is one."""
    if selection.study.settings.question == BEST_WITHOUT and best_without_id(selection) is not None:
        return None
    return void_ablation(selection)


def void_ablation(selection: Selection) -> str | None:
    """Return why there is no comparison of the winner with itself without distillation, or ``None`` where there is."""
    study = selection.study
    if study.winner_id is None:
        return "no winner has been chosen"
    if not study.settings.off:
        if selection.is_function:
            return f"the study file does not say what its {selection.own_word} is without distillation"
        return "this task has no teacher, so there is no distillation to take away"
    if study.ablation_id == study.winner_id or not uses_teacher(selection, study.winner_id):
        why = "uses no teacher (its teacher weights are 0)"
        if study.settings.without_values:
            seen, off = _read(selection, study.winner_id), study.settings.off.items()
            parts = [f"{name} = {value}" if name in seen else f"{name} is not read" for name, value in off]
            why = f"does without distillation already ({', '.join(parts)})"
        return (
            f"the winner {why}, so the winner without distillation is the winner itself: the search found no use for "
            "distillation"
        )
    if study.ablation_id is None:
        return "the ledger holds no winner without distillation"
    return None


def replaced_question(selection: Selection) -> str | None:
    """Return why the best without distillation, which the study file asks for, is not the primary comparison."""
    settings, winner = selection.study.settings, selection.study.winner_id
    if settings.question != BEST_WITHOUT or best_without_id(selection) is not None or not settings.off:
        return None
    if winner is not None and not uses_teacher(selection, winner):
        return None  # the primary sentence says so
    if not without_space(settings):
        return "without distillation this space has no number left to search, so that it is the winner without it"
    return "no configuration of the search without distillation has two runs that ended well"


def uses_teacher(selection: Selection, id_: int) -> bool:
    """Return whether a configuration differs from one without distillation, as by a teacher weight that is not 0.

    A number that nothing reads, as its condition does not hold, makes no difference.
    """
    params = _read(selection, id_)
    return any(params.get(name, value) != value for name, value in selection.study.settings.off.items())


def _read(selection: Selection, id_: int) -> dict[str, Scalar]:
    settings, params = selection.study.settings, selection.configurations[id_].params
    return active_values(settings.space, params) if settings.without_values else dict(params)


def value_of(params: Mapping[str, Scalar], name: str) -> Scalar | None:
    """Return a value of a configuration for a table: a choice that is None as a word, for a missing one is no value."""
    value = params.get(name)
    return str(value) if value is None and name in params else value


def label_of(selection: Selection, id_: int) -> str:
    """Return what a configuration without distillation is called in tables and sentences."""
    record = selection.configurations.get(id_)
    if id_ != selection.study.ablation_id:
        return f"{BEST} ({selection.name(id_)})"
    if id_ == selection.study.best_without_id:
        return f"{WITHOUT} (= {selection.name(id_)}, the best without it)"
    # The study file may hold the very configuration already.
    return f"{WITHOUT} (= {record.name})" if record is not None and record.kind == "baseline" else WITHOUT


def name_in_sentence(selection: Selection, id_: int) -> str:
    """Return what a configuration without distillation is called in a sentence."""
    study = selection.study
    return WITHOUT if id_ == study.ablation_id and id_ != study.best_without_id else label_of(selection, id_)
