"""What the source of a study says of the data that its function reads by name, and what is computed when it is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kdsearch.engines.study_file import load

STUDY = """
import json, math, os
from pathlib import Path
import numpy as np
import kdsearch as kd
from beside import SAID, COMPUTED

{names}

def train(params, seed, report):
    return {reads}

study = kd.Study(name="own", task={task}, space={{"x": kd.uniform(0, 1)}})
"""
BESIDE = "import os\nSAID = [1, 2]\nCOMPUTED = len(os.listdir('.'))\n"


def unseen(folder: Path, names: str, reads: str, task: str = "train") -> tuple[str, ...]:
    (folder / "beside.py").write_text(BESIDE)
    (folder / "own.py").write_text(STUDY.format(names=names, reads=reads, task=task))
    return load(folder / "own.py").unseen


@pytest.mark.parametrize(
    ("names", "reads"),
    [
        ("LR = 0.1", "LR"),
        ("LR: float = -1e-3", "LR"),
        ("SIZES = [2, 4]", "SIZES"),
        ("A = 3\nB = {'a': A, 'b': (A + 1, 'x')}", "B"),
        ("HERE = Path(__file__).resolve().parent / 'data'", "HERE"),
        ("TAU = math.sqrt(2 * math.pi)", "TAU"),
        ("SPACE = {'x': kd.uniform(0, 1)}", "SPACE"),
        ("NAMES = 'a b'.split()", "NAMES"),
        ("import contextlib\nwith contextlib.suppress(OSError):\n    LR = 0.1", "LR"),
        ("", "SAID"),
        ("def inner():\n    return LR\nLR = 0.5", "inner()"),
        ("class Net:\n    width = 3\n    def go(self):\n        return LR\nLR = 0.5", "Net().go()"),
        ("", "np.float64(1) + math.pi + len(os.sep)"),
    ],
)
def test_what_stands_in_the_source_is_not_named(tmp_path: Path, names: str, reads: str) -> None:
    assert unseen(tmp_path, names, reads) == ()


@pytest.mark.parametrize(
    ("names", "reads", "named"),
    [
        ("CFG = json.loads(Path(__file__).with_name('cfg.json').read_text())", "CFG", "CFG (dict)"),
        ("LR = float(os.environ.get('LR', 1))", "LR", "LR (float)"),
        ("ARR = np.arange(3)\ndef inner():\n    return ARR.sum()", "inner()", "ARR (ndarray)"),
        ("ARR = np.arange(3)\nclass Net:\n    def go(self):\n        return ARR", "Net().go()", "ARR (ndarray)"),
        ("class Net:\n    def __call__(self): return 3\nNET = Net()", "NET()", "NET (Net)"),
        ("SEEN = []\nSEEN.append(len(os.listdir('/')))", "SEEN", "SEEN (list)"),
        ("N = 1\nfor N in range(3): pass", "N", "N (int)"),
        ("TOTAL = 1\nTOTAL += len(os.listdir('/'))", "TOTAL", "TOTAL (int)"),
        ("with open(__file__) as FILE: TEXT = FILE.read()", "TEXT", "TEXT (str)"),
        ("if os.cpu_count(): A = os.cpu_count()\nelse: A = 1", "A", "A (int)"),
        ("", "COMPUTED", "COMPUTED (int)"),
        ("LR = float(os.environ.get('LR', 1))", "(lambda: LR)()", "LR (float)"),
    ],
)  # fmt: skip
def test_what_is_computed_is_named(tmp_path: Path, names: str, reads: str, named: str) -> None:
    (tmp_path / "cfg.json").write_text('{"lr": 0.1}')
    assert unseen(tmp_path, names, reads) == (named,)


def test_methods_of_a_callable_object_are_read_too(tmp_path: Path) -> None:
    names = (
        "ARR = np.arange(3)\nclass Own:\n    def __call__(self, params, seed, report): return self.go()\n"
        "    def go(self): return float(ARR[0])"
    )
    assert unseen(tmp_path, names, "0", task="Own()") == ("ARR (ndarray)",)


def test_functions_that_call_each_other_end(tmp_path: Path) -> None:
    names = "def one(n): return other(n)\ndef other(n): return one(n - 1) if n else 0"
    assert unseen(tmp_path, names, "one(3)") == ()
    assert os.environ.get("LR") is None
