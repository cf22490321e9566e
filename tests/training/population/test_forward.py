from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdsearch.models.encoders.pose import PoseConv
from kdsearch.models.encoders.resnet3d_hara import HaraResNet18
from kdsearch.models.encoders.silhouettes import SilhouetteConv
from kdsearch.models.heads.hashing import HashingNetwork, HashingOutput
from kdsearch.models.layers import batch_norm
from kdsearch.models.layers.dropout import StreamDropout
from kdsearch.models.layers.recurrent import GRU, LSTM
from kdsearch.models.registry import Encoder
from kdsearch.torchvision_compat import import_torchvision
from kdsearch.training.population.forward import Forward, check, looped, vmapped

pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")

Build = Callable[[], nn.Module]
FORMS = [looped, vmapped]


class Function(nn.Module):
    """A linear layer and a function of what it gives."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.linear(x))


class First(nn.Module):
    """The first output of a module that gives several; the one argument as often as it wants."""

    def __init__(self, inner: nn.Module, times: int = 1) -> None:
        super().__init__()
        self.inner = inner
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(*[x] * self.times)[0]


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(4), batch_norm.BatchNorm2d(4)])

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norms[0](self.first(x)), inplace=True)
        return F.relu(self.norms[1](self.second(y)).add_(x), inplace=True)


class Average(nn.Module):
    """Assigns its buffer anew instead of writing into it."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        if self.training:
            self.mean = 0.5 * self.mean + 0.5 * y.mean(0)
        return y - self.mean.detach()


def attention() -> nn.Module:
    return First(nn.MultiheadAttention(4, 2, batch_first=True), 3)


def encoder_layer() -> nn.Module:
    return nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)


def norms(*between: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 6, 3), *between, nn.ReLU(inplace=True), nn.Conv2d(6, 2, 1))


def hashing(encoder: Encoder) -> nn.Module:
    return HashingNetwork(encoder, bits=5, classes=3)


def small_resnet() -> nn.Module:
    import_torchvision()
    from torchvision.models.resnet import BasicBlock, ResNet

    return ResNet(BasicBlock, [1, 1, 1, 1], num_classes=3)


def members(build: Build, count: int = 3) -> list[nn.Module]:
    """Networks with weights and statistics of their own, in float64, training."""
    generator = torch.Generator().manual_seed(5)
    torch.manual_seed(5)
    networks = [build().double() for _ in range(count)]
    for network in networks:
        for value in network.parameters():
            value.data.add_(torch.rand(value.shape, generator=generator, dtype=value.dtype), alpha=0.1)
        for value in network.buffers():
            if value.is_floating_point() and value.dim() == 1:
                value.add_(torch.rand(value.shape, generator=generator, dtype=value.dtype))
    return networks


def stack(networks: list[nn.Module]) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """All parameters as one leaf ``[M, P]``, its views by name, and buffers stacked."""
    named = [dict(network.named_parameters()) for network in networks]
    leaf = torch.stack([torch.cat([p.detach().flatten() for p in one.values()]) for one in named]).requires_grad_()
    parts = leaf.split([p.numel() for p in named[0].values()], 1)
    views = {name: part.view(-1, *p.shape) for (name, p), part in zip(named[0].items(), parts, strict=True)}
    columns = [dict(network.named_buffers()) for network in networks]
    return leaf, views, {name: torch.stack([column[name] for column in columns]) for name in columns[0]}


def weighted(values: list[Tensor]) -> Tensor:
    """A sum with a gradient through any normalisation, of one member's outputs."""
    return torch.stack([(v * torch.arange(v.numel(), dtype=v.dtype).cos().view_as(v)).sum() for v in values]).sum()


