"""What a study file brings with it: modules beside it, classes that other processes import, values that it binds."""

from __future__ import annotations

import ast
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import Loaded, declaration, toy_study

import kdsearch as kd
from kdsearch.cli.launch_header import header
from kdsearch.engines.devices import slots
from kdsearch.engines.helper_modules import helper_modules, imported
from kdsearch.engines.launch import Launch
from kdsearch.engines.study_file import LoadedStudy, load
from kdsearch.errors import StudyFileError
from kdsearch.ledger.ledger import Ledger

STUDY = """
import functools
import os

import numpy as np

import kdsearch as kd
{imports}


class Doubled:
    def __init__(self, factor=2):
        self.factor = factor

    def __call__(self, params, seed, report):
        return self.factor * params["x"]

    def fit(self, params, seed, report):
        return self.factor


WIDTH = {width}


def train(params, seed, report):
    {body}


def bound(params, seed, report, width):
    return width


def make(value):
    def inner(params, seed, report):
        return 0.5 + 0 * value

    return inner


study = kd.Study("mine", {task}, {{"x": kd.uniform(0, 1)}}, budget=kd.Budget(runs={runs}))
"""


def written(folder: Path, task: str = "train", *, name: str = "mine.py", **parts: Any) -> LoadedStudy:
    """A study file in this folder, read."""
    folder.mkdir(exist_ok=True)
    parts = {"imports": "", "width": 3, "body": "return 0.5", "runs": 8, **parts}
    (folder / name).write_text(STUDY.format(task=task, **parts))
    return load(folder / name)


def value(loaded: LoadedStudy) -> Any:
    return loaded.study.task.function({"x": 0.25}, 0, None)  # type: ignore[attr-defined]


# Modules beside the study file


def test_a_module_beside_the_file_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "deep.py").write_text("VALUE = 0.25\n")
    (tmp_path / "helper.py").write_text("from package.deep import VALUE\n")
    (tmp_path / "later.py").write_text("VALUE = 0.5\n")
    loaded = written(
        tmp_path, imports="import helper", body="from later import VALUE; os.chdir('/'); return VALUE + helper.VALUE"
    )
    monkeypatch.chdir("/")
    assert value(loaded) == 0.75


def test_two_studies_have_each_its_own_helper_and_an_edited_one_is_read_again(tmp_path: Path) -> None:
    values = []
    for folder, text in (("one", "1"), ("other", "2"), ("one", "3")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "helper.py").write_text(f"VALUE = {text}  # {'#' * int(text)}\n")
        values.append(value(written(tmp_path / folder, imports="import helper", body="return helper.VALUE")))
    assert values == [1, 2, 3]


def test_a_study_file_named_like_a_package_does_not_stand_for_it(tmp_path: Path) -> None:
    (tmp_path / "optuna.py").write_text("raise RuntimeError('imported in place of the package')\n")
    written(tmp_path, name="torch.py")
    script = (
        f"import kdsearch as kd; kd.load({str(tmp_path / 'torch.py')!r}); import torch, optuna; optuna.create_study"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def test_helper_modules_are_part_of_the_code_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "deep.py").write_text("from . import sibling\n")
    (tmp_path / "package" / "sibling.py").write_text("VALUE = 1\n")
    (tmp_path / "later.py").write_text("VALUE = 1\n")
    (tmp_path / "stranger.py").write_text("VALUE = 1\n")
    parts = {"imports": "import package.deep", "body": "from later import VALUE; return VALUE"}
    hashes = [written(tmp_path, **parts).code_hash]
    for edited in ("package/sibling.py", "package/__init__.py", "later.py"):
        (tmp_path / edited).write_text("VALUE = 22\n")
        hashes.append(written(tmp_path, **parts).code_hash)
    assert len(set(hashes)) == 4
    (tmp_path / "stranger.py").write_text("VALUE = 22\n")
    assert written(tmp_path, **parts).code_hash == hashes[-1], "no source imports it"
    copy = tmp_path.parent / f"{tmp_path.name}-copy"
    tmp_path.rename(copy)
    assert written(copy, **parts, name="copy.py").code_hash == hashes[-1], "a copy elsewhere is the same trainer"


