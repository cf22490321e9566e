"""Which action videos are there, and whether they are whole: rows for ``kdsearch data list`` and ``verify``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kdsearch.data.action.declaration import ActionVideos
from kdsearch.data.action.lists import read_lists
from kdsearch.data.action.locate import find_clips, listed, lists_place, media_folder
from kdsearch.data.action.sets import ACTION_SETS, ActionSet
from kdsearch.data.findings import Available, Finding
from kdsearch.data.video import count_frames
from kdsearch.errors import DataError


def available_actions(root: Path | None = None) -> list[Available]:
    """One row a set, of its split 1.

    The fingerprint is "stand-in" where no videos were found, and "unreadable" with the reason in place of where.
    """
    rows = list[Available]()
    for key, dataset in ACTION_SETS.items():
        data, media = ActionVideos(key, root=root), media_folder(dataset, root)
        where = f"stand-in, not {dataset.title}" if media is None else str(media)
        try:
            count, fingerprint = len(data.parts().labels), "stand-in" if media is None else data.fingerprint()
            rows.append(Available(key, "frames", where, count, data.num_classes, fingerprint))
        except DataError as error:
            rows.append(Available(key, "frames", str(error), clips=0, classes=0, fingerprint="unreadable"))
    return rows


def verify_actions(root: Path | None = None) -> list[Finding]:
    """Read all lists and decode all listed videos to their end.

    One finding for each set's lists and one for its videos, or one for each broken one; none for what is not there.
    """
    findings = list[Finding]()
    for dataset in ACTION_SETS.values():
        for split in (1, 2, 3):
            place = lists_place(dataset, root, split)
            if place is not None:
                findings.append(_lists(dataset, place, split))
        media = media_folder(dataset, root)
        if media is not None:
            findings += _videos(dataset, media, root)
    return findings


def _lists(dataset: ActionSet, place: Path, split: int) -> Finding:
    try:
        rows = read_lists(dataset, place, split)
    except DataError as error:
        return Finding(place, False, str(error))
    classes = len({row.class_name for row in rows})
    message = f"{dataset.title} lists of split {split}: {len(rows)} clips of {classes} of {dataset.classes} classes"
    return Finding(place, True, message)


def _videos(dataset: ActionSet, media: Path, root: Path | None) -> list[Finding]:
    # Splits of HMDB51 leave different clips out: each of the three asks for its own.
    paths, findings = dict[Path, None](), list[Finding]()
    for split in (1, 2, 3):
        if split > 1 and lists_place(dataset, root, split) is None:
            continue  # split 1 alone is enough for a study
        try:
            rows = listed(dataset, media, root, split)
            paths.update(dict.fromkeys(clip.path for clip in find_clips(dataset, media, rows)))
        except DataError as error:
            findings.append(Finding(media, False, str(error)))

    def fault(path: Path) -> Finding | int:
        try:
            return count_frames(path)
        except DataError as error:
            return Finding(path, False, str(error))

    with ThreadPoolExecutor() as pool:
        results = list(pool.map(fault, paths))
    findings += [result for result in results if not isinstance(result, int)]
    if not findings:
        frames = sum(result for result in results if isinstance(result, int))
        findings.append(Finding(media, True, f"{dataset.title}: {len(paths)} clips, {frames} frames"))
    return findings
