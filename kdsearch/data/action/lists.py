"""The official train and test lists of UCF101 and HMDB51: text files, an archive of them, or one table."""

from __future__ import annotations

import csv
import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from kdsearch.data.action.sets import ACTION_SETS, ActionName, ActionSet
from kdsearch.data.clips import TEST, TRAIN
from kdsearch.data.files import Stamp, stamp
from kdsearch.errors import DataError

_UCF_FILE = {TRAIN: "trainlist0{}.txt", TEST: "testlist0{}.txt"}
_UCF_LINE = re.compile(r"([^/\s]+)/(\S+)\.avi(?:\s+\d+)?")
_HMDB_LINE = re.compile(r"(\S.*)\.avi\s+([012])")


@dataclass(frozen=True)
class Listed:
    """One clip of a split: ``part`` is 1 (train) or 2 (test), ``group`` its class and source video."""

    class_name: str
    name: str
    group: str
    part: int


def files_of(dataset: ActionSet, folder: Path, split: int) -> list[Path]:
    """The text lists of a split that lie in ``folder``; empty unless they begin to be whole."""
    if dataset.key == "hmdb51":
        return sorted(folder.glob(f"*_test_split{split}.txt"))
    found = [folder / name.format(split) for name in _UCF_FILE.values()]
    return found if found[0].is_file() else []


def read_lists(dataset: ActionSet, source: Path, split: int) -> tuple[Listed, ...]:
    """The clips of a split in the order of class and name, those that it leaves unused (HMDB51's 0) left out.

    ``source``: a folder of the official text files, a ``.tar.gz`` that holds them, or a ``.csv`` with the columns
    ``video``, ``class`` and ``split1`` to ``split3`` (1 train, 2 test). ``DataError`` names the file and the line that
    is foreign, a clip listed twice, and a source video that is in both parts.
    """
    files = files_of(dataset, source, split) if source.is_dir() else [source]
    if not files:
        raise DataError(f"{source}: expected {dataset.example}; came none for split {split}. {_again(dataset)}")
    return _read(dataset.key, tuple(stamp(path) for path in files), split)


@lru_cache(maxsize=16)
def _read(key: ActionName, stamps: tuple[Stamp, ...], split: int) -> tuple[Listed, ...]:
    dataset, paths = ACTION_SETS[key], [Path(path) for path, _, _ in stamps]
    if paths[0].suffix == ".csv":
        rows = list(_table(dataset, paths[0], split))
    else:
        archived = paths[0].suffix == ".gz"
        plain = ((path, path.read_text(encoding="utf-8", errors="replace")) for path in paths)
        texts = _archived(dataset, paths[0], split) if archived else plain
        rows = [row for path, text in texts for row in _rows(dataset, path, text)]
    listed = [Listed(c, name, dataset.group(c, name), part) for c, name, part in rows]
    _check(dataset, paths[0].parent, listed)
    return tuple(sorted(listed, key=lambda row: (row.class_name, row.name)))


_Row = tuple[str, str, int]


def _archived(dataset: ActionSet, archive: Path, split: int) -> Iterator[tuple[Path, str]]:
    """Names and texts of the lists of a split; nothing is unpacked."""
    wanted = re.compile(rf"(train|test)list0{split}\.txt" if dataset.key == "ucf101" else rf".+_test_split{split}\.txt")
    try:
        with tarfile.open(archive) as file:
            for member in file:
                held = file.extractfile(member) if wanted.fullmatch(PurePosixPath(member.name).name) else None
                if held is not None:
                    yield archive / member.name, held.read().decode("utf-8", errors="replace")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{archive}: expected an archive of lists; came: {error}. {_again(dataset)}") from error


def _table(dataset: ActionSet, path: Path, split: int) -> Iterator[_Row]:
    text = path.read_text(encoding="utf-8", errors="replace")
    for row in csv.DictReader(io.StringIO(text)):
        part = row.get(f"split{split}")
        if not row.get("video") or not row.get("class") or part not in ("0", "1", "2"):
            expected = f"columns video, class and split{split} (0, 1 or 2)"
            raise DataError(f"{path}: expected {expected}; came {row}. {_again(dataset)}")
        if part != "0":
            yield row["class"], row["video"], int(part)


def _rows(dataset: ActionSet, path: Path, text: str) -> Iterator[_Row]:
    """The rows of one text list: ``<class>/<video>.avi`` of UCF101, ``<video>.avi <part>`` in a class's of HMDB51."""
    ucf = dataset.key == "ucf101"
    pattern = _UCF_LINE if ucf else _HMDB_LINE
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        match = pattern.fullmatch(line)
        if match is not None and ucf:
            yield match.group(1), match.group(2), TRAIN if path.name.startswith("train") else TEST
        elif match is not None and match.group(2) != "0":
            yield path.name.rpartition("_test_split")[0], match.group(1), int(match.group(2))
        elif match is None and line:
            video = "'<class>/<video>.avi', in train lists with a label behind it"
            expected = video if ucf else "'<video>.avi 0' (unused), 1 (train) or 2 (test)"
            raise DataError(f"{path}, line {number}: expected {expected}; came {line[:120]!r}. {_again(dataset)}")


def _check(dataset: ActionSet, where: Path, listed: list[Listed]) -> None:
    parts = {row.part for row in listed}
    if parts != {TRAIN, TEST}:
        raise DataError(f"{where}: expected clips of both train and test; came {len(listed)} clips. {_again(dataset)}")
    seen, groups = set[tuple[str, str]](), dict[str, int]()
    for row in listed:
        if (row.class_name, row.name) in seen:
            raise DataError(f"{where}: expected each clip once; came {row.class_name}/{row.name} again.")
        seen.add((row.class_name, row.name))
        if groups.setdefault(row.group, row.part) != row.part:
            raise DataError(
                f"{where}: expected no source video in both train and test; came {row.group}. {_again(dataset)}"
            )


def _again(dataset: ActionSet) -> str:
    return f"Get the official lists from {dataset.source}"
