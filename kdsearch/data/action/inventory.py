"""Which action videos there are, and whether they are whole."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from kdsearch.data.action.declaration import ActionVideos
from kdsearch.data.action.lists import read_lists
from kdsearch.data.action.locate import find_clips, listed, lists_location, media_folder
from kdsearch.data.action.sets import ACTION_SETS, ActionSet
from kdsearch.data.inventory import SYNTHETIC, Available, Finding, finding_of, row_of
from kdsearch.data.synthetic import not_real
from kdsearch.data.video import count_frames
from kdsearch.errors import DataError


def available(root: Path | None) -> Iterator[Available]:
    """One row a set, of its split 1."""
    for key, dataset in ACTION_SETS.items():
        where = media_folder(dataset, root) or not_real(dataset.title)
        yield row_of(key, "frames", where, partial(_counts, ActionVideos(key, root=root)))


def verify(root: Path | None) -> Iterator[Finding]:
    """Read all lists and decode all listed videos to their end.

    One finding for each set's lists and one for its videos, or one for each broken one; none for what is not there.
    """
    for dataset in ACTION_SETS.values():
        for split in (1, 2, 3):
            location = lists_location(dataset, root, split)
            if location is not None:
                yield finding_of(location, partial(_lists, dataset, location, split))
        media = media_folder(dataset, root)
        if media is not None:
            yield from _videos(dataset, media, root)


def _counts(data: ActionVideos) -> tuple[int, int, str]:
    count = len(data.parts().labels)
    return count, data.num_classes, SYNTHETIC if data.is_synthetic else data.fingerprint()


def _lists(dataset: ActionSet, location: Path, split: int) -> str:
    rows = read_lists(dataset, location, split)
    classes = len({row.class_name for row in rows})
    return f"{dataset.title} lists of split {split}: {len(rows)} clips of {classes} of {dataset.classes} classes"


def _videos(dataset: ActionSet, media: Path, root: Path | None) -> list[Finding]:
    # Splits of HMDB51 leave different clips out: each of the three asks for its own.
    paths, findings = dict[Path, None](), list[Finding]()
    for split in (1, 2, 3):
        if split > 1 and lists_location(dataset, root, split) is None:
            continue  # split 1 alone is enough for a study
        try:
            rows = listed(dataset, media, root, split)
            paths.update(dict.fromkeys(find_clips(dataset, media, rows)))
        except DataError as error:
            findings.append(Finding(media, False, str(error)))
    with ThreadPoolExecutor() as pool:
        videos = list(pool.map(lambda path: finding_of(path, lambda: str(count_frames(path))), paths))
    findings += [video for video in videos if not video.ok]
    if findings:
        return findings
    frames = sum(int(video.message) for video in videos)
    return [Finding(media, True, f"{dataset.title}: {len(paths)} clips, {frames} frames")]
