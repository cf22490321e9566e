"""What data is there, and whether it is whole: for ``kdsearch data list`` and ``kdsearch data verify``."""

from __future__ import annotations

from pathlib import Path

from kdsearch.data.action.inventory import available_actions, verify_actions
from kdsearch.data.findings import Available, Finding
from kdsearch.data.images.inventory import available_images, verify_images
from kdsearch.data.jhmdb.inventory import available_jhmdb, verify_jhmdb


def available(root: Path | None = None) -> list[Available]:
    """One row a modality of JHMDB, one for each of UCF101 and HMDB51, and one a set of images.

    ``fingerprint`` is "stand-in" where no real data was found, and "unreadable" with no clips and the reason in
    ``where`` where it cannot be read.
    """
    return [*available_jhmdb(root), *available_actions(root), *available_images(root)]


def verify(root: Path | None = None) -> list[Finding]:
    """Read every archive and official file under ``root`` to its end; one finding each, empty where there is none."""
    return [*verify_jhmdb(root), *verify_actions(root), *verify_images(root)]
