"""The benchmark of seconds per run works and compares like with like; its seconds are not asserted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.seconds_per_run.measure import VARIANTS, run_variant
from benchmarks.seconds_per_run.plain import PlainLoop, ranked_map
from benchmarks.seconds_per_run.setting import Setting, make_setting
from benchmarks.seconds_per_run.triplets import cube_triplets, looped_triplets, masked_cube_triplets
from kdsearch.distillation.triplet import triplet_mean
from kdsearch.metrics.retrieval import mean_average_precision
from kdsearch.models.registry import ENCODERS

PACKAGE = Path(__file__).parent / "seconds_per_run"


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("KDSEARCH_DATA", raising=False)
        return make_setting(tmp_path_factory.mktemp("benchmark"), epochs=6, teacher_epochs=1)


@pytest.mark.slow
def test_all_variants_on_one_schedule(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KDSEARCH_DATA", raising=False)
    runs = {name: run_variant(name, setting, seed=1) for name in VARIANTS}
    assert len(runs) == 4
    for run in runs.values():
        assert run.epochs == [5, 6] == setting.evaluated_epochs
        assert 0 < run.score <= 1
        assert run.cpu > 0


def test_the_plain_loop_reads_what_kdsearch_reads(setting: Setting) -> None:
    loop = PlainLoop(setting, cube_triplets, seed=1)
    read = torch.cat([loop.read(seen) for _, seen, _ in loop.database_loader])
    usual = PlainLoop(setting, cube_triplets, seed=1, usual=True)
    per_clip = torch.cat([seen for _, seen, _ in usual.database_loader])
    clips = setting.clips
    expected = ENCODERS["pose_conv"].prepare(clips.inputs[clips.database][:, ::2])
    assert torch.equal(read, expected)
    assert torch.allclose(per_clip, expected)
    labels = torch.cat([labels for _, _, labels in loop.database_loader])
    assert labels.tolist() == clips.labels[clips.database].tolist()


@pytest.mark.parametrize("form", [cube_triplets, masked_cube_triplets, looped_triplets])
def test_cubes_and_loops_are_the_sparse_triplets(form: object) -> None:
    labels = torch.randint(0, 4, (24,), generator=torch.Generator().manual_seed(1))
    codes = torch.tanh(torch.randn(24, 48, generator=torch.Generator().manual_seed(2)))
    results = []
    for function in (form, triplet_mean):
        leaf = codes.clone().requires_grad_()
        value = function(leaf, labels, 14.0)  # type: ignore[operator]
        value.backward()
        results.append((value.detach(), leaf.grad))
    torch.testing.assert_close(results[0], results[1])


def test_the_plain_metric_is_kdsearchs_where_nothing_ties() -> None:
    query = np.ones((1, 48), dtype=np.int8)
    database = np.array([[-1] * k + [1] * (48 - k) for k in range(40)], dtype=np.int8)
    labels = np.random.default_rng(0).integers(0, 3, 40)
    plain = ranked_map(query, database, np.array([1]), labels)
    relevant = torch.from_numpy(labels[None] == 1)
    ours = mean_average_precision(torch.from_numpy(query).float(), torch.from_numpy(database).float(), relevant)
    assert plain == pytest.approx(float(ours))


@pytest.mark.slow
def test_the_command_prints_variants_ratios_and_scores() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "KDSEARCH_DATA"}
    command = [sys.executable, str(PACKAGE), "--quick"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "data: synthetic data, not JHMDB" in done.stdout
    assert "on 1 thread" in done.stdout
    assert done.stdout.count("2 evaluations, last after epoch 7") == 4
    for name in VARIANTS[:-1]:
        assert re.search(rf"ratio {re.escape(name)} / kdsearch, cpu: \d+\.\d\d \(95 % \d", done.stdout)
        assert re.search(rf"kdsearch - {re.escape(name)}: difference [+-]\d\.\d+, 90 % interval", done.stdout)