def listed(outputs: Tensor | tuple[Tensor, ...]) -> list[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else [*outputs]


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def clips(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(3), dtype=torch.uint8)


WORKING: dict[str, tuple[Build, Tensor]] = {
    "Linear": (lambda: nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.Linear(5, 2)), draw(3, 6, 4)),
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), draw(3, 5, 4, 7)),
    "Conv2d": (lambda: nn.Conv2d(4, 6, 3, stride=(1, 2), dilation=2, padding=2), draw(3, 5, 4, 6, 5)),
    "Conv2d depthwise": (lambda: nn.Conv2d(4, 8, 3, groups=4, padding=1, padding_mode="circular"), draw(3, 5, 4, 4, 5)),
    "Conv3d": (lambda: nn.Conv3d(4, 4, 3, stride=(1, 2, 2), padding=1, groups=2), draw(3, 3, 4, 3, 4, 4)),
    "BatchNorm": (lambda: norms(nn.BatchNorm2d(6)), draw(3, 5, 4, 5, 5)),
    "BatchNorm folded": (lambda: norms(batch_norm.BatchNorm2d(6, momentum=0.3)), draw(3, 5, 4, 5, 5)),
    "GroupNorm": (lambda: norms(nn.GroupNorm(3, 6)), draw(3, 5, 4, 5, 5)),
    "InstanceNorm": (lambda: norms(nn.InstanceNorm2d(6, affine=True, track_running_stats=True)), draw(3, 5, 4, 5, 5)),
    "LayerNorm": (lambda: nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.PReLU()), draw(3, 5, 4)),
    "pools": (lambda: norms(nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(3), nn.AvgPool2d(2, 1)), draw(3, 5, 4, 8, 8)),
    "Embedding": (lambda: nn.Embedding(7, 3), clips(3, 5, 4).long() % 7),
    "attention": (attention, draw(3, 5, 6, 4)),
    "TransformerEncoderLayer": (encoder_layer, draw(3, 5, 6, 4)),
    "residual": (Residual, draw(3, 5, 4, 5, 5)),
    "LSTM": (lambda: First(LSTM(4, 3, 2, bidirectional=True)), draw(3, 5, 6, 4)),
    "GRU": (lambda: First(GRU(4, 3)), draw(3, 5, 6, 4)),
    "StreamDropout": (lambda: nn.Sequential(nn.Linear(4, 6), StreamDropout(0.4), nn.Linear(6, 2)), draw(3, 5, 4)),
    "assigned buffer": (Average, draw(3, 5, 3)),
    "PoseConv": (lambda: hashing(PoseConv(6, channels=8)), draw(3, 5, 4, 8)),
    "SilhouetteConv": (lambda: hashing(SilhouetteConv(2)), clips(3, 4, 1, 4, 8, 8)),
    "HaraResNet18": (lambda: HaraResNet18(2), clips(3, 3, 3, 4, 16, 16)),
    "torchvision ResNet": (small_resnet, draw(2, 3, 3, 16, 16)),
}
WORKING["Embedding"] = (WORKING["Embedding"][0], WORKING["Embedding"][1].long())
CASES = [(name, True) for name in WORKING] + [
    (name, False) for name in WORKING if "ttention" not in name and name != "TransformerEncoderLayer"
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "training"), CASES)
def test_members_equal_modules_alone(form: Callable[[nn.Module], Forward], name: str, training: bool) -> None:
    build, inputs = WORKING[name]
    alone = members(build, len(inputs))
    leaf, views, buffers = stack(alone)
    for network in alone:
        network.train(training)
    skeleton = build().double().train(training)
    got = listed(form(skeleton)(views, buffers, inputs))
    want = [listed(network(x)) for network, x in zip(alone, inputs, strict=True)]
    torch.testing.assert_close(got, [torch.stack(column) for column in zip(*want, strict=True)], rtol=1e-12, atol=1e-12)
    torch.stack([weighted([value[k] for value in got]) for k in range(len(alone))]).sum().backward()
    assert leaf.grad is not None
    for k, (network, outputs) in enumerate(zip(alone, want, strict=True)):
        weighted(outputs).backward()
        row = torch.cat(
            [torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in network.parameters()]
        )
        torch.testing.assert_close(leaf.grad[k], row, rtol=1e-12, atol=1e-12 * max(1.0, float(row.abs().max())))
        for label, value in network.named_buffers():
            torch.testing.assert_close(buffers[label][k], value, rtol=1e-12, atol=1e-12)


