"""Which seed numbers a pool uses. Fresh seeds are common to all that is compared, so that differences are paired."""

from __future__ import annotations

from kdsearch.ledger.records import FIRST_CONFIRM_SEED

FIRST_PREFLIGHT_SEED = 1_000_000
FIRST_TEACHER_SEED = 2_000_000


def search_seed(index: int) -> int:
    """The n-th seed of the search pool."""
    return index


def confirm_seed(index: int) -> int:
    """The n-th fresh seed; the ledger refuses such a seed in any other pool."""
    return FIRST_CONFIRM_SEED + index


def preflight_seed(index: int) -> int:
    """The n-th seed of the student alone in the pre-flight."""
    return FIRST_PREFLIGHT_SEED + index


def teacher_seed(index: int) -> int:
    """The n-th candidate for the study's one teacher."""
    return FIRST_TEACHER_SEED + index


def teacher_seed_for(student_seed: int) -> int:
    """The seed of the teacher that serves one student seed, where each seed has its own teacher."""
    if student_seed >= FIRST_CONFIRM_SEED:
        return 2**30 + 2**29 + (student_seed - FIRST_CONFIRM_SEED)
    return 2**30 + student_seed
