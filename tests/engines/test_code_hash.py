"""What counts as the same trainer: every source file, and of a study file what a run executes."""

from __future__ import annotations

from pathlib import Path

from kdsearch.engines.code_hash import code_hash


def test_the_code_hash_sees_every_file(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1")
    before = code_hash([tmp_path])
    assert code_hash([tmp_path]) == before
    (tmp_path / "b.py").write_text("")
    added = code_hash([tmp_path])
    (tmp_path / "a.py").write_text("x = 2")
    assert len({before, added, code_hash([tmp_path])}) == 3


def test_a_larger_budget_is_no_other_trainer(tmp_path: Path) -> None:
    file = tmp_path / "study.py"
    text = "import kdsearch as kd\ndef train(params, seed, report):\n    return 1.0\nstudy = kd.Study(budget=1)\n"
    file.write_text(text)
    before = code_hash([file], study_file=file)
    file.write_text(text.replace("budget=1", "budget=2"))
    assert code_hash([file], study_file=file) == before
    assert code_hash([file]) != before
    file.write_text(text.replace("return 1.0", "return 2.0"))
    assert code_hash([file], study_file=file) != before


def test_a_copy_of_a_study_file_under_another_name_is_the_same_trainer(tmp_path: Path) -> None:
    text = "import kdsearch as kd\ndef train(params, seed, report):\n    return 1.0\nstudy = kd.Study('s', train, {})\n"
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text(text)
    other.write_text(text.replace("{})", "{}, budget=kd.Budget(runs=9))"))
    assert code_hash([one], one) == code_hash([other], other)
    other.write_text(text.replace("1.0", "2.0"))
    assert code_hash([one], one) != code_hash([other], other)