def test_outputs_keep_their_type_and_one_batch_serves_all() -> None:
    build, inputs = WORKING["PoseConv"]
    _, views, buffers = stack(members(build))
    skeleton = build().double().eval()
    for form in (looped(skeleton), vmapped(skeleton)):
        apart = form(views, buffers, inputs[:1].expand(3, -1, -1, -1))
        shared = form(views, buffers, inputs[0], shared=True)
        chunked = form(views, buffers, inputs[0], shared=True, chunk=2)
        assert isinstance(apart, HashingOutput)
        assert apart.codes.shape == (3, 5, 5)
        for other in (shared, chunked):
            assert isinstance(other, HashingOutput)
            torch.testing.assert_close(other, apart, rtol=1e-12, atol=1e-12)


def test_several_inputs_and_outputs_in_a_dict() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 2)

        def forward(self, pair: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
            return {"a": self.linear(pair[0]), "b": pair[1] + 1}

    _, views, buffers = stack(members(Two))
    pair = (draw(3, 4, 3), draw(3, 4))
    one, other = looped(Two())(views, buffers, pair), vmapped(Two())(views, buffers, pair)
    assert one.keys() == other.keys()
    torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_buffers_move_in_chunks_as_well() -> None:
    build, inputs = WORKING["BatchNorm folded"]
    networks = members(build)
    (_, views, whole), (_, _, parts) = stack(networks), stack(networks)
    skeleton = build().double()
    vmapped(skeleton)(views, whole, inputs)
    vmapped(skeleton)(views, parts, inputs, chunk=2)
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-12)
    assert whole["1.num_batches_tracked"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["BatchNorm", "BatchNorm folded", "PoseConv", "LSTM"])
def test_a_member_without_numbers_touches_no_other(form: Callable[[nn.Module], Forward], name: str) -> None:
    build, inputs = WORKING[name]
    skeleton = build().double()
    results = []
    for poison in (0.0, math.nan):
        networks = members(build)
        for value in networks[1].parameters():
            value.data.add_(poison)
        leaf, views, buffers = stack(networks)
        outputs = listed(form(skeleton)(views, buffers, inputs))
        torch.stack([weighted([value[k] for value in outputs]) for k in range(3)]).sum().backward()
        results.append((leaf.grad, buffers))
    (clean, healthy), (hurt, buffers) = results
    assert clean is not None
    assert hurt is not None
    assert hurt[1].isnan().any()
    assert torch.equal(hurt[[0, 2]], clean[[0, 2]])
    assert all(torch.equal(value[[0, 2]], healthy[label][[0, 2]]) for label, value in buffers.items())


def in_zeros(x: Tensor) -> Tensor:
    return torch.zeros(x.shape, dtype=x.dtype).add_(x)


def either(x: Tensor) -> Tensor:
    return x if x.sum() > 0 else -x


def channels_last(x: Tensor) -> Tensor:
    return x.unsqueeze(0).contiguous(memory_format=torch.channels_last)


def around(layer: nn.Module) -> Build:
    """A network that works but for ``layer`` in its middle, ``[B, 4, 3]`` or ids ``[B, 4]`` to ``[B, 4, 2]``."""

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before = nn.Linear(3, 3)
            self.encoder = nn.ModuleDict({"layer": copy.deepcopy(layer)})
            self.after = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            y = self.encoder["layer"](self.before(x) if x.is_floating_point() else x)
            return self.after((y if isinstance(y, Tensor) else y[0]).to(self.after.weight.dtype))

    return Network


