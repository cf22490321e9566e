"""The listed clips of a split as a table, and the hash of what their files hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kdsearch.data.action_lists import Listed
from kdsearch.data.action_places import Found
from kdsearch.data.action_sets import ActionSet
from kdsearch.data.files import combined
from kdsearch.data.table import Table
from kdsearch.errors import DataError


def kept(dataset: ActionSet, rows: tuple[Listed, ...], only: tuple[str, ...] | None) -> tuple[Listed, ...]:
    """The clips of the classes ``only``; ``DataError`` names those that are not in the lists."""
    if only is None:
        return rows
    classes = {row.class_name for row in rows}
    unknown = [name for name in only if name not in classes]
    if unknown:
        raise DataError(
            f"classes: expected classes of {dataset.title}, such as {', '.join(sorted(classes)[:3])}; came "
            f"{', '.join(unknown)}. Correct them."
        )
    return tuple(row for row in rows if row.class_name in only)


def table_of(rows: Sequence[Listed]) -> Table:
    """One row a clip in the given order; ``splits`` has one column, that of the split at hand."""
    # The official numbers of the classes: "Hammering" before "HammerThrow".
    classes = sorted({row.class_name for row in rows}, key=str.lower)
    groups = sorted({row.group for row in rows})
    label, group = ({name: i for i, name in enumerate(names)} for names in (classes, groups))
    return Table(
        tuple(classes),
        tuple(row.name for row in rows),
        np.array([label[row.class_name] for row in rows], dtype=np.int64),
        np.array([[row.part] for row in rows], dtype=np.int64),
        np.array([group[row.group] for row in rows], dtype=np.int64),
    )


def content_of(rows: Sequence[Listed], found: Sequence[Found]) -> str:
    """Hash of names and content of the clips, 16 hex digits.

    Not of their parts: UCF101's three splits hold the same clips and share one file of decoded ones.
    """
    return combined(f"{row.class_name}/{row.name} {clip.content}" for row, clip in zip(rows, found, strict=True))
