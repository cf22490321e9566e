from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kdsearch.models.encoders.pose import PoseConv, TemporalConv
from kdsearch.models.encoders.pose import prepare as prepare_poses
from kdsearch.models.encoders.resnet3d_hara import BasicBlock, HaraResNet18
from kdsearch.models.encoders.silhouettes import prepare as prepare_silhouettes
from kdsearch.models.heads.hashing import HashingNetwork
from kdsearch.models.registry import ENCODERS, default_encoder


def clips(modality: str, count: int = 4, frames: int = 4) -> NDArray[np.generic]:
    rng = np.random.default_rng(0)
    if modality == "poses":
        return rng.normal(size=(count, frames, 15, 2)).astype(np.float32)
    if modality == "frames":
        return rng.integers(0, 256, (count, frames, 32, 32, 3), dtype=np.uint8)
    return rng.integers(0, 2 if modality == "masks" else 16, (count, frames, 16, 16), dtype=np.uint8)


CASES = [(name, modality) for name, entry in ENCODERS.items() for modality in entry.modalities]


@pytest.mark.parametrize(("name", "modality"), CASES)
def test_shapes_and_gradient_of_every_parameter(name: str, modality: str) -> None:
    entry = ENCODERS[name]
    encoder = entry.build(4)
    prepared = entry.prepare(clips(modality))
    assert encoder(prepared).shape == (4, encoder.features)
    network = HashingNetwork(encoder, bits=6, classes=3)
    codes, logits = network(prepared)
    assert codes.shape == (4, 6)
    assert logits.shape == (4, 3)
    assert codes.abs().max() <= 1
    (codes.square().sum() + logits.square().sum()).backward()
    for label, parameter in network.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.abs().sum() > 0, label


@pytest.mark.parametrize(("name", "modality"), CASES)
def test_one_frame_is_enough(name: str, modality: str) -> None:
    entry = ENCODERS[name]
    encoder = entry.build(4)
    assert encoder(entry.prepare(clips(modality, frames=1))).isfinite().all()


def test_every_modality_has_an_encoder() -> None:
    assert [default_encoder(m) for m in ("poses", "masks", "silhouettes", "frames")] == [
        "pose_conv",
        "silhouette_conv",
        "silhouette_conv",
        "hara_resnet18",
    ]
    with pytest.raises(ValueError, match="known modalities: frames, masks, poses, silhouettes"):
        default_encoder("sound")


def test_encoders_without_pretrained_weights_refuse_a_file() -> None:
    with pytest.raises(ValueError, match="takes no weights file"):
        ENCODERS["pose_conv"].build(4, "somewhere.pth")


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_temporal_convolution_equals_conv1d(frames: int) -> None:
    ours = TemporalConv(5, 6).double()
    theirs = nn.Conv1d(5, 6, 3, padding=1, bias=False, dtype=torch.float64)
    theirs.weight.data = ours.weight.data.permute(2, 1, 0).clone()
    x = torch.randn(frames, 4, 5, dtype=torch.float64, requires_grad=True)
    want = theirs(x.permute(1, 2, 0)).permute(2, 0, 1)
    assert torch.allclose(ours(x), want, atol=1e-14)
    upstream = torch.randn_like(want)
    mine = torch.autograd.grad(ours(x), [x, ours.weight], upstream)
    other = torch.autograd.grad(want, [x, theirs.weight], upstream)
    assert torch.allclose(mine[0], other[0], atol=1e-13)
    assert torch.allclose(mine[1].permute(2, 1, 0), other[1], atol=1e-13)


@pytest.mark.parametrize("frames", [1, 5])
def test_temporal_convolution_in_bfloat16_is_that_of_float32_within_its_digits(frames: int) -> None:
    torch.manual_seed(0)
    convolution, x = TemporalConv(5, 6), torch.randn(frames, 4, 5)
    want = convolution(x)
    with torch.autocast("cpu", torch.bfloat16):
        found = convolution(x)
    assert found.dtype == torch.bfloat16
    assert torch.allclose(found.float(), want, atol=0.05)
    found.float().square().sum().backward()
    assert convolution.weight.grad is not None
    assert convolution.weight.grad.isfinite().all()


def test_pose_features_by_hand() -> None:
    joints = np.zeros((1, 2, 2, 2), np.float32)
    joints[0, 0] = [[1, 2], [3, 4]]
    joints[0, 1] = [[2, 2], [4, 4]]
    first, second = prepare_poses(joints)[0]
    assert first.tolist() == [-1, -1, 1, 1, 0, 0, 0, 0]
    assert second.tolist() == [-1, -1, 1, 1, 3, 0, 3, 0]


def test_pose_positions_do_not_matter() -> None:
    poses = clips("poses")
    moved = poses + np.array([3.0, -2.0], np.float32)
    network = PoseConv(4).eval()
    assert torch.allclose(network(prepare_poses(poses)), network(prepare_poses(moved)), atol=1e-5)


@pytest.mark.parametrize("modality", ["masks", "silhouettes"])
def test_grey_clips_use_the_whole_range(modality: str) -> None:
    prepared = prepare_silhouettes(clips(modality))
    assert prepared.dtype == torch.uint8
    assert int(prepared.max()) == 255
    assert int(prepared.min()) == 0


def hara_shapes(network: HaraResNet18, frames: int) -> list[tuple[int, ...]]:
    seen: list[tuple[int, ...]] = []

    def note(module: nn.Module, inputs: object, output: Tensor) -> None:
        seen.append(tuple(output.shape[1:]))

    for part in (network.conv1, network.layer1, network.layer2, network.layer3, network.layer4):
        part.register_forward_hook(note)
    network(ENCODERS["hara_resnet18"].prepare(np.zeros((1, frames, 112, 112, 3), np.uint8)))
    return seen


def test_hara_shapes_are_the_papers() -> None:
    # 16 frames of 112 pixels: stem halves space, the pool halves time and space, stages 2 to 4 halve all.
    assert hara_shapes(HaraResNet18(4).eval(), 16) == [
        (4, 16, 56, 56),
        (4, 8, 28, 28),
        (8, 4, 14, 14),
        (16, 2, 7, 7),
        (32, 1, 4, 4),
    ]


def test_hara_names_and_size() -> None:
    # By hand: stem 3*64*343 + 128, convolutions 27*(4*64^2 + 64*128 + 3*128^2 + 128*256 + 3*256^2 + 256*512 + 3*512^2),
    # norms 2*(4*64 + 4*128 + 4*256 + 4*512); shortcut A has none.
    convolutions = 27 * (4 * 64**2 + sum(n * n // 2 + 3 * n * n for n in (128, 256, 512)))
    want = 3 * 64 * 343 + 128 + convolutions + 8 * (64 + 128 + 256 + 512)
    assert sum(p.numel() for p in HaraResNet18(64).parameters()) == want
    names = set(HaraResNet18(4).state_dict())
    assert {"conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "layer4.1.bn2.weight"} <= names
    assert not names & {"mean", "deviation"}
    assert not any("downsample" in name for name in names)


def test_shortcut_a_strides_and_pads_with_zeros() -> None:
    block = BasicBlock(2, 5, 2).eval()
    nn.init.zeros_(block.bn2.weight)
    x = torch.rand(1, 2, 4, 4, 4)
    y = block(x)
    assert torch.equal(y[:, :2], x[:, :, ::2, ::2, ::2])
    assert torch.equal(y[:, 2:], torch.zeros(1, 3, 2, 2, 2))