ROWS, IDS = draw(2, 5, 4, 3), torch.arange(40).view(2, 5, 4) % 6
FAILING: dict[str, tuple[nn.Module, Tensor, str]] = {
    "LSTM": (
        nn.LSTM(3, 3, batch_first=True),
        ROWS,
        r"layer \(LSTM\): vmap cannot batch aten::lstm.input; .*recurrent.LSTM",
    ),
    "GRU": (nn.GRU(3, 3, batch_first=True), ROWS, r"layer \(GRU\): vmap cannot batch aten::gru.input; .*recurrent.GRU"),
    "RNN": (nn.RNN(3, 3, batch_first=True), ROWS, r"layer \(RNN\): vmap cannot batch aten::rnn_tanh.input; it trains"),
    "momentum": (nn.BatchNorm1d(4, momentum=None), ROWS, r"layer \(BatchNorm1d\): .*calling .item\(\) on a Tensor; it"),
    "folded momentum": (batch_norm.BatchNorm1d(4, momentum=None), ROWS, r"layer \(BatchNorm1d\): .*give a momentum;"),
    "padding": (
        nn.Embedding(6, 3, padding_idx=0),
        IDS,
        r"layer \(Embedding\): under vmap its gradient of weight differs",
    ),
    "sparse": (nn.Embedding(6, 3, sparse=True), IDS, r"layer \(Embedding\): .* not implemented for sparse tensors;"),
    "Dropout": (
        nn.Dropout(0.5),
        ROWS,
        r"layer \(Dropout\): .*random operation.*; it trains as a loop, .*StreamDropout",
    ),
    "random": (Function(lambda x: x + torch.rand(3)), ROWS, r"layer \(Function\): .*called random operation"),
    "spectral_norm": (
        nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3)),
        ROWS,
        r"_SpectralNorm\): .*aten::div.out;",
    ),
    "zeros": (Function(in_zeros), ROWS, r"layer \(Function\): .*doesn't match the broadcast shape"),
    "branch": (Function(either), ROWS, r"layer \(Function\): .*data-dependent control flow;"),
    "item": (Function(lambda x: x * x.max().item()), ROWS, r"layer \(Function\): .*calling .item\(\) on a Tensor;"),
    "mask": (Function(lambda x: x + x[x > 0].sum()), ROWS, r"layer \(Function\): .*dynamic shape;"),
    "nonzero": (Function(lambda x: x + (x > 0).nonzero().sum()), ROWS, r"layer \(Function\): .*dynamic shape;"),
    "channels last": (Function(channels_last), ROWS, r"layer \(Function\): .*querying is_contiguous inside of vmap"),
}


@pytest.mark.parametrize("name", FAILING)
def test_the_first_layer_at_fault_is_named(name: str) -> None:
    layer, inputs, expected = FAILING[name]
    build = around(layer)
    _, views, buffers = stack(members(build, 2))
    sentence = check(build(), views, buffers, inputs)
    assert sentence is not None
    assert sentence.startswith("encoder.layer")
    assert "; it trains as a loop" in sentence
    assert re.search(expected, sentence), sentence


def test_a_network_at_fault_itself_is_named() -> None:
    build: Build = lambda: Function(in_zeros)  # noqa: E731
    _, views, buffers = stack(members(build, 2))
    sentence = check(build(), views, buffers, ROWS)
    assert sentence is not None
    assert sentence.startswith("the network's own forward (Function): vmap fails with: output with shape")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("It is wrong. Use another.", "It is wrong"),
        ("It is wrong\nUse another.", "It is wrong"),
        ("vmap: has no rule for 1.5 of them! More.", "has no rule for 1.5 of them!"),
    ],
)
def test_of_what_torch_says_the_first_sentence_is_repeated(message: str, expected: str) -> None:
    def fails(x: Tensor) -> Tensor:
        if torch._C._functorch.is_batchedtensor(x):
            raise RuntimeError(message)
        return x

    build: Build = lambda: Function(fails)  # noqa: E731
    _, views, buffers = stack(members(build, 2))
    sentence = check(build(), views, buffers, ROWS)
    assert sentence is not None
    assert f"vmap fails with: {expected};" in sentence


