"""The 21 classes and 15 joints of JHMDB, and what a video's name says about where the video came from."""

from __future__ import annotations

import re

from kdsearch.errors import DataError

CLASSES: tuple[str, ...] = (
    "brush_hair", "catch", "clap", "climb_stairs", "golf", "jump", "kick_ball", "pick", "pour", "pullup", "push",
    "run", "shoot_ball", "shoot_bow", "shoot_gun", "sit", "stand", "swing_baseball", "throw", "walk", "wave",
)  # fmt: skip

JOINTS: tuple[str, ...] = (
    "neck", "belly", "face", "shoulder_r", "shoulder_l", "hip_r", "hip_l", "elbow_r", "elbow_l", "knee_r", "knee_l",
    "wrist_r", "wrist_l", "ankle_r", "ankle_l",
)  # fmt: skip

# Body part, camera motion, number of people, camera direction, quality, and the clip's number in its source video.
_TAGS = r"[a-z]+_[a-z]+_np\d+_[a-z]+_[a-z]+_\d+"


def source_of(name: str, class_name: str) -> str:
    """The source video of a clip: its class and its name without the ``_<class>_<tags>_<n>`` tail.

    ``DataError`` when the name does not end in such a tail.
    """
    match = re.fullmatch(rf"(.*)_{re.escape(class_name)}_{_TAGS}", name)
    if match is None:
        raise DataError(
            f"video name {name!r}: expected '<source>_{class_name}_<five tags>_<number>', as in "
            f"'April_09_{class_name}_u_nm_np1_ba_goo_0'; without it the source video cannot be told, and clips of one "
            "source would land in both train and test. Restore the official name."
        )
    return f"{class_name}/{match.group(1)}"


def film_of(name: str, class_name: str) -> str:
    """The film of a clip, whatever its class: its source video's name in small letters and digits, without a number.

    The same film gives clips to several classes, in pieces that are numbered (``A_Beautiful_Mind_3``) and under titles
    that differ in case and punctuation (``Box_Pushing``, ``box_pushing_1``): they count as one.
    ``DataError`` as ``source_of``.
    """
    title = source_of(name, class_name).removeprefix(f"{class_name}/").lower()
    letters = re.sub(r"[\W_]+", "", title)
    return re.sub(r"(?:part)?\d+$|ii+$", "", letters) or letters
