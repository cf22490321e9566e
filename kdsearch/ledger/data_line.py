"""What a study's data are called: in lists and reports, and in whatever is exported."""

from __future__ import annotations

import re

from kdsearch.data.synthetic import OLDER_WORDS, WORDS, not_real
from kdsearch.ledger.records import StudyRecord


def data_line(study: StudyRecord) -> str:
    """Return data and protocol; synthetic data are named as such in the first words.

    Descriptions in older ledgers call them a stand-in.
    """
    text = study.description.strip().rstrip(".")
    text = re.sub(rf"{OLDER_WORDS}(,? not \w)", rf"{WORDS}\1", text, flags=re.IGNORECASE)
    return f"{not_real('JHMDB')}: {text}" if OLDER_WORDS in text.lower() else text