def test_attention_is_refused_where_its_fast_path_of_evaluation_loses_gradients() -> None:
    _, views, buffers = stack(members(attention, 2))
    sentence = check(attention().eval(), views, buffers, draw(2, 5, 6, 4))
    assert sentence is not None
    assert sentence.startswith("inner (MultiheadAttention): vmap fails with: derivative for")


@pytest.mark.parametrize("name", ["PoseConv", "SilhouetteConv", "LSTM", "StreamDropout", "residual", "attention"])
def test_networks_that_train_alike_pass(name: str) -> None:
    build, inputs = WORKING[name]
    _, views, buffers = stack(members(build))
    before = [{label: value.clone() for label, value in part.items()} for part in (views, buffers)]
    own = {label: value.clone() for label, value in buffers.items()}
    assert check(build(), views, own, inputs) is None
    torch.testing.assert_close([views, own], before, rtol=0, atol=0)


def test_a_layer_that_writes_into_its_input_does_not_write_into_what_is_given() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.ReLU(inplace=True), nn.Linear(3, 3), Function(either))

    _, views, buffers = stack(members(build, 2))
    given = ROWS.clone()
    sentence = check(build(), views, buffers, given)
    assert sentence is not None
    assert sentence.startswith("2 (Function): vmap fails with: It looks like")
    assert torch.equal(given, ROWS)


def test_a_network_in_float32_by_its_code_is_tested_in_float32() -> None:
    def build() -> nn.Module:
        return Function(lambda x: F.linear(x, torch.eye(3)))

    networks = [network.float() for network in members(build, 2)]
    _, views, buffers = stack(networks)
    assert check(build(), views, buffers, ROWS.float()) is None


def test_the_test_of_plain_dropout_moves_no_generator() -> None:
    skeleton = around(nn.Dropout(0.5))()
    _, views, buffers = stack(members(around(nn.Dropout(0.5)), 2))
    state = torch.random.get_rng_state()
    assert check(skeleton, views, buffers, ROWS) is not None
    assert torch.equal(torch.random.get_rng_state(), state)


def test_what_fails_in_the_loop_too_is_raised() -> None:
    def build() -> nn.Module:
        return nn.Linear(4, 2)

    _, views, buffers = stack(members(build, 2))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        check(build(), views, buffers, ROWS)


def test_one_member_is_too_few_for_the_test() -> None:
    def build() -> nn.Module:
        return nn.Linear(3, 2)

    _, views, buffers = stack(members(build, 1))
    with pytest.raises(ValueError, match="two members or more"):
        check(build(), views, buffers, ROWS[:1])


def test_random_numbers_in_the_network_are_refused_by_vmap() -> None:
    build = around(nn.Dropout(0.5))
    _, views, buffers = stack(members(build, 2))
    with pytest.raises(RuntimeError, match="randomness error mode"):
        vmapped(build())(views, buffers, ROWS)


class Scaling(nn.Module):
    """Writes into its input, and into a buffer that its graph reads afterwards."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls.add_(1)
        return self.linear(x.mul_(3)) * self.calls


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shared", [False, True])
def test_networks_may_write_into_their_input(form: Callable[[nn.Module], Forward], shared: bool) -> None:
    networks = members(Scaling)
    leaf, views, buffers = stack(networks)
    x = draw(4, 3)
    given = x.clone() if shared else x.repeat(3, 1, 1)
    want = torch.stack([network(x.clone()) for network in networks])
    got = form(Scaling().double())(views, buffers, given, shared=shared)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-12)
    if shared:
        assert torch.equal(given, x)
    got.square().sum().backward()
    want.square().sum().backward()
    row = torch.cat([torch.cat([p.grad.flatten() for p in network.parameters()]) for network in networks])
    assert leaf.grad is not None
    torch.testing.assert_close(leaf.grad, row.view(3, -1), rtol=1e-12, atol=1e-12)
    assert buffers["calls"].tolist() == [1, 1, 1]
