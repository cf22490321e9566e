"""Small UCF101 and HMDB51 made for the tests: videos that say in their colours which frame of which clip one sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CLASSES = ("Archery", "Bowling", "CliffDiving")
GROUPS = {"g01": "test", "g02": "train", "g03": "train", "g04": "train"}
ACTIONS = ("cart_wheel", "wave")
FILMS = {"Film_A": 1, "Film_B_(x)_[y]": 1, "Third#film!": 1, "Held_out": 2, "Unused": 0}


def colour(clip: int, frame: int) -> tuple[int, int, int]:
    """Red counts frames up to 12, green counts clips up to 24."""
    return 8 + 20 * frame, 10 + 10 * clip, 60


def is_close(pixels: NDArray[np.uint8], clip: int, frames: list[int]) -> bool:
    """Whether ``pixels`` ``(T, H, W, 3)`` are these frames of a clip: each counts to less than half a step."""
    error = np.abs(pixels.mean((1, 2)) - [colour(clip, frame) for frame in frames])
    return bool((error[:, 0] < 9).all() and (error[:, 1] < 4.5).all())


def write_video(path: Path, clip: int, length: int, width: int = 64, height: int = 48) -> None:
    """An MPEG-4 in .avi, as the official ones are."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, options={"qmin": "1", "qmax": "1", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for t in range(length):
            frame = np.broadcast_to(np.array(colour(clip, t), dtype=np.uint8), (height, width, 3)).copy()
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def write_frames(folder: Path, clip: int, length: int, pattern: str = "frame{:06d}.jpg") -> None:
    """Extracted frames, counted from 1."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for t in range(length):
        Image.new("RGB", (64, 48), colour(clip, t)).save(folder / pattern.format(t + 1), quality=95)


def ucf_names() -> list[tuple[str, str, str]]:
    """Class, video and part of 24 clips: two of each group."""
    return [
        (name, f"v_{name}_{group}_c0{i}", part) for name in CLASSES for group, part in GROUPS.items() for i in (1, 2)
    ]


def write_ucf_lists(folder: Path, split: int = 1) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    train = [f"{c}/{n}.avi {CLASSES.index(c) + 1}\n" for c, n, part in ucf_names() if part == "train"]
    test = [f"{c}/{n}.avi\n" for c, n, part in ucf_names() if part == "test"]
    (folder / f"trainlist0{split}.txt").write_text("".join(train))
    (folder / f"testlist0{split}.txt").write_text("".join(test))


def lengths() -> list[int]:
    return [3 + i % 7 for i in range(len(ucf_names()))]


def write_ucf(root: Path, media: str = "UCF-101", *, frames: bool = False) -> Path:
    """Videos or frames of 24 clips in ``root/media`` and their lists beside it."""
    for clip, ((class_name, name, _), length) in enumerate(zip(ucf_names(), lengths(), strict=True)):
        place = root / media / class_name / name
        if frames:
            write_frames(place, clip, length)
        else:
            write_video(place.with_name(f"{name}.avi"), clip, length)
    write_ucf_lists(root / "ucfTrainTestlist")
    return root


def hmdb_names() -> list[tuple[str, str, int]]:
    """Class, video and part of 20 clips: two of each film and class."""
    return [
        (c, f"{film}_{c}_u_cm_np1_fr_med_{i}", part) for c in ACTIONS for film, part in FILMS.items() for i in (0, 1)
    ]


def write_hmdb_lists(folder: Path, split: int = 1) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for action in ACTIONS:
        lines = [f"{name}.avi {part} \n" for c, name, part in hmdb_names() if c == action]
        (folder / f"{action}_test_split{split}.txt").write_text("".join(lines))


def write_hmdb(root: Path) -> Path:
    """Videos of the clips that split 1 uses, and its lists."""
    for clip, (action, name, part) in enumerate(hmdb_names()):
        if part:
            write_video(root / "hmdb51_org" / action / f"{name}.avi", clip, 4)
    write_hmdb_lists(root / "testTrainMulti_7030_splits")
    return root
