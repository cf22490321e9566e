"""ResNets by torchvision's blocks equal torchvision's; weights come whole from files, or with a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from torch import nn

from kdsearch.errors import DataError
from kdsearch.models.classifiers import resnet
from kdsearch.models.classifiers.resnet import ResNet
from kdsearch.models.registry import CLASSIFIERS


def torchvision_models() -> Any:
    resnet.import_torchvision()
    from torchvision import models

    return models


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def build(name: str, classes: int, width: int | None = None, weights: Path | str | None = None) -> ResNet:
    network = CLASSIFIERS[name].build(classes, width, None if weights is None else str(weights))
    assert isinstance(network, ResNet)
    return network


def test_resnet18s_size_by_hand() -> None:
    # Convolutions 9*(4*64^2 + 64*128 + 3*128^2 + ...), 1x1 shortcuts, norms of the stem, 16 convolutions and shortcuts.
    three = 9 * (4 * 64**2 + sum(n * n // 2 + 3 * n * n for n in (128, 256, 512)))
    shortcuts = sum(n * n // 2 for n in (128, 256, 512))
    norms = 2 * (64 + 4 * (64 + 128 + 256 + 512) + 128 + 256 + 512)
    want = 3 * 64 * 49 + three + shortcuts + norms + 512 * 1000 + 1000
    assert size(build("resnet18", 1000)) == want == 11_689_512


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50"])
def test_equals_torchvisions_network(name: str) -> None:
    torch.manual_seed(0)
    theirs = getattr(torchvision_models(), name)(weights=None)
    torch.manual_seed(0)
    ours = build(name, 1000)
    want, got = theirs.state_dict(), ours.layout().state_dict()
    assert got.keys() == want.keys()
    assert all(torch.equal(got[key], want[key]) for key in want)  # the same draws
    x = torch.randn(2, 3, 64, 64)
    for training in (True, False):  # statistics are updated by the first
        torch.testing.assert_close(ours.train(training)(x).logits, theirs.train(training)(x), rtol=1e-4, atol=1e-4)


def test_equals_torchvisions_r3d_18() -> None:
    torch.manual_seed(0)
    theirs = torchvision_models().video.r3d_18(weights=None).eval()
    torch.manual_seed(0)
    ours = build("r3d_18", 400).eval()
    want, got = theirs.state_dict(), ours.layout().state_dict()
    assert got.keys() == want.keys()
    assert all(torch.equal(got[key], want[key]) for key in want if not key.startswith("fc."))  # the same draws
    ours.layout().load_state_dict(theirs.state_dict())
    x = torch.randn(1, 3, 4, 32, 32)
    torch.testing.assert_close(ours(x).logits, theirs(x), rtol=1e-4, atol=1e-4)


def test_a_narrow_r3d_18s_size_by_hand() -> None:
    # Kernels of 27 in four stages of two blocks, 1x1x1 shortcuts, norms of the stem, 16 convolutions and shortcuts.
    stages = [4, 8, 16, 32]
    three = 27 * (4 * 4**2 + sum(n * n // 2 + 3 * n * n for n in stages[1:]))
    shortcuts = sum(n * n // 2 for n in stages[1:])
    norms = 2 * (4 + 4 * sum(stages) + sum(stages[1:]))
    assert size(build("r3d_18", 5, 4)) == 3 * 4 * 3 * 7 * 7 + three + shortcuts + norms + 32 * 5 + 5


def test_hara_is_the_encoder_on_normalised_pixels() -> None:
    ours = build("hara_resnet18", 5, 4).eval()
    encoder: Any = ours.network
    clips = torch.randint(0, 256, (2, 3, 8, 32, 32), dtype=torch.uint8)
    normalised = (clips / 255 - encoder.mean) / encoder.deviation
    assert torch.allclose(ours.embed(normalised), encoder(clips), atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "hara_resnet18"])
@pytest.mark.parametrize("layout", ["plain", "places365"])
def test_a_local_file_is_read_with_its_last_layer(tmp_path: Path, name: str, layout: str) -> None:
    source = build(name, 6, 4)
    for norm in (m for m in source.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)):
        nn.init.uniform_(norm.running_mean)  # type: ignore[arg-type]
    state = source.layout().state_dict()
    if layout == "places365":
        state = {"arch": name, "epoch": 9, "state_dict": {f"module.{key}": value for key, value in state.items()}}
    torch.save(state, tmp_path / "w.pth")
    target = build(name, 6, 4, tmp_path / "w.pth")
    assert target.head_from_weights
    assert target.state_dict().keys() == source.state_dict().keys()
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in target.state_dict().items())


def test_other_classes_get_a_fresh_last_layer(tmp_path: Path) -> None:
    source = build("resnet18", 6, 4)
    torch.save(source.layout().state_dict(), tmp_path / "w.pth")
    torch.manual_seed(0)
    drawn = build("resnet18", 3, 4)
    torch.manual_seed(0)
    target = build("resnet18", 3, 4, tmp_path / "w.pth")
    assert not target.head_from_weights
    assert torch.equal(target.classify.weight, drawn.classify.weight)  # type: ignore[arg-type]
    assert torch.equal(target.layer4[1].conv2.weight, source.layer4[1].conv2.weight)  # type: ignore[index,union-attr]


def test_a_file_of_another_network_is_named(tmp_path: Path) -> None:
    torch.save(build("resnet18", 6, 8).layout().state_dict(), tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"does not fit ImageResNet: of another shape bn1\.bias"):
        build("resnet18", 6, 4, tmp_path / "w.pth")


def test_a_file_that_is_none_is_named() -> None:
    with pytest.raises(DataError, match=r"expected a file at nowhere\.pth, found none, nor one of .*IMAGENET1K_V1"):
        build("resnet18", 6, weights="nowhere.pth")
    with pytest.raises(DataError, match=r"expected a file at IMAGENET1K_V1, found none; download it first"):
        build("hara_resnet18", 6, 4, "IMAGENET1K_V1")


def test_named_weights_have_torchvisions_width() -> None:
    with pytest.raises(ValueError, match="of resnet18 are of width 64, got 16"):
        build("resnet18", 1000, 16, "IMAGENET1K_V1")


@pytest.mark.parametrize(
    ("name", "weights", "file"),
    [
        ("resnet18", "IMAGENET1K_V1", "resnet18-f37072fd.pth"),
        ("resnet50", "IMAGENET1K_V2", "resnet50-11ad3fa6.pth"),
        ("r3d_18", "KINETICS400_V1", "r3d_18-b3b3357e.pth"),
    ],
)
def test_offline_says_which_file_is_expected_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, weights: str, file: str
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(DataError) as caught:
        build(name, 5, weights=weights)
    text = str(caught.value)
    assert text.startswith(f"pretrained weights {weights} of {name}: expected a file at {tmp_path / 'hub'}")
    assert f"checkpoints/{file}, found none, and https://download.pytorch.org/models/{file} cannot be fetched" in text
    assert "no network" in text
    assert text.endswith("put the file there, or give the path of a local copy as weights")


def test_named_weights_are_read_from_torch_hubs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    theirs = torchvision_models().resnet18(weights=None)
    torch.save(theirs.state_dict(), cache / "resnet18-f37072fd.pth")
    source = build("resnet18", 1000, weights="IMAGENET1K_V1")
    assert source.head_from_weights
    assert torch.equal(source.classify.weight, theirs.fc.weight)  # type: ignore[arg-type]