@pytest.mark.parametrize(
    "body",
    [
        "import importlib; return importlib.import_module('helper').VALUE",
        "from importlib import import_module; return import_module(name='helper').VALUE",
        "return __import__('helper').VALUE",
        "import helper; return helper.VALUE",
        "import importlib; return importlib.import_module('package.deep').VALUE",
        "import importlib; return importlib.import_module('.deep', 'package').VALUE",
        "import package.inner; return package.inner.VALUE",
    ],
)
def test_modules_that_a_call_names_are_part_of_the_code_too(tmp_path: Path, body: str) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "inner.py").write_text(
        "import importlib\nVALUE = importlib.import_module('.deep', __package__).VALUE\n"
    )
    hashes = []
    for content in ("VALUE = 1\n", "VALUE = 2  # longer\n"):
        (tmp_path / "helper.py").write_text(content)
        (tmp_path / "package" / "deep.py").write_text(content)
        loaded = written(tmp_path, body=body)
        hashes.append(loaded.code_hash)
    assert value(loaded) == 2
    assert hashes[0] != hashes[1]
    assert loaded.unseen == (), "what is seen is not said to be unseen"


@pytest.mark.parametrize(
    ("place", "body", "line"),
    [
        ("mine.py", "import importlib; return importlib.import_module('helper' + '').VALUE", 26),
        ("mine.py", "import runpy; return runpy.run_path('helper.py')['VALUE']", 26),
        ("other.py", "import other; return other.VALUE", 3),
    ],
)
def test_code_that_is_named_at_run_time_is_said_to_be_unseen(tmp_path: Path, place: str, body: str, line: int) -> None:
    (tmp_path / "other.py").write_text("import importlib\nNAME = 'json'\nVALUE = importlib.import_module(NAME)\n")
    (words,) = written(tmp_path, body=body).unseen
    assert words.endswith(f"(...) in {place}, line {line}")


@pytest.mark.parametrize("name", ["json", "time", "kdsearch"])
def test_what_is_named_as_a_library_beside_a_study_is_none_of_its_modules(tmp_path: Path, name: str) -> None:
    """The library is imported, and not the file: ``json`` from its file, ``time`` from no file at all."""
    study = tmp_path / "mine.py"
    study.write_text(f"import {name}\nimport helper\n")
    (tmp_path / "helper.py").write_text("VALUE = 1\n")
    (tmp_path / f"{name}.py").write_text("VALUE = 2\n")
    assert list(helper_modules([study], tmp_path)) == ["helper.py"]


def test_a_study_without_helpers_has_the_code_that_it_had(tmp_path: Path) -> None:
    loaded = written(tmp_path)
    tree = ast.parse((tmp_path / "mine.py").read_bytes())
    tree.body = tree.body[:-1]
    content = ast.unparse(tree).encode()
    assert loaded.code_hash == hashlib.sha256(b"study file\0" + content + b"\0").hexdigest()[:12]


def test_code_that_lies_elsewhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "faraway_helper.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    loaded = written(tmp_path / "studies", imports="import faraway_helper")
    assert loaded.unseen == (f"faraway_helper ({tmp_path / 'lib' / 'faraway_helper.py'})",)


def test_a_package_without_init_is_its_studys_own_and_is_named_where_it_lies_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("one", "other", "lib"):
        (tmp_path / folder / f"bare_{folder[0]}").mkdir(parents=True)
        (tmp_path / folder / f"bare_{folder[0]}" / "deep.py").write_text("VALUE = 1\n")
    assert value(written(tmp_path / "one", imports="import bare_o.deep", body="return bare_o.deep.VALUE")) == 1
    (tmp_path / "other" / "bare_o" / "__init__.py").write_text("VALUE = 2\n")
    assert value(written(tmp_path / "other", imports="import bare_o", body="return bare_o.VALUE")) == 2
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    loaded = written(tmp_path / "one", imports="import bare_l.deep")
    assert loaded.unseen == (f"bare_l ({tmp_path / 'lib' / 'bare_l'})",)


