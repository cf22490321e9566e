"""What UCF101 and HMDB51 are called, where they may lie, and what a clip's name says about its source video."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from kdsearch.data.jhmdb.names import source_of
from kdsearch.errors import DataError

ActionName = Literal["ucf101", "hmdb51"]


@dataclass(frozen=True)
class ActionSet:
    """One of the two sets: its names, and those of the folders and files that it comes in."""

    key: ActionName
    title: str
    classes: int
    bases: tuple[str, ...]
    """Folders below the root, in which all else is looked for."""
    media: tuple[str, ...]
    """Folders below a base that may hold ``<class>/<video>``."""
    lists: tuple[str, ...]
    """Folders below a base that may hold the official lists as text."""
    example: str
    """A file of these lists."""
    source: str
    """Where the lists come from."""

    def is_clip(self, class_name: str, name: str) -> bool:
        """Whether a clip of this set may have this name in a folder of this class."""
        try:
            self.group(class_name, name)
        except DataError:
            return False
        return True

    def group(self, class_name: str, name: str) -> str:
        """The source video of a clip, within its class; ``DataError`` when the name does not tell it.

        UCF101: the group g01 to g25 (2,525 with the class). HMDB51: what stands before ``_<class>_<tags>_<number>``
        (2,291 with the class, 1,433 of them in the train list of split 1), the rule of JHMDB, whose videos are among
        them. In none of the official splits of either set is a group in both train and test. Films of HMDB51 that give
        clips to several classes are a group in each: the official lists have the same film in train of one class and
        in test of another (133 titles in split 1).
        """
        if self.key == "hmdb51":
            return source_of(name, class_name)
        match = re.fullmatch(r"v_.+_(g\d\d)_c\d\d", name)
        if match is None:
            raise DataError(
                f"video name {name!r}: expected 'v_<class>_g<two digits>_c<two digits>', as in "
                "'v_Archery_g01_c01'; without it the source video cannot be told. Restore the official name."
            )
        return f"{class_name}/{match.group(1)}"


UCF101 = ActionSet(
    key="ucf101",
    title="UCF101",
    classes=101,
    bases=("ucf101", "UCF101", "UCF-101"),
    media=("UCF-101", "videos", "frames", "jpg"),
    lists=("ucfTrainTestlist", "ucf101_splits"),
    example="ucfTrainTestlist/trainlist01.txt",
    source="https://www.crcv.ucf.edu/data/UCF101.php",
)
HMDB51 = ActionSet(
    key="hmdb51",
    title="HMDB51",
    classes=51,
    bases=("hmdb51", "HMDB51", "HMDB-51"),
    media=("hmdb51_org", "videos", "frames", "jpg"),
    lists=("testTrainMulti_7030_splits", "test_train_splits/testTrainMulti_7030_splits", "hmdb51_splits"),
    example="testTrainMulti_7030_splits/<class>_test_split1.txt",
    source="https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/",
)
ACTION_SETS: dict[ActionName, ActionSet] = {"ucf101": UCF101, "hmdb51": HMDB51}
