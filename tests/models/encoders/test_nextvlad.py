"""NeXtVLAD: its size and aggregation by hand, padding, and training alone and stacked."""

from __future__ import annotations

import math

import pytest
import torch

from kdsearch.models.encoders.nextvlad import NeXtVLAD, NeXtVLADBlock
from kdsearch.training.population.forward import check
from kdsearch.training.population.stacked import StackedParameters


def small() -> NeXtVLAD:
    torch.manual_seed(0)
    return NeXtVLAD(classes=5, video=6, audio=4, clusters=4, groups=2, hidden=8, reduction=4)


def test_the_papers_size_by_hand() -> None:
    # Expand N to 2N with bias, attention, assignment, its norm, centres, the norm of K * 2N/G numbers.
    video = 1024 * 2048 + 2048 + 2048 * 8 + 8 + 2048 * 1024 + 2 * 1024 + 128 * 256 + 2 * 32_768
    audio = 128 * 256 + 256 + 256 * 4 + 4 + 256 * 256 + 2 * 256 + 64 * 64 + 2 * 4_096
    head = 36_864 * 2048 + 2 * 2048 + 2048 * 256 + 2 * 256 + 256 * 2048 + 2048 + 2048 * 3862 + 3862
    with torch.device("meta"):
        network = NeXtVLAD()
    found = sum(parameter.numel() for parameter in network.parameters())
    assert found == video + audio + head == 88_891_426  # the paper says 89 M


def test_the_aggregate_of_two_frames_by_hand() -> None:
    block = NeXtVLADBlock(features=1, clusters=2, groups=1, expansion=2).eval()
    with torch.no_grad():
        block.expand.weight.copy_(torch.tensor([[1.0], [2.0]]))
        block.expand.bias.zero_()
        block.attend.weight.zero_()  # attention 1/2
        block.attend.bias.zero_()
        block.assign.weight.copy_(torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]]))
        block.centres.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
    for norm in (block.assign_norm, block.norm):
        norm.eps = 1e-12  # nearly the identity in evaluation mode; torch 2.11 refuses 0
    frames = torch.tensor([[[1.0], [-1.0], [7.0]]])
    mask = torch.tensor([[1.0, 1.0, 0.0]])
    # Frames (1, 2) and (-1, -2); the first assigns 3/4 and 1/4 to the clusters, the second 1/4 and 3/4.
    first = torch.tensor([1.0, 2.0]) * (0.375 - 0.125)
    second = torch.tensor([1.0, 2.0]) * (0.125 - 0.375) - 0.5 * torch.tensor([1.0, 0.0])
    wanted = torch.cat((first / first.norm(), second / second.norm()))
    torch.testing.assert_close(block(frames, mask)[0], wanted)


def test_frames_of_zeros_are_no_frames() -> None:
    network = small().eval()
    videos = torch.rand(3, 5, 10)
    padded = torch.cat((videos, torch.zeros(3, 4, 10)), 1)
    for given, wanted in zip(network(padded), network(videos), strict=True):
        torch.testing.assert_close(given, wanted)


def test_groups_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="groups must divide 2 x 5 = 10, got 4"):
        NeXtVLADBlock(5, groups=4)


def test_every_parameter_learns_and_both_forms_agree() -> None:
    network = small().double()
    logits = network(torch.rand(4, 3, 10, dtype=torch.float64)).logits
    torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits)).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 1e-9, name  # rounding leaves 1e-17 where the true one is 0
    rows = StackedParameters(network, 2)
    with torch.no_grad():
        rows.weights.add_(0.1 * torch.rand_like(rows.weights))
    assert check(network, rows.views(), rows.buffers, torch.rand(2, 4, 3, 10, dtype=torch.float64)) is None
