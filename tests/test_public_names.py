"""``import kdsearch as kd``: what a user finds behind ``kd.``."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import kdsearch as kd


def test_dir_lists_the_public_names_before_they_are_imported() -> None:
    script = (
        "import kdsearch as kd; print([name for name in dir(kd) if not name.startswith('_')] == sorted(kd.__all__))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_each_public_name_is_there() -> None:
    assert [name for name in kd.__all__ if getattr(kd, name, None) is None] == []
    assert "__doc__" in dir(kd)


def test_parts_that_are_no_public_names_are_there_too() -> None:
    script = "import kdsearch as kd; print(kd.errors.KdsearchError is kd.KdsearchError, kd.space.__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "True kdsearch.space\n"
    with pytest.raises(AttributeError, match="module 'kdsearch' has no attribute 'nothing'; it has: Adaptive"):
        _ = kd.nothing


def test_which_arguments_of_a_study_may_stand_without_their_names() -> None:
    """What a study file may write by position stays where it is, also when a field is added."""
    parameters = inspect.signature(kd.Study).parameters.values()
    named = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    assert sorted(named) == [
        "begin_with",
        "chance",
        "cost",
        "defaults",
        "direction",
        "folds",
        "overrides",
        "run_timeout",
        "without",
    ]
    assert [parameter.name for parameter in parameters][:6] == [
        "name",
        "task",
        "space",
        "baselines",
        "published",
        "budget",
    ]
