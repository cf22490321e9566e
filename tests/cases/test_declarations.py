"""Declarations that no study can be made of: refused when the file is read, all at once, with what is expected."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import ToyTask, declaration, toy_study

import kdsearch as kd
from kdsearch.engines.study_file import LoadedStudy, load
from kdsearch.errors import StudyFileError
from kdsearch.ledger.ledger import Ledger
from kdsearch.tasks import FunctionTask, VideoHashing

X = {"x": kd.uniform(0, 1)}


def train(params: Any, seed: int, report: Any) -> float:
    return 0.5


def declared(**changes: Any) -> kd.Study:
    return kd.Study(**{"name": "n", "task": train, "space": X, "budget": kd.Budget(runs=8), **changes})


# Tasks that are none


class Trainer:
    def __init__(self, width: int = 3) -> None:
        self.width = width

    def __call__(self, params: Any, seed: int, report: Any) -> float:
        return 0.5


class Half:
    """A task that forgets most of what a task has."""

    label = metric = "half"

    def train(self, request: Any, context: Any) -> None:
        raise NotImplementedError


def without_report(params: Any, seed: int) -> float:
    return 0.5


def with_width(params: Any, seed: int, report: Any, *, width: int) -> float:
    return 0.5


async def waiting(params: Any, seed: int, report: Any) -> float:
    return 0.5


def yielding(params: Any, seed: int, report: Any) -> Iterator[float]:
    yield 0.5


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Trainer, r"task is the class Trainer; expected an object of it, such as Trainer\(\.\.\.\)"),
        (VideoHashing, "task is the class VideoHashing"),
        (Half(), "a task of Half has no description, chance, parameters"),
        (yielding, "yielding yields; expected a function that returns its value"),
        (yielding({}, 0, None), "a callable .params, seed, report. -> objective, got generator"),
        (waiting, r"waiting is an async function; expected one that returns its value: call asyncio\.run"),
        (functools.partial(waiting), "is an async function"),
        (
            without_report,
            r"without_report\(params: .* is called as without_report\(params, seed, report\)",
        ),
        (with_width, "does not take: missing a required .*argument: 'width'"),
        ("train", "got str"),
    ],
)
def test_a_task_that_cannot_be_trained_is_refused(task: Any, message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        declared(task=task)


@pytest.mark.parametrize(
    "task",
    [functools.partial(with_width, width=3), Trainer(), Trainer().__call__, lambda *given: 0.5],
    ids=["partial", "object", "method", "lambda"],  # texts of objects differ between processes
)
def test_whatever_can_be_called_as_a_task_is_one(task: Any) -> None:
    assert isinstance(declared(task=task).task, FunctionTask)


def test_a_decorator_may_give_the_function_more_than_it_is_called_with() -> None:
    @functools.wraps(with_width)
    def wrapper(params: Any, seed: int, report: Any) -> float:
        return with_width(params, seed, report, width=3)

    assert declared(task=wrapper).task.parameters == {"x": 0.5}


# Fields of another kind


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": 3}, r"budget is kd\.Budget\(runs=3\), got 3"),
        ({"budget": "60"}, r"budget is kd\.Budget\(runs=200\), got '60'"),
        ({"confirm": 5}, r"confirm is kd\.Confirm\(seeds=10\), got 5"),
        ({"space": None}, "the space is empty"),
        ({"space": [1]}, r"space=\[1\]: expected a dict"),
        (
            {"space": {"x": (1e-3, 1.0)}},
            r"x must be kd\.uniform, .* got \(0\.001, 1\.0\); write kd\.uniform\(0\.001, 1\.0\)",
        ),
        ({"space": {"x": [16, 32]}}, r"x must be .*; write kd\.categorical\(\[16, 32\]\)"),
        ({"space": {"x": kd.uniform}}, "x must be kd.uniform, .* got <function uniform"),
        ({"presets": ["a"]}, r"presets=\['a'\]: expected a dict"),
        ({"presets": {"a": 3}}, "preset 'a': expected a dict of fields of the study, got 3"),
        ({"presets": {"a": {"budget": 8}}}, r"preset 'a': budget is kd\.Budget\(runs=8\), got 8"),
        ({"presets": {"a": {"budgt": 8}}}, "preset 'a': unknown 'budgt'; did you mean 'budget'"),
        ({"presets": {"a": {"task": VideoHashing}}}, "preset 'a': task is a dict"),
        (
            {"presets": {"a": {"task": {"chanse": 1}}}},
            "preset 'a': FunctionTask has no argument 'chanse'; did you mean",
        ),
        ({"presets": {"a": {"task": {"chance": "1"}}}}, "preset 'a': .* expected chance=NUMBER"),
        ({"min_effect": -1}, "min_effect must be above 0, a finite number, got -1"),
        ({"min_effect": "0.1"}, "min_effect must be above 0, a finite number, got '0.1'"),
        ({"min_effect": True}, "got True"),
        ({"min_effect": float("inf")}, "got inf"),
        ({"seed": -1}, "seed=-1: expected a whole number from 0"),
        ({"seed": 1.5}, "seed=1.5: expected a whole number"),
        ({"preflight_seeds": "3"}, "preflight_seeds='3': expected a whole number"),
        ({"chance": "0"}, "chance='0': expected a finite number"),
        ({"chance": float("nan")}, "chance=nan: expected a finite number"),
        ({"published": [("theirs", 0.5)]}, r"published is a list of kd\.Published\(.*got \('theirs', 0.5\)"),
        ({"vary": 3}, "vary=3: expected names of random streams"),
        ({"folds": "5"}, "folds is a whole number, 1 or more, got '5'"),
        ({"teachers": 2.5}, "teachers is 'several', a number or 'one', got 2.5"),
        ({"run_timeout": "5"}, "run_timeout='5': expected seconds"),
        ({"budgets": 3}, r"Study has no argument 'budgets'; did you mean 'budget'\?"),
    ],
)
def test_a_field_of_another_kind_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        declared(**changes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: kd.Budget(runs="60"), "runs='60': expected a whole number from 2"),
        (lambda: kd.Budget(runs=10**9), "runs=1000000000: expected a whole number from 2 to 10000000"),
        (lambda: kd.Budget(hours=True), "hours=True: a budget of hours must be a number above 0"),
        (lambda: kd.Budget(gpu_hours=float("inf")), "gpu_hours=inf"),
        (lambda: kd.Budget(run=3), r"Budget has no argument 'run'; did you mean 'runs'\?"),
        (lambda: kd.Confirm(seeds=2.5), "seeds=2.5: expected a whole number"),
        (lambda: kd.Confirm(seed=3), "did you mean 'seeds'"),
        (lambda: kd.Fixed(seeds="5"), "seeds='5': expected a whole number"),
        (lambda: kd.Fixed(seeds=1), "Fixed needs 2 seeds or more, since one seed is not a result; got 1"),
        (lambda: kd.Adaptive(stop_early="no"), "stop_early='no': expected True or False"),
        (lambda: kd.Published("theirs", "0.5"), "value='0.5': expected a finite number"),
        (lambda: kd.Published("a\x00", 0.5), "without NUL"),
    ],
)
def test_settings_of_another_kind_are_refused(make: Any, message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FunctionTask(train, chanse=0.0), r"FunctionTask has no argument 'chanse'; did you mean 'chance'\?"),
        (lambda: FunctionTask(train, [1], chance=0.0), r"parameters is a dict of names with defaults, got \[1\]"),
        (lambda: FunctionTask(train, {"x": float("nan")}, chance=0.0), "parameter 'x'=nan: expected a value that JSON"),
        (lambda: FunctionTask(train, {"x": "a\x00"}, chance=0.0), "parameter 'x'=.* without NUL"),
        (lambda: FunctionTask(train, {"x": object()}, chance=0.0), "expected a value that JSON can hold"),
        (lambda: FunctionTask(train, {"": 1}, chance=0.0), "parameter ''=1: expected a name"),
        (lambda: FunctionTask(train, chance="0"), "expected chance=NUMBER.* got '0'"),
        (lambda: FunctionTask(train, chance=1e60), r"expected chance=NUMBER.* got 1e\+60"),
        (lambda: FunctionTask(train, chance=0.0, metric=3), "metric=3: expected a text"),
        (lambda: FunctionTask(train, chance=0.0, label="a\x00"), "label='a.x00': expected a text without NUL"),
        (lambda: FunctionTask(waiting, chance=0.0), "async function"),
        (lambda: FunctionTask(train, chance=0.0).with_options(chanse=1), "did you mean 'chance'"),
        (lambda: FunctionTask(train, chance=0.0).with_options(has_teacher=True), "no such option"),
    ],
)
def test_a_function_task_of_other_kinds_is_refused(make: Any, message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        make()


def test_what_a_task_says_that_json_cannot_hold_is_refused_before_it_is_stored(ledger: Ledger) -> None:
    study = toy_study(task=ToyTask(gain=np.float32(0.5), parameters={"alpha": np.float32(0.5), "rate": 0.3}))  # type: ignore[arg-type]
    assert [type(value) for value in study.defaults.values()] == [float, float]
    with pytest.raises(
        StudyFileError, match=r"what identity\(\) of ToyTask gives: expected a value that JSON can hold"
    ):
        ledger.open_study(LoadedStudy(Path(__file__), study).declaration())
    assert ledger.studies() == []


def test_a_problem_alone_is_said_in_one_line() -> None:
    with pytest.raises(StudyFileError) as told:
        kd.Budget(runs="a")  # type: ignore[arg-type]
    assert re.fullmatch(r"kd\.Budget: runs='a'[^\n]*", str(told.value))


def test_all_problems_of_a_study_are_said_at_once() -> None:
    with pytest.raises(StudyFileError) as told:
        declared(name="a b", budget=3, min_effect=-1, seed="3", space={"x": (0, 1), "y": kd.integer(1, 9)})
    assert str(told.value).startswith("study 'a b' has 5 problems:\n  - a name has letters")
    for part in ("x must be kd.uniform", "budget is kd.Budget(runs=3)", "min_effect must be", "seed='3'"):
        assert f"\n  - {part}" in str(told.value)
    with pytest.raises(
        StudyFileError, match=r"has 3 problems:(.|\n)*min_effect(.|\n)*without: unknown(.|\n)*question is"
    ):
        declared(min_effect=0, without={"y": 0}, question="both")
    with pytest.raises(StudyFileError, match=r"kd\.Budget has 2 problems:\n  - runs='a'.*\n  - hours='b'"):
        kd.Budget(runs="a", hours="b")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "a" * 300}, "a name has at most 200 characters; got 300"),
        ({"name": "a\x00"}, "a name has letters"),
        ({"name": "a=b"}, "a name has letters"),
        ({"name": 3}, "a name has letters.*got name=3"),
        ({"space": {"a" * 300: X["x"]}}, "expected a name of at most 200 characters, got 300"),
        ({"space": {"a\x00": X["x"]}}, r"space, parameter 'a\\x00': expected a name without control characters"),
        ({"space": {"a\x1b[31m": X["x"]}}, "without control characters"),
        ({"space": {"\ud800": X["x"]}}, "without control characters"),
        ({"space": {"": X["x"]}}, "a text that is not empty"),
        ({"space": {3: X["x"]}}, "space, parameter 3: expected a name"),
        ({"baselines": {"": {"x": 0.1}}}, "baseline '': expected a name"),
        ({"presets": {None: {}}}, "preset None: expected a name"),
        ({"defaults": {"a\n": 1}}, "defaults, parameter .*without control characters"),
    ],
)
def test_names_that_cannot_be_stored_or_shown_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        declared(**changes)


def test_names_with_signs_are_names() -> None:
    names = ["lr [head]", "lr[/head]", "a=b", "größe"]
    assert list(declared(name="a.b-c_1", space=dict.fromkeys(names, X["x"])).task.parameters) == names


# Dimensions


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: kd.categorical([(64, 32), (128, 64)]), r"\(64, 32\) is a group; name each group by a word"),
        (lambda: kd.categorical("a\x00", "b"), "cannot be stored: expected a text without NUL"),
        (lambda: kd.categorical("\ud800", "b"), "half surrogate pairs"),
        (lambda: kd.categorical(float("nan"), 1), "nan is neither a word, a finite number"),
        (lambda: kd.categorical({"a": 1, "b": 2}), "is neither a word"),
        (lambda: kd.categorical(b"ab"), "is neither a word"),
        (lambda: kd.categorical(1, True), "two or more different choices"),
        (lambda: kd.categorical([1, True]), r"1 and True are equal in Python; name them by words, such as '1'"),
        (
            lambda: kd.categorical([0, False, 0.0]),
            r"got \(0, False, 0\.0\): 0 and False are equal in Python; name them",
        ),
        (lambda: kd.categorical("a", 1, 1.0), r"1 and 1\.0 are equal in Python"),
        (lambda: kd.categorical(0.0, -0.0), r"-0\.0 is there twice"),
        (lambda: kd.categorical("a", "b", "a"), "'a' is there twice"),
        (lambda: kd.categorical(16, np.int64(16)), "two or more different choices"),
        (lambda: kd.uniform("0", "1"), "a range needs numbers, got low='0', high='1'"),
        (lambda: kd.uniform(True, 2), "a range needs numbers, got low=True"),
        (lambda: kd.uniform(None, 1), "a range needs numbers, got low=None"),
        (lambda: kd.uniform(1j, 2), "a range needs numbers"),
        (lambda: kd.uniform([0], [1]), "a range needs numbers"),
        (lambda: kd.uniform(0, 10**400), "finite low < high"),
        (lambda: kd.uniform(-1e308, 1e308), "finite low < high"),
        (lambda: kd.log(-1, 1), "low > 0"),
        (lambda: kd.integer("1", "4"), "whole low < high"),
        (lambda: kd.integer(False, 4), "whole low < high"),
        (lambda: kd.integer(1.5, 4), "whole low < high"),
        (lambda: kd.integer(0, 10**400), "whole low < high"),
        (lambda: kd.integer(1, 4, log="yes"), "log is True or False, got 'yes'"),
        (lambda: kd.when((0, 1), mode="a"), r"expected a dimension and one condition.*got \(0, 1\)"),
    ],
)
def test_a_dimension_that_cannot_be_searched_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_numbers_of_numpy_and_torch_become_python_values() -> None:
    dimensions = {
        "a": kd.uniform(np.float32(0.5), np.int64(2)),
        "b": kd.log(torch.tensor(0.5), Decimal("2")),
        "c": kd.integer(np.int64(1), np.array(5)),
        "d": kd.categorical(np.array([16, 32])),
        "e": kd.categorical(np.str_("a"), np.bool_(True), Fraction(1, 2), None),
        "f": kd.when(kd.integer(1.0, 4), e=np.str_("a")),
    }
    study = declared(
        space=dimensions,
        defaults={"g": np.float64(0.25), "e": "a"},
        baselines={np.str_("b"): {"a": np.float32(0.5), "b": 1, "c": np.float64(4), "d": np.int32(16), "f": 2.0}},
        min_effect=np.float32(0.5),
        seed=np.int64(3),
        preflight_seeds=np.uint8(0),
        chance=np.array(0.0),
        budget=kd.Budget(runs=np.int64(8), hours=np.float32(1)),
        confirm=kd.Confirm(seeds=np.int16(4), finalists=1.0, others=np.int64(2)),
    )

    def kinds(value: Any) -> set[type]:
        if isinstance(value, dict):
            return {kind for key, inner in value.items() for kind in (type(key), *kinds(inner))}
        if isinstance(value, list | tuple):
            return {kind for inner in value for kind in kinds(inner)}
        return {type(value)}

    assert kinds([study.identity(), study.settings(), study.defaults]) <= {str, int, float, bool, type(None)}
    assert study.explicit(study.baselines["b"]) == {"a": 0.5, "b": 1, "c": 4, "d": 16, "e": "a", "f": 2, "g": 0.25}
    assert study.space["e"].choices == ("a", True, 0.5, None)  # type: ignore[union-attr]
    assert [type(study.space[name].low) for name in "abcf" if name != "f"] == [float, float, int]  # type: ignore[union-attr]


# Baselines and values of other kinds


@pytest.mark.parametrize(
    ("space", "values", "message"),
    [
        ({"n": kd.integer(1, 9)}, {"n": "0.1"}, "baseline 'b': n='0.1' cannot be used: expected a whole number"),
        ({"n": kd.integer(1, 9)}, {"n": 4.5}, "n=4.5 cannot be used: expected a whole number"),
        ({"n": kd.integer(1, 9)}, {"n": True}, "n=True cannot be used: expected a whole number"),
        (X, {"x": "0.1"}, "x='0.1' cannot be used: expected a number"),
        (X, {"x": True}, "x=True cannot be used: expected a number"),
        (X, {"x": None}, "x=None cannot be used: expected a finite number, a word"),
        (X, {"x": float("inf")}, "x must be finite, got inf"),
        (X, {"x": 10**400}, "cannot be used"),
        (X, {"x": [0.1]}, r"x=\[0.1\] cannot be used"),
        ({"c": kd.categorical("cse", "mse")}, {"c": 1}, "expected one of 'cse', 'mse'"),
        ({"c": kd.categorical("cse", "mse")}, {"c": "a\x00"}, "without NUL"),
        ({"c": kd.categorical("cse", "mse")}, {"c": None}, "cannot be used"),
    ],
)
def test_a_baseline_of_another_kind_is_refused(space: Any, values: Any, message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        declared(space=space, baselines={"b": values})


def test_a_baseline_may_be_none_of_the_choices() -> None:
    space = {"net": kd.categorical("resnet18", "resnet34"), "x": kd.log(0.1, 1)}
    assert declared(space=space, baselines={"b": {"net": "resnet50", "x": 0}}).baselines["b"]["net"] == "resnet50"


def test_a_baseline_is_of_the_kind_of_the_tasks_default() -> None:
    task = FunctionTask(train, {"x": 0.5, "loss": "mse", "epochs": 3}, chance=0.0)
    with pytest.raises(StudyFileError, match=r"baseline 'b': epochs='8' cannot be used: .* such as its default 3"):
        declared(task=task, baselines={"b": {"epochs": "8"}})
    for values in ({"epochs": "until it is good"}, {"epochs": None}, {"loss": [0.5, 1.0]}):
        assert declared(task=task, baselines={"b": values}).baselines["b"] == values, "a function reads what it likes"
    own = toy_study().task
    for values, wrong in (
        ({"rate": None}, "rate=None"),
        ({"rate": "much"}, "rate='much'"),
        ({"rate": [1]}, "rate=.1."),
    ):
        with pytest.raises(StudyFileError, match=f"{wrong} cannot be used: expected a"):
            declared(task=own, space={"alpha": kd.uniform(0, 1)}, baselines={"b": values})
    assert declared(task=task, baselines={"b": {"epochs": 8, "loss": "ce"}}).baselines["b"] == {
        "epochs": 8,
        "loss": "ce",
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, "x", None, True])
def test_a_value_of_a_number_is_a_finite_one(value: Any) -> None:
    """Outside of the space it may lie, as a published setting does."""
    study = toy_study(space={"alpha": kd.uniform(0, 1)})
    with pytest.raises(StudyFileError, match="cannot be used: expected a number from 0 to 1"):
        study.check({"alpha": value})
    study.check({"alpha": 7})
    with pytest.raises(StudyFileError, match="alpha=7 cannot be used"):
        study.check({"alpha": 7}, inside=True)


def test_a_whole_number_is_one_for_the_function_too() -> None:
    study = declared(space={"n": kd.integer(1, 9)}, baselines={"b": {"n": 4.0}})
    for values in (study.baselines["b"], study.explicit({"n": 3.0}), study.explicit({"n": np.float32(3)})):
        assert [type(value) for value in values.values()] == [int]
    with pytest.raises(StudyFileError, match=r"n=3\.5 cannot be used: expected a whole number"):
        study.check({"n": 3.5})


def test_the_name_of_the_random_streams_is_no_parameter_of_a_function() -> None:
    for changes in ({"space": {"vary": X["x"]}}, {"defaults": {"vary": 3}}, {"baselines": {"b": {"x": 1, "vary": 1}}}):
        with pytest.raises(StudyFileError, match=r"'vary' names the random streams .* give this one another name"):
            declared(**changes)
    assert declared(defaults={"vary": "initialisation+order"}).defaults["vary"] == "initialisation+order"


def test_nothing_is_stored_of_a_study_that_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    text = (
        "import numpy as np\nimport kdsearch as kd\n\n\ndef train(params, seed, report):\n    return 0.5\n\n\n"
        "study = kd.Study('n', train, {'x': kd.uniform(0, 1)}, baselines={'b': {'x': %s}}, budget=kd.Budget(runs=8))\n"
    )
    file.write_text(text % "'0.1'")
    with pytest.raises(StudyFileError, match=r"x='0\.1' cannot be used"):
        ledger.open_study(load(file).declaration())
    assert ledger.studies() == []
    file.write_text(text % "np.float32(0.5)")
    record, _ = ledger.open_study(load(file).declaration())
    assert ledger.study(record.name).identity["baselines"] == {"b": {"x": 0.5}}


def test_none_is_a_choice_from_the_file_to_the_ledger_and_back(ledger: Ledger) -> None:
    space = {"m": kd.categorical(None, "a"), "w": kd.when(kd.uniform(0, 1), m=None)}
    study = declared(space=space, baselines={"b": {"m": None, "w": 0.3}, "c": {"m": "a"}})
    record, _ = ledger.open_study(declaration(study))
    assert [row.params for row in ledger.search_state(record.id).configurations.values()] == [
        {"m": None, "w": 0.3},
        {"m": "a", "w": 0.5},
    ]
    assert record.settings.space["m"].choices == (None, "a")  # type: ignore[union-attr]
