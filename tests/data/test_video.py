from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdsearch.data.video import count_frames, frames_in, read_clip
from kdsearch.errors import DataError
from tests.data.action.layout import is_close, write_frames, write_video


@pytest.mark.parametrize(
    ("length", "count", "wanted"),
    [
        (12, 4, [0, 3, 6, 9]),
        (10, 4, [0, 2, 5, 8]),  # 2.5 to the even one, 7.5 too
        (3, 6, [0, 0, 1, 2, 2, 2]),  # 0, .5, 1, 1.5, 2, 2.5 (clamped)
        (1, 3, [0, 0, 0]),
    ],
)
@pytest.mark.parametrize("form", ["video", "frames"])
def test_frames_are_those_of_the_uniform_rule(
    tmp_path: Path, form: str, length: int, count: int, wanted: list[int]
) -> None:
    path = tmp_path / ("clip.avi" if form == "video" else "clip")
    (write_video if form == "video" else write_frames)(path, 5, length)
    clip = read_clip(path, count, 16)
    assert clip.shape == (count, 16, 16, 3)
    assert clip.dtype == np.uint8
    assert is_close(clip, 5, wanted), clip.mean((1, 2))
    assert not is_close(clip, 5, [frame + 1 for frame in wanted])
    assert not is_close(clip, 6, wanted)
    assert count_frames(path) == length


def test_frames_are_ordered_by_number(tmp_path: Path) -> None:
    write_frames(tmp_path / "clip", 0, 12, "{}.jpg")
    assert [path.name for path in frames_in(tmp_path / "clip")][:3] == ["1.jpg", "2.jpg", "3.jpg"]
    clip = read_clip(tmp_path / "clip", 12, 8)
    assert is_close(clip, 0, list(range(12))), clip.mean((1, 2))


def test_resized_and_cut_as_the_original_does(tmp_path: Path) -> None:
    from PIL import Image

    draws = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    (tmp_path / "clip").mkdir()
    Image.fromarray(draws).save(tmp_path / "clip/1.png")
    with Image.open(tmp_path / "clip/1.png") as image:
        # torchvision's Resize((128, 171)) and CenterCrop(112), which rounds the left edge 29.5 to the even 30.
        original = np.asarray(image.resize((171, 128), Image.Resampling.BILINEAR)).astype(int)
    clip = read_clip(tmp_path / "clip", 1, 112)[0]
    assert min(np.abs(clip - original[8:120, left : left + 112]).max() for left in (29, 30)) == 0


@pytest.mark.parametrize("content", [b"", b"no video, " * 100, b"RIFF\x00\x10\x00\x00AVI LIST" + bytes(500)])
def test_broken_videos_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.avi"
    path.write_bytes(content)
    for read in (lambda: read_clip(path, 4, 16), lambda: count_frames(path)):
        with pytest.raises(DataError, match="expected a video") as caught:
            read()
        assert str(path) in str(caught.value)


def test_broken_frames_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    write_frames(folder, 0, 3)
    (folder / "frame000002.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"frame000002.jpg: expected an image"):
        read_clip(folder, 3, 16)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: expected frames as .jpg or .png; came none"):
        read_clip(tmp_path / "empty", 3, 16)
