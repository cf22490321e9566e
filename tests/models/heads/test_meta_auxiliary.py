"""MAXL's networks: sizes by hand, every parameter learns, alone and stacked, and the second derivative exists."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from kdsearch.models.heads.meta_auxiliary import LabelGenerator, MultiTaskNetwork
from kdsearch.models.registry import CLASSIFIERS
from kdsearch.training.population.forward import check
from kdsearch.training.population.stacked import StackedParameters
from kdsearch.training.randomness import build_seeded

PSI = (2, 3, 2)
BODIES = [("studentnet", 4), ("resnet20", 4), ("vgg16_bn", 16)]
KINDS = [MultiTaskNetwork, LabelGenerator]


def network(name: str, width: int, kind: Callable[..., nn.Module] = MultiTaskNetwork) -> nn.Module:
    return build_seeded(0, lambda: kind(CLASSIFIERS[name].build(3, width), 3, PSI))


def inputs(*first: int) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(*first, 3, 32, 32)


def test_sizes_by_hand() -> None:
    # VGG-16 without its last layer, and the originals' heads 512 to 512 to 10 and to 50.
    body, psi = 14_728_266 - 5_130, (5,) * 10
    primary, auxiliary = 512 * 512 + 512 + 512 * 10 + 10, 512 * 512 + 512 + 512 * 50 + 50
    vgg = CLASSIFIERS["vgg16_bn"].build
    assert sum(p.numel() for p in MultiTaskNetwork(vgg(10), 10, psi).parameters()) == body + primary + auxiliary
    assert sum(p.numel() for p in LabelGenerator(vgg(10), 10, psi).parameters()) == body + auxiliary


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "width"), BODIES)
def test_every_parameter_gets_a_gradient(name: str, width: int, kind: Callable[..., nn.Module]) -> None:
    made = network(name, width, kind)
    outputs = made(inputs(6))
    assert outputs.logits.shape == (6, 7 if kind is LabelGenerator else 3)
    assert outputs[-1].shape == (6, 7)
    loss = sum(nn.functional.cross_entropy(logits, torch.arange(6) % 3) for logits in outputs)
    assert isinstance(loss, Tensor)
    loss.backward()
    for label, parameter in made.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.abs().sum() > 0, label


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "width"), BODIES)
def test_both_forms_train_it_alike(name: str, width: int, kind: Callable[..., nn.Module]) -> None:
    made = network(name, width, kind)
    rows = StackedParameters(made, 2)
    with torch.no_grad():
        rows.weights[1] += 0.01 * torch.randn_like(rows.weights[1])
    assert check(made, rows.views(), rows.buffers, inputs(2, 4)) is None


def second_order(learner: nn.Module, generator: nn.Module, x: Tensor, stacked: bool) -> list[Tensor]:
    """Gradients of the primary loss after one step on generated labels, with respect to the generator."""
    theta, phi = dict(learner.named_parameters()), dict(generator.named_parameters())
    if stacked:
        theta, phi = ({k: v.detach()[None].requires_grad_() for k, v in part.items()} for part in (theta, phi))
    states = [
        {k: v[None].clone() if stacked else v.clone() for k, v in m.named_buffers()} for m in (learner, generator)
    ]

    def call(module: nn.Module, weights: dict[str, Tensor], state: dict[str, Tensor]) -> tuple[Tensor, ...]:
        if not stacked:
            return tuple(functional_call(module, (weights, state), (x,)))
        return tuple(vmap(lambda w, s: tuple(functional_call(module, (w, s), (x,))))(weights, state))

    labels = call(generator, phi, states[1])[0].softmax(-1)
    step = -(labels * call(learner, theta, states[0])[1].log_softmax(-1)).sum(-1).mean()
    gradients = torch.autograd.grad(step, list(theta.values()), create_graph=True, allow_unused=True)
    pairs = zip(theta.items(), gradients, strict=True)
    virtual = {name: value if g is None else value - 0.1 * g for (name, value), g in pairs}
    primary = call(learner, virtual, states[0])[0].log_softmax(-1)[..., 0].mean()
    return list(torch.autograd.grad(primary, list(phi.values())))


@pytest.mark.parametrize(("name", "width"), [("studentnet", 4), ("resnet20", 4)])
def test_the_generator_learns_through_a_step_of_the_learner(name: str, width: int) -> None:
    learner, generator = network(name, width).double(), network(name, width, LabelGenerator).double()
    x = inputs(4).double()
    alone, stacked = (second_order(learner, generator, x, form) for form in (False, True))
    scale = max(float(g.abs().max()) for g in alone)
    assert scale > 0
    for one, other in zip(alone, stacked, strict=True):
        assert torch.allclose(one, other[0], rtol=1e-8, atol=1e-9 * scale)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("psi", [(2, 3), (2, 0, 3), ()])
def test_sub_classes_that_do_not_fit_are_refused(kind: Callable[..., nn.Module], psi: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="each of 3 classes needs a number of sub-classes of at least 1, got"):
        kind(CLASSIFIERS["studentnet"].build(3, 4), 3, psi)
