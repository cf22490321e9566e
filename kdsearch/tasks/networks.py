"""The options of a teacher's and a student's network, checked when a study is declared; imports no torch."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import fields
from typing import Any
from typing import cast

from kdsearch.errors import StudyFileError
from kdsearch.models.registry import ENCODERS
from kdsearch.tasks.base import Role
from kdsearch.tasks.base import Scalar


@dataclass(frozen=True)
class NetworkOptions:
    """One of the two networks: ``frames`` it sees, its ``width``, its ``encoder``, a file of pretrained ``weights``.

    ``None`` stands for the task's own (encoder) or the encoder's default (width). The numbers below them are for the
    teacher alone, whose recipe is the task's with these changes.
    """

    frames: int
    width: int | None = None
    encoder: str | None = None
    weights: str | None = None
    epochs: int | None = None
    triplet_weight: float | None = None
    classification_weight: float | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    patience: int | None = None

    def given(self) -> dict[str, Scalar]:
        """The options that are not left to their defaults."""
        return {name: value for name, value in asdict(self).items() if value is not None}


_NETWORK = tuple(field.name for field in fields(NetworkOptions))
_ALLOWED: dict[Role, tuple[str, ...]] = {"teacher": _NETWORK, "student": _NETWORK[:4]}
_FRAMES: dict[Role, int] = {"teacher": 20, "student": 10}


def check_names(what: str, names: Iterable[str], allowed: Sequence[str]) -> None:
    """Raise :class:`StudyFileError` for the first name that is not allowed, with the nearest one that is."""
    for name in names:
        if name not in allowed:
            near = difflib.get_close_matches(str(name), allowed, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise StudyFileError(f"unknown {what} {name!r}.{hint} Allowed: {', '.join(allowed)}")


def network_options(role: Role, options: NetworkOptions | Mapping[str, Scalar]) -> NetworkOptions:
    """The options of ``role``, checked; a mapping gets the role's defaults for what it leaves out.

    Raises :class:`StudyFileError` for an unknown option or a value that cannot be.
    """
    if isinstance(options, NetworkOptions):
        options = options.given()
    check_names(f"option of the {role}", options, _ALLOWED[role])
    network = NetworkOptions(**cast("dict[str, Any]", {"frames": _FRAMES[role], **options}))
    for name in ("frames", "width", "epochs"):
        value = getattr(network, name)
        if value is not None and (not isinstance(value, int) or value < 1):
            raise StudyFileError(f"{role}: {name} must be a whole number of at least 1, got {value!r}")
    if network.encoder is not None:
        check_names("encoder", [network.encoder], tuple(ENCODERS))
    return network
