"""Values given by --set keep the type that the study gives them."""

from __future__ import annotations

import pytest
from support import ToyTask

import kdsearch as kd
from kdsearch.cli.common import parse_settings


@pytest.mark.parametrize("choices", [["1e3", "true", "07", "-1"], [1000.0, True, "07", -1], [1, 2.5, "x", False]])
def test_a_choice_is_found_by_its_words(choices: list[object]) -> None:
    def train(params: dict[str, object], seed: int, report: object) -> float:
        return 0.5

    study = kd.Study("words", train, {"x": kd.categorical(choices), "rate": kd.uniform(0, 1)})  # type: ignore[arg-type]
    for choice in choices:
        text = str(choice).lower() if isinstance(choice, bool) else str(choice)
        (found,) = parse_settings([f"x={text}"], study).values()
        assert (type(found), found) == (type(choice), choice)
    assert parse_settings(["rate=1e-1"], study) == {"rate": 0.1}


def test_a_word_by_default_stays_a_word_and_numbers_are_numbers() -> None:
    study = kd.Study("toy", ToyTask(), {"alpha": kd.uniform(0, 1)})
    assert parse_settings(["alpha=1"], study) == {"alpha": 1}
    functions = kd.Study(
        "f", lambda params, seed, report: 0.5, {"x": kd.uniform(0, 1)}, defaults={"version": "1", "flag": False}
    )
    assert parse_settings(["version=07", "flag=true"], functions) == {"version": "07", "flag": True}
