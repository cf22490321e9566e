"""The words by which every table, note and log says that data are synthetic."""

from __future__ import annotations

WORDS = "synthetic data"
OLDER_WORDS = "stand-in"
"""What descriptions that are stored in older ledgers say; labels, identities and fingerprints still do."""


def not_real(title: str) -> str:
    """What a description of synthetic data begins with, such as ``synthetic data, not JHMDB``."""
    return f"{WORDS}, not {title}"


def says_synthetic(description: str) -> bool:
    """Whether a description says that the data are synthetic, in the words of today or of an older ledger."""
    text = description.lower()
    return not_real("") in text or OLDER_WORDS in text
