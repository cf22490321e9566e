"""Classifiers that can be filled from weights: a local file, or one of torchvision's by name.

``weights`` is a path, or the name of one of torchvision's weights, which is looked up in torch hub's cache and else
downloaded. A file has torchvision's names (Hara's for his network), alone or under ``state_dict``, with or without
DataParallel's prefix, as Places365's checkpoints of CSAILVision. Its last layer is taken where it has as many classes
as the network; ``head_from_weights`` says whether it was, which a source of soft labels must insist on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar, cast
from urllib.parse import urlparse

import torch
from torch import nn

from kdsearch.errors import DataError
from kdsearch.models.classifiers.cifar import Classifier
from kdsearch.models.weights import load_into
from kdsearch.torchvision_compat import import_torchvision


class Pretrained(Classifier):
    """A classifier whose layers have names in a file of weights, and which may keep some of them as they are."""

    head: ClassVar[str] = "fc"
    """What such a file calls the last layer."""
    head_from_weights = False

    def parts_before(self, stage: int) -> list[nn.Module]:
        """The layers in front of a stage, counted from 1; the number of stages and one more: all but the last layer."""
        raise NotImplementedError

    def layout(self) -> nn.Module:
        """The same layers under the names that a file of weights has; its ``state_dict`` can be saved as such a file.

        Its class is named as the network is, for the error of a file that does not fit.
        """
        parts: Mapping[str, nn.Module] = {**self._body(), self.head: self.classify}
        named = type(type(self).__name__, (nn.ModuleDict,), {})
        return cast("nn.Module", named(parts))

    def fill(self, weights: str, model: str | None, width: int) -> None:
        """Take ``weights``, a path or a name of torchvision's for its ``model``, into the network of this width."""
        self.load(_file(weights, model, width))

    def load(self, path: Path) -> None:
        """Fill the network from a file; raises :class:`~kdsearch.errors.DataError` where the body does not fit."""
        layout = self.layout()
        load_into(layout, path, skip=(f"{self.head}.",))
        with suppress(DataError):  # a last layer for other classes: this one stays as it was drawn
            load_into(layout, path)
            self.head_from_weights = True

    def _body(self) -> dict[str, nn.Module]:
        """All layers but the last, by the names of a file of weights."""
        raise NotImplementedError


def freeze(parts: Iterable[nn.Module]) -> None:
    """Freeze the parameters of ``parts``: they take no gradient, and no optimizer moves them (see ``trainable``).

    A population has one copy of them for all members, which begin with the same weights. Batch norms among them go on
    following the batches' statistics, each member its own.
    """
    for part in parts:
        part.requires_grad_(False)


def trainable(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that learn, by name: all but those that are frozen."""
    return {name: value for name, value in network.named_parameters() if value.requires_grad}


def _file(weights: str, model: str | None, width: int) -> Path:
    """Where weights lie on this machine; torchvision's are fetched where torch hub's cache lacks them."""
    known: Mapping[str, Any] = {}
    if model is not None:
        import_torchvision()
        from torchvision.models import get_model_weights

        known = get_model_weights(model).__members__
    if weights not in known:
        if not Path(weights).is_file():
            names = f", nor one of torchvision's names ({', '.join(known)})" if known else ""
            raise DataError(f"pretrained weights: expected a file at {weights}, found none{names}; download it first")
        return Path(weights)
    if width != 64:
        raise ValueError(f"torchvision's weights of {model} are of width 64, got {width}; leave width or weights out")
    url = known[weights].url
    path = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(url).path).name)
    if not path.is_file():
        try:
            known[weights].get_state_dict(progress=False, check_hash=True, map_location="cpu", weights_only=True)
        except (OSError, HTTPException, RuntimeError) as error:
            raise DataError(
                f"pretrained weights {weights} of {model}: expected a file at {path}, found none, and {url} cannot be "
                f"fetched ({error}); put the file there, or give the path of a local copy as weights"
            ) from error
    return path
