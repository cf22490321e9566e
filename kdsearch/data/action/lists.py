"""The official train and test lists of UCF101 and HMDB51: text files, an archive of them, or one table."""

from __future__ import annotations

import csv
import io
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NoReturn

from kdsearch.data.action.sets import ACTION_SETS, ActionName, ActionSet
from kdsearch.data.clips import TEST, TRAIN
from kdsearch.data.files import Stamp, stamp
from kdsearch.errors import DataError

_UCF_FILE = {TRAIN: "trainlist0{}.txt", TEST: "testlist0{}.txt"}
_UCF_LINE = re.compile(r"([^/\s]+)/(\S+)\.avi(?:\s+\d+)?")
_HMDB_FILE = re.compile(r"(.+)_test_split([123])\.txt")
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
        texts = _archived(dataset, paths[0], split) if paths[0].suffix == ".gz" else _plain(paths)
        rows = [row for path, text in texts for row in _PARSERS[key](dataset, path, text)]
    listed = [Listed(c, name, dataset.group(c, name), part) for c, name, part in rows]
    _check(dataset, paths[0].parent, listed)
    return tuple(sorted(listed, key=lambda row: (row.class_name, row.name)))


_Row = tuple[str, str, int]


def _plain(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    for path in paths:
        yield path, path.read_text(encoding="utf-8", errors="replace")


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


def _ucf(dataset: ActionSet, path: Path, text: str) -> Iterator[_Row]:
    part = TRAIN if path.name.startswith("train") else TEST
    for number, line in _lines(text):
        match = _UCF_LINE.fullmatch(line)
        if match is None:
            _refuse(dataset, path, number, "'<class>/<video>.avi', in train lists with a label behind it", line)
        yield match.group(1), match.group(2), part


def _hmdb(dataset: ActionSet, path: Path, text: str) -> Iterator[_Row]:
    named = _HMDB_FILE.fullmatch(path.name)
    assert named is not None, path
    for number, line in _lines(text):
        match = _HMDB_LINE.fullmatch(line)
        if match is None:
            _refuse(dataset, path, number, "'<video>.avi 0' (unused), 1 (train) or 2 (test)", line)
        if match.group(2) != "0":
            yield named.group(1), match.group(1), int(match.group(2))


_PARSERS: dict[ActionName, Callable[[ActionSet, Path, str], Iterator[_Row]]] = {"ucf101": _ucf, "hmdb51": _hmdb}


def _lines(text: str) -> Iterator[tuple[int, str]]:
    return ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip())


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


def _refuse(dataset: ActionSet, path: Path, number: int, expected: str, line: str) -> NoReturn:
    raise DataError(f"{path}, line {number}: expected {expected}; came {line[:120]!r}. {_again(dataset)}")


def _again(dataset: ActionSet) -> str:
    return f"Get the official lists from {dataset.source}"
