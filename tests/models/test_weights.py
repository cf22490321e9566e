from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from kdsearch.errors import DataError
from kdsearch.models.encoders.resnet3d_hara import HaraResNet18


def hara_checkpoint(path: Path, width: int = 4) -> dict[str, Tensor]:
    """A checkpoint as Hara's code writes it: DataParallel names, a classifier, no batch counters."""
    state = {f"module.{k}": v for k, v in HaraResNet18(width).state_dict().items() if "num_batches" not in k}
    state["module.fc.weight"], state["module.fc.bias"] = torch.zeros(400, 8 * width), torch.zeros(400)
    torch.save({"epoch": 200, "arch": "resnet-18", "state_dict": state, "optimizer": {}}, path)
    return state


def test_hara_layout_is_loaded(tmp_path: Path) -> None:
    state = hara_checkpoint(tmp_path / "resnet-18-kinetics.pth")
    network = HaraResNet18(4, str(tmp_path / "resnet-18-kinetics.pth"))
    for name, value in network.state_dict().items():
        if "num_batches" not in name:
            assert torch.equal(value, state[f"module.{name}"])


def test_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a file at .*absent\.pth, found none; download it"):
        HaraResNet18(4, str(tmp_path / "absent.pth"))


def test_another_width_is_named(tmp_path: Path) -> None:
    hara_checkpoint(tmp_path / "w.pth", width=8)
    with pytest.raises(DataError, match=r"does not fit HaraResNet18: of another shape bn1\.bias"):
        HaraResNet18(4, str(tmp_path / "w.pth"))


def test_another_network_is_named(tmp_path: Path) -> None:
    torch.save({"layer9.weight": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"missing .*unknown layer9\.weight \(1\)"):
        HaraResNet18(4, str(tmp_path / "w.pth"))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint at all", b"PK\x03\x04 cut"])
def test_foreign_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(DataError, match="not a checkpoint that can be read safely"):
        HaraResNet18(4, str(tmp_path / "w.pth"))


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (str(tmp_path / "touched"),))

    torch.save({"state_dict": {"x": Evil()}}, tmp_path / "w.pth")
    with pytest.raises(DataError, match="read safely"):
        HaraResNet18(4, str(tmp_path / "w.pth"))
    assert not (tmp_path / "touched").exists()


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {"x": 3}}, tmp_path / "w.pth")
    with pytest.raises(DataError, match="holds no state_dict"):
        HaraResNet18(4, str(tmp_path / "w.pth"))
