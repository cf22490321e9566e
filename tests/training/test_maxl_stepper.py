"""The stepper of MAXL: what each of its two passes moves, and the generator's gradient by finite differences."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call

from kdsearch.distillation.focal import focal_batchmean
from kdsearch.distillation.meta_auxiliary import collapse_entropy, masked_softmax
from kdsearch.models.classifiers.cifar import StudentNet
from kdsearch.models.heads.meta_auxiliary import LabelGenerator, MultiTaskNetwork
from kdsearch.training.feeds import TensorFeed
from kdsearch.training.maxl_stepper import MetaAuxiliaryStepper, MetaParameters, Pair

SUBCLASSES = (2, 3)
NUMBERS = MetaParameters(0.7, 0.2, 0.1, 0.0, 0.05, 0.01)


def make(**changes: float) -> MetaAuxiliaryStepper:
    torch.manual_seed(0)
    pair = Pair(
        MultiTaskNetwork(StudentNet(2, 2), 2, SUBCLASSES), LabelGenerator(StudentNet(2, 2), 2, SUBCLASSES)
    ).double()
    images = torch.randn(6, 3, 32, 32, dtype=torch.float64)
    labels = torch.tensor([0, 1, 0, 1, 1, 0])
    return MetaAuxiliaryStepper(pair, TensorFeed(images), labels, SUBCLASSES, NUMBERS._replace(**changes))


def moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    """Which of ``network`` and ``generator`` has parameters that moved."""
    return {
        name.split(".")[0]
        for name, value in before.items()
        if "norm" not in name and not torch.equal(value, after[name])
    }


def test_the_first_pass_moves_the_network_the_second_the_generator() -> None:
    stepper = make()
    stepper.begin([0.1])
    first = stepper.weights(0)
    stepper.step(torch.arange(6).unsqueeze(0))
    second = stepper.weights(0)
    stepper.end()
    third = stepper.weights(0)
    assert moved(first, second) == {"network"}
    assert moved(second, third) == {"generator"}
    running = [name for name in third if name.startswith("network") and "running" in name]
    assert running
    assert all(torch.equal(second[name], third[name]) for name in running), "a step that never happens is not counted"


def test_the_network_steps_down_focal_losses_on_fixed_labels() -> None:
    stepper = make(weight_decay=0.3)
    stepper.begin([0.1])
    pair, images, classes = stepper.pair, stepper.feed.take(torch.arange(6), torch.device("cpu")), stepper.labels
    wanted = masked_softmax(pair.generator(images).logits.detach(), classes, SUBCLASSES)
    output = pair.network(images)
    hard = torch.softmax(output.logits, 1)[torch.arange(6), classes]
    primary = -((1 - hard) ** 2 * (hard + 1e-20).log()).mean()
    soft = torch.softmax(output.auxiliary, 1)
    auxiliary = -(wanted * (1 - soft) ** 2 * (soft + 1e-20).log()).sum(1).mean()
    loss = primary + 0.7 * auxiliary
    weight = pair.network.primary[2].weight
    (gradient,) = torch.autograd.grad(loss, [weight])
    want = weight.detach() - 0.1 * (gradient + 0.3 * weight.detach())
    found = stepper.step(torch.arange(6).unsqueeze(0))
    torch.testing.assert_close(found[0], loss.detach())
    torch.testing.assert_close(weight.detach(), want)


def test_the_generators_gradient_is_exact() -> None:
    """Against central differences of the objective written out: one step of the network, then its primary loss."""
    stepper = make()
    stepper.begin([0.1])
    pair, images, classes = stepper.pair, stepper.feed.take(torch.arange(6), torch.device("cpu")), stepper.labels
    weight = pair.generator.head[2].weight
    (found,) = torch.autograd.grad(stepper.generator_loss(images, classes), [weight])

    def objective() -> float:
        network = pair.network
        with torch.no_grad():
            made = masked_softmax(pair.generator(images).logits, classes, SUBCLASSES)
        names = [name for name, _ in network.named_parameters()]
        buffers = {name: value.clone() for name, value in network.named_buffers()}
        output = functional_call(network, buffers, (images,))
        total = focal_batchmean(output.logits, classes) + 0.7 * focal_batchmean(output.auxiliary, made)
        gradients = torch.autograd.grad(total, list(network.parameters()))
        pairs = zip(names, network.parameters(), gradients, strict=True)
        after = {name: value.detach() - 0.1 * gradient for name, value, gradient in pairs}
        with torch.no_grad():
            primary = focal_batchmean(functional_call(network, (after, buffers), (images,)).logits, classes)
        return float(primary + 0.2 * collapse_entropy(made))

    step, worst = 1e-5, 0.0
    for row, column in ((0, 0), (1, 3), (4, 7)):
        original = float(weight.detach()[row, column])
        values = []
        for place in (original + step, original - step):
            with torch.no_grad():
                weight[row, column] = place
            values.append(objective())
        with torch.no_grad():
            weight[row, column] = original
        worst = max(worst, abs((values[0] - values[1]) / (2 * step) - float(found[row, column])))
    assert worst < 1e-6 * float(found.abs().max())
    assert float(found.abs().max()) > 1e-6


def test_without_auxiliary_weight_the_generator_is_left_alone() -> None:
    stepper = make(auxiliary_weight=0.0)
    stepper.begin([0.1])
    before = stepper.weights(0)
    stepper.step(torch.arange(6).unsqueeze(0))
    stepper.end()
    assert moved(before, stepper.weights(0)) == {"network"}
    assert not any(not torch.equal(before[n], v) for n, v in stepper.weights(0).items() if n.startswith("generator"))


def test_the_generators_rate_falls_with_the_networks() -> None:
    full, half = make(entropy_weight=0.0), make(entropy_weight=0.0)
    steps = []
    for stepper, rate in ((full, 0.1), (half, 0.05)):
        stepper.begin([rate])
        stepper.rate = rate
        stepper.seen = [torch.arange(6)]
        before = stepper.weights(0)["generator.head.2.bias"]
        # The virtual step has the rate too: compare with the gradient that belongs to it.
        images, classes = stepper.feed.take(torch.arange(6), torch.device("cpu")), stepper.labels
        bias = stepper.pair.generator.head[2].bias
        (gradient,) = torch.autograd.grad(stepper.generator_loss(images, classes), [bias])
        stepper.end()
        change = before - stepper.weights(0)["generator.head.2.bias"]
        steps.append(float((change / (gradient + 0.01 * before)).mean()))
    assert abs(steps[0] - 0.05) < 1e-9
    assert abs(steps[1] - 0.025) < 1e-9
