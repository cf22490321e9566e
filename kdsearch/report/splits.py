"""Whether several studies are one study on several official splits of its data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kdsearch.ledger.records import StudyRecord, StudyResults

OFFICIAL = ("split1", "split2", "split3")
"""JHMDB, UCF101 and HMDB51 have so many, and the field reports the mean over them."""

_KEYS = ("protocol", "split")


def differ_in_split(results: Sequence[StudyResults]) -> bool:
    """Whether two studies or more are the same in all but the split of their data, and each is of another split."""
    splits = [split_of(result.study) for result in results]
    if len(results) < 2 or None in splits or len(set(splits)) < len(splits):
        return False
    rests = [_but_for_split(result.study) for result in results]
    return all(rest == rests[0] for rest in rests[1:])


def split_of(study: StudyRecord) -> str | None:
    """Return ``split1``, ``split2`` or ``split3``; ``None`` for data without official splits."""
    data = _data(study)
    named = next((data[key] for key in _KEYS if data.get(key) is not None), None)
    match = re.fullmatch(r"(?:split)?([123])", str(named))
    return f"split{match[1]}" if match else None


def _data(study: StudyRecord) -> Mapping[str, Any]:
    task = study.identity.get("task")
    data = task.get("data") if isinstance(task, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def _but_for_split(study: StudyRecord) -> dict[str, Any]:
    """The identity without its split, and without the preset's name: what the preset changed is in the rest."""
    data = {key: value for key, value in _data(study).items() if key not in _KEYS}
    rest = {key: value for key, value in study.identity.items() if key != "preset"}
    if "split" in _data(study):
        del rest["data"]  # the fingerprint is of the split's own lists
    return {**rest, "task": {**study.identity["task"], "data": data}}
