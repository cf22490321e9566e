"""The two networks of meta auxiliary learning (MAXL): one learns two tasks, the other makes the labels of the second.

Source: Liu, Davison and Johns, "Self-supervised generalisation with meta auxiliary learning", NeurIPS 2019,
arXiv 1901.08933. Theirs are VGG-16 with heads 512 to 512 to classes; here any classifier is a body, and heads are as
wide as its embedding. Both give raw logits: softmax, and the mask that keeps a class to its own sub-classes, belong to
the terms.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from kdsearch.models.classifiers.cifar import Classifier, ClassifierOutput


class MultiTaskOutput(NamedTuple):
    """``logits`` ``[B, classes]`` and ``auxiliary`` ``[B, sum of subclasses]``, class by class."""

    logits: Tensor
    auxiliary: Tensor


class MultiTaskNetwork(nn.Module):
    """A body with a primary head and an auxiliary head, each ``features`` to ``hidden``, ReLU, to its classes.

    ``subclasses`` says into how many sub-classes each of the ``classes`` is divided (psi); ``hidden`` defaults to the
    body's ``features``, which for VGG-16 is the original's 512. The body's own ``classify`` is taken away, so that no
    parameter is without a gradient. Raises ``ValueError`` where ``subclasses`` does not fit ``classes``.
    """

    def __init__(self, body: Classifier, classes: int, subclasses: tuple[int, ...], hidden: int | None = None) -> None:
        super().__init__()
        _check(classes, subclasses)
        self.body = _without_classify(body)
        self.primary = _head(body.features, hidden, classes)
        self.auxiliary = _head(body.features, hidden, sum(subclasses))

    def forward(self, images: Tensor) -> MultiTaskOutput:
        """Logits of classes and sub-classes."""
        embedding = self.body.embed(images)
        return MultiTaskOutput(self.primary(embedding), self.auxiliary(embedding))


class LabelGenerator(nn.Module):
    """A body with one head that gives the logits of all sub-classes ``[B, sum of psi]``.

    Arguments and errors as for :class:`MultiTaskNetwork`.
    """

    def __init__(self, body: Classifier, classes: int, psi: tuple[int, ...], hidden: int | None = None) -> None:
        super().__init__()
        _check(classes, psi)
        self.body = _without_classify(body)
        self.head = _head(body.features, hidden, sum(psi))

    def forward(self, images: Tensor) -> ClassifierOutput:
        """Logits of sub-classes, those of the other classes among them."""
        return ClassifierOutput(self.head(self.body.embed(images)))


def _check(classes: int, subclasses: tuple[int, ...]) -> None:
    if len(subclasses) != classes or min(subclasses, default=0) < 1:
        raise ValueError(f"each of {classes} classes needs a number of sub-classes of at least 1, got {subclasses}")


def _without_classify(body: Classifier) -> Classifier:
    body.classify = nn.Identity()
    return body


def _head(features: int, hidden: int | None, classes: int) -> nn.Sequential:
    width = features if hidden is None else hidden
    return nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, classes))