def test_the_package_of_a_function_that_lies_elsewhere_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lib" / "faraway_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "sibling.py").write_text("VALUE = 1\n")
    (package / "fit.py").write_text(
        "from .sibling import VALUE\n\n\ndef fit(params, seed, report):\n    return VALUE\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    loaded = written(tmp_path / "studies", "fit", imports="from faraway_package.fit import fit")
    assert loaded.unseen == (f"faraway_package ({package / '__init__.py'})",)


# Classes of the study file in other processes


def test_spawned_processes_find_the_classes_of_a_study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "helper.py").write_text("def triple(x):\n    return 3 * x\n")
    loaded = written(tmp_path, "Doubled(4)", imports="import helper", name="my-study.v2.py")
    monkeypatch.chdir("/")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        doubled = loaded.study.task.function  # type: ignore[attr-defined]
        assert pool.apply(doubled, ({"x": 0.5}, 0, None)) == 2
        assert pool.apply(sys.modules["helper"].triple, (2,)) == 6


# Values that a function carries


@pytest.mark.parametrize(
    "task",
    [
        "functools.partial(bound, width={0})",
        "functools.partial(functools.partial(bound), width=dict(a=[Doubled({0})]))",
        "make({0})",
        "make(np.full(3, {0}))",
        "make(lambda width={0}: width)",
        "Doubled({0})",
        "Doubled({0}).fit",
        "lambda params, seed, report: {0}",
        "lambda params, seed, report, width=WIDTH + {0}: width",
        "make(functools.partial(bound, width=np.float32({0})))",
        "make(frozenset(['a', 'b', str({0})]))",
    ],
)
def test_two_functions_that_carry_other_values_are_two_trainers(tmp_path: Path, task: str) -> None:
    one, other, again = (written(tmp_path, task.format(width)).code_hash for width in (3, 4, 3))
    assert one == again != other
    assert written(tmp_path, task.format(3), runs=9).code_hash == one, "a larger budget is no other trainer"


def test_the_source_of_an_object_that_is_called_is_code_too(tmp_path: Path) -> None:
    before = {task: written(tmp_path, task).code_hash for task in ("Doubled()", "functools.partial(bound, width=3)")}
    for task, known in before.items():
        written(tmp_path, task)
        edited = (
            (tmp_path / "mine.py").read_text().replace("factor * ", "factor + ").replace("return width", "return 1")
        )
        (tmp_path / "mine.py").write_text(edited)
        assert load(tmp_path / "mine.py").code_hash != known


def test_a_study_declared_in_a_block_has_the_code_of_that_block(tmp_path: Path) -> None:
    text = "import kdsearch as kd\nif True:\n    def train(params, seed, report):\n        return {0}\n    study = "
    text += "kd.Study('s', train, {{'x': kd.uniform(0, 1)}}, budget=kd.Budget(runs={1}))\n"
    hashes = []
    for numbers in ((1, 8), (2, 8), (2, 9)):
        (tmp_path / "s.py").write_text(text.format(*numbers))
        hashes.append(load(tmp_path / "s.py").code_hash)
    assert hashes[0] != hashes[1] == hashes[2]


def test_what_cannot_be_seen_is_named_and_the_rest_is_not(tmp_path: Path) -> None:
    seen = written(tmp_path, "make(3)", imports="SIZES = [1, 2]\nNAME = 'a'", body="return len(SIZES) + len(NAME)")
    assert seen.unseen == ()
    data = "DATA = np.arange(3)\nRNG = np.random.default_rng(0)"
    assert written(tmp_path, imports=data, body="return float(DATA.sum() + RNG.normal())").unseen == (
        "DATA (ndarray)",
        "RNG (Generator)",
    )
    assert written(tmp_path, "make(np.random.default_rng(0))").unseen == ("value (Generator)",)
    said = "kd.tasks.FunctionTask(train, {'x': 0.5}, chance=0.0, data_version='2026-01')"
    assert written(tmp_path, said, imports=data, body="return float(DATA.sum())").unseen == ()


def test_a_launch_names_what_no_hash_covers(ledger: Ledger, tmp_path: Path) -> None:
    lines = []
    for data in ("DATA = [0.5]", "DATA = np.ones(1)"):
        loaded = written(tmp_path, imports=data, body="return DATA[0]", name=f"s{len(lines)}.py")
        record, changes = ledger.open_study(loaded.declaration())
        lines.append(dict(header(Launch(loaded, ledger, record, changes, "debug", slots(1), None))).get("note", ""))
    assert lines[0] == ""
    assert lines[1].startswith(
        "no code hash covers what DATA (ndarray) holds; give the study a new name when that changes"
    )


