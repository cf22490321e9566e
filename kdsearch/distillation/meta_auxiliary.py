"""MAXL: a label generator that learns which auxiliary labels help the primary task.

A network theta_1 has a primary and an auxiliary head; a generator theta_2 gives every image a soft label among the
sub-classes of its own class. theta_2 goes down the primary loss that theta_1 *would* have after one step on those
labels, hence through a second derivative. Source: Liu, Davison and Johns, "Self-supervised generalisation with meta
auxiliary learning", NeurIPS 2019, and its code lorenmt/maxl, ``model_vgg_maxl.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor

# Sub-classes of a class that is not in the batch have mean exactly 0: keeps their gradient 0 instead of NaN.
TINY = 1e-20


def masked_softmax(logits: Tensor, labels: Tensor, subclasses: Sequence[int]) -> Tensor:
    """Auxiliary labels: softmax over the sub-classes of each image's own class, exactly 0 elsewhere.

    ``logits`` ``[..., B, S]``, ``labels`` ``[..., B]`` or ``[B]`` int64 of the primary classes, ``subclasses`` how many
    sub-classes each class has (psi, at least 1 each, S in all; those of class 0 come first). The result ``[..., B, S]``
    sums to 1 over S. Raises ``ValueError`` where ``subclasses`` does not fit S.

    The original computes ``exp(z) m / sum exp(z) m`` with m = 1 inside and 1e-8 outside: about 1e-8 leaks to foreign
    sub-classes, all of it once a foreign logit leads by more than 18.4 = -ln 1e-8, and float32 overflows above z = 88.
    Here the mask is -inf on the logits: nothing leaks and nothing overflows.
    """
    if min(subclasses) < 1 or sum(subclasses) != logits.shape[-1]:
        raise ValueError(
            f"expected at least 1 sub-class a class and {logits.shape[-1]} in all, as many as there are logits, "
            f"got {list(subclasses)} with sum {sum(subclasses)}"
        )
    own = _class_of_subclass(tuple(subclasses), logits.device) == labels.unsqueeze(-1)
    return torch.softmax(logits.masked_fill(~own, -torch.inf), -1)


@lru_cache(maxsize=16)
def _class_of_subclass(subclasses: tuple[int, ...], device: torch.device) -> Tensor:
    """Class ``[S]`` that each sub-class belongs to."""
    return torch.arange(len(subclasses)).repeat_interleave(torch.tensor(subclasses)).to(device)


def collapse_entropy(probabilities: Tensor) -> Tensor:
    """Negative entropy of the batch's mean auxiliary label; large when the generator uses few sub-classes.

    ``probabilities`` ``[..., B, S]``, the result ``[...]`` in nats, between -log S and 0:

        ``H = sum_k m_k log(m_k + 1e-20)``, ``m = 1/B sum_b probabilities_b``

    The original adds it with weight 0.2. Its first-order variant (``model_vgg_maxl_firstorder.py``) loses this term's
    gradient by overwriting it; here it is a term like any other.
    """
    mean = probabilities.mean(-2)
    return (mean * (mean + TINY).log()).sum(-1)


def virtual_step(
    loss: Callable[[dict[str, Tensor]], Tensor], parameters: Mapping[str, Tensor], learning_rate: float | Tensor
) -> dict[str, Tensor]:
    """Parameters after one step of plain gradient descent, with the graph kept: a differentiable function.

        ``theta_1+ = theta_1 - learning_rate * d loss(theta_1) / d theta_1``

    ``loss`` maps named parameters to ``[]``, or to ``[M]`` for members whose parameters are stacked as ``[M, ...]`` and
    do not touch each other's loss; ``learning_rate`` is a number or ``[M]``. A parameter that the loss does not reach
    stays as it is. Without momentum and weight decay, as in the original.

    ``loss`` runs the network by ``torch.func.functional_call``. It must not move what is real: a virtual step that
    updates BatchNorm's running statistics trains on a step that never happens. So the caller passes buffers that may be
    thrown away, ``functional_call(network, (parameters, {name: buffer.clone() ...}), images)``; the original passes
    fresh zeros and ones. In training mode the batch's own statistics are used, so no value depends on them.
    """
    live = {
        name: value if value.requires_grad else value.detach().requires_grad_() for name, value in parameters.items()
    }
    gradients = torch.autograd.grad(loss(live).sum(), list(live.values()), create_graph=True, materialize_grads=True)
    return {
        name: value - _for_members(learning_rate, value) * gradient
        for (name, value), gradient in zip(live.items(), gradients, strict=True)
    }


def _for_members(number: float | Tensor, like: Tensor) -> float | Tensor:
    """A number, or numbers ``[M]`` with as many axes as a stacked parameter ``[M, ...]``."""
    return number.reshape(number.shape + (1,) * (like.dim() - number.dim())) if isinstance(number, Tensor) else number


def primary_after_step(
    primary: Callable[[dict[str, Tensor]], Tensor],
    total: Callable[[dict[str, Tensor]], Tensor],
    parameters: Mapping[str, Tensor],
    learning_rate: float | Tensor,
) -> Tensor:
    """The generator's objective: primary loss after one virtual step on primary plus auxiliary loss.

        ``J(theta_2) = primary(theta_1 - learning_rate * d total(theta_1, theta_2) / d theta_1)``

    ``total`` closes over the auxiliary labels with their graph to theta_2 and ``primary`` does not see them, so the
    whole gradient runs through the step; shapes as in :func:`virtual_step`. It is exact, not DARTS's finite difference.
    Take it by ``torch.autograd.grad(J + 0.2 * collapse_entropy(labels), theta_2)``: ``backward`` would fill the
    gradients of theta_1 too. theta_1 itself then takes a real step on ``total`` with the labels detached.
    """
    return primary(virtual_step(total, parameters, learning_rate))
