"""Averaged weights (Izmailov et al. 2018): their mean at later evaluations, with batch norm's statistics anew."""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor, nn

from kdsearch.training import randomness
from kdsearch.training.gradient_cache import parts_of
from kdsearch.training.loop import batch_sizes
from kdsearch.training.members import Evaluate, Evaluation, Member
from kdsearch.training.steppers import PlainStepper, Views, draw, forward


def finish(stepper: PlainStepper, evaluate: Evaluate, member: Member) -> None:
    """Give a run that has trained the mean of its weights, and measure it: the last row of its curve is that of them.

    Nothing happens to a run whose recipe averages nothing, or that diverged. It is the same whenever it happens: the
    mean is part of the run's checkpoint, so a run killed meanwhile does it again. An objective that is not finite means
    that the run diverged.
    """
    progress, recipe = member.progress, member.recipe
    if not progress.averaged or progress.diverged:
        return
    begin = time.perf_counter()
    means = {name: value / progress.averaged for name, value in progress.weight_sum.items()}
    stepper.model.load_state_dict({**stepper.weights(0), **means})
    stepper.views = Views.of([recipe.views], [progress.epoch], stepper.device)
    order = randomness.order(recipe.seed, progress.epoch + 1, len(recipe.clips))
    renew_statistics(stepper, recipe.clips[torch.from_numpy(order).to(recipe.clips.device)], recipe.batch)
    found = Evaluation(*evaluate(stepper, [0], [member.validation])[0])
    progress.seconds += time.perf_counter() - begin
    if not math.isfinite(found.objective):
        progress.diverged = True
        return
    progress.curve["objective"][-1], progress.curve["score"][-1] = found.objective, found.score
    if recipe.keep_weights:
        progress.best_weights = stepper.weights(0)
    if recipe.keep_queries and found.queries is not None:
        progress.best_queries = found.queries.to("cpu", torch.float32)


def renew_statistics(stepper: PlainStepper, clips: Tensor, batch: int) -> None:
    """Batch norm's running statistics of the present weights: the mean over one pass of ``clips`` ``[n]`` in batches.

    ``clips`` are in a random order, as training has them: lists sorted by class would make batches of few classes. As
    ``torch.optim.swa_utils.update_bn``, with a feed in place of a loader.
    """
    training = stepper.model.training
    stepper.model.train()
    norms = [part for part in stepper.model.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    norms = [norm for norm in norms if norm.training]  # one that its network keeps in evaluation mode stays as it is
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    with torch.no_grad():
        for part in torch.split(clips, batch_sizes(len(clips), batch)):
            samples = draw(stepper.feed, part.unsqueeze(0), stepper.views)[0]
            for some in [samples] if stepper.micro_batch is None else parts_of(samples, stepper.micro_batch):
                forward(stepper.model, stepper.feed.take(some, stepper.device), stepper.precision)
    stepper.model.train(training)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
