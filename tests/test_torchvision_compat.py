from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_torchvision_imports_with_models_transforms_and_datasets() -> None:
    out = run(
        "from kdsearch.torchvision_compat import import_torchvision\n"
        "a = import_torchvision(); b = import_torchvision(); assert a is b\n"
        "import torch, torchvision.models, torchvision.transforms.v2 as t, torchvision.datasets as d\n"
        "print(torchvision.models.video.r3d_18, t.RandomCrop, d.CIFAR10)\n"
        "print(t.functional.horizontal_flip(torch.arange(3).view(1, 1, 3)).tolist())\n"
    )
    assert "[[[2, 1, 0]]]" in out


@pytest.mark.slow
def test_operators_that_the_extension_defines_are_left_alone() -> None:
    if "True" in run("from kdsearch.torchvision_compat import _extension_loads\nprint(_extension_loads())"):
        pytest.skip("torchvision's extension loads here and defines them itself")
    # As where the wheel fits: the schemas exist already, and defining them twice would raise.
    run(
        "import torch\n"
        "held = torch.library.Library('torchvision', 'FRAGMENT')\n"
        "held.define('nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')\n"
        "held.define('qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')\n"
        "from kdsearch import torchvision_compat as compat\n"
        "print(compat.import_torchvision().__version__)\n"
    )


def test_the_registry_imports_no_torch() -> None:
    run("import sys, kdsearch.models.registry\nassert 'torch' not in sys.modules")
