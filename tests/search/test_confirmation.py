"""What a winner is compared with on fresh seeds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kdsearch.search.confirmation import other_side


@pytest.mark.parametrize(
    ("question", "best", "expected"),
    [("ablation", 7, 5), ("ablation", None, 5), ("best without", 7, 7), ("best without", None, 5)],
)
def test_the_other_side_is_that_of_the_studys_question(question: str, best: int | None, expected: int) -> None:
    """The winner without distillation too where nothing was searched without it."""
    study: Any = SimpleNamespace(settings=SimpleNamespace(question=question), best_without_id=best, ablation_id=5)
    assert other_side(study) == expected