def test_values_without_end_or_words_do_not_keep_a_study_from_being_read(tmp_path: Path) -> None:
    deep = "import functools as f\nDEEP = f.reduce(lambda inner, _: [inner], range(3000), [])\nDEEP[0].append(DEEP)"
    for value in ("type('Odd', (), {'shape': property(lambda self: 1 / 0)})()", "open(os.devnull)"):
        text = f"KEPT = {value}\n\n\ndef keep(value):\n    return lambda params, seed, report: (value, 0.5)[1]"
        (name,) = written(tmp_path, "keep(KEPT)", imports=text).unseen
        assert name.startswith("value (")
    text = f"{deep}\n\n\ndef keep(value):\n    return lambda params, seed, report: (value, 0.5)[1]"
    assert written(tmp_path, "keep(DEEP)", imports=text).unseen == ("value (list)",)


def test_a_changed_value_is_said_where_the_study_is_launched_again(ledger: Ledger, tmp_path: Path) -> None:
    ledger.open_study(written(tmp_path, "functools.partial(bound, width=3)").declaration())
    _, changes = ledger.open_study(written(tmp_path, "functools.partial(bound, width=4)").declaration())
    assert "trainer code changed" in changes[0]


# Code that is edited while a study runs


def test_a_worker_with_other_code_is_said_once(ledger: Ledger) -> None:
    record, _ = ledger.open_study(declaration(toy_study()))
    launched = Loaded(toy_study()).code_hash
    assert ledger.note_other_code(record.id, launched, "worker 1") == ""
    said = [ledger.note_other_code(record.id, "edited", f"worker {number}") for number in range(3)]
    assert f"edited while the study runs: {launched} at its launch, edited now" in said[0] == said[2]
    events = [event for event in ledger.results(record.id).events if event.kind == "code changed"]
    assert [event.message for event in events] == [said[0]]
    assert ledger.note_other_code(record.id, "edited again", "worker 4")
    assert sum(event.kind == "code changed" for event in ledger.results(record.id).events) == 2


def test_the_code_of_a_study_is_that_of_when_it_was_read(tmp_path: Path) -> None:
    loaded = written(tmp_path)
    (tmp_path / "mine.py").write_text((tmp_path / "mine.py").read_text().replace("return 0.5", "return 0.6"))
    assert loaded.code_hash != load(tmp_path / "mine.py").code_hash


# The shipped studies


IDENTITIES = {
    "cifar10_temperature": "3563b485948e",
    "jhmdb_weights": "47eb553b08d2",
    "maxl": "27e2b25f2def",
    "mutual_learning": "288d62fdd1e7",
    "sskt_transfer": "d1f11c0a7005",
    "ucf101_weights": "b03593eacd9f",
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_shipped_studies_are_what_they_were(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept from before: what is stored under their names goes on."""
    monkeypatch.delenv("KDSEARCH_DATA", raising=False)
    study = kd.load(Path(__file__).parents[2] / "studies" / f"{name}.py", preset="none")
    identity = {key: part for key, part in study.identity().items() if key != "data"}
    text = json.dumps(identity, sort_keys=True, default=str)
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == IDENTITIES[name]


def test_a_file_that_is_no_python_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.txt").write_text("")
    with pytest.raises(StudyFileError, match=r"study\.txt is not a Python file"):
        load(tmp_path / "study.txt")


def test_a_file_that_cannot_be_parsed_imports_nothing(tmp_path: Path) -> None:
    """The code hash reads it all the same; what is wrong with it, Python says when it is imported."""
    for content in (b"def (", b"import json\x00"):
        (tmp_path / "broken.py").write_bytes(content)
        assert list(imported(tmp_path / "broken.py", tmp_path)) == []
    (tmp_path / "own.py").write_text("import json, broken")
    assert list(imported(tmp_path / "own.py", tmp_path)) == ["json", "broken"]
    assert list(helper_modules([tmp_path / "own.py"], tmp_path)) == ["broken.py"]
