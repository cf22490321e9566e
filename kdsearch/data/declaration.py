"""What declarations have in common: how validation is cut from the official train list, of clips and of images."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, wraps
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict, override

from kdsearch.data.clips import Clips, ClipTable, IntArray, Parts
from kdsearch.data.folds import FIRST, Fold, checked_recipe, checked_split_seed
from kdsearch.data.partitions import Cutting, Holdout, checked_sources, films_of
from kdsearch.data.splits import Protocol, hold_out, make_parts
from kdsearch.data.synthetic import not_real
from kdsearch.errors import DataError, suggestion

FRAME_SIZE = 112
F = TypeVar("F", bound=Callable[..., Any])


class _Default:
    def __repr__(self) -> str:
        return "default"


_DEFAULT = _Default()


class Options(TypedDict, total=False):
    """Keywords of every function that declares data; see the classes that they return."""

    folds: int | None
    validation: float | None
    split_seed: int


class ClipOptions(Options, total=False):
    """Keywords of every function that declares clips."""

    holdout: str
    always_train: Sequence[str]
    root: Path | str | None


def shows(options: type) -> Callable[[F], F]:
    """A decorator: ``help()`` and completion show these keywords, not ``**options``; others are refused by name."""
    kind = inspect.Parameter.KEYWORD_ONLY
    types = {name: row.__forward_arg__ for name, row in options.__annotations__.items()}
    listed = [inspect.Parameter(name, kind, default=_DEFAULT, annotation=row) for name, row in types.items()]

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        own = [row for row in signature.parameters.values() if row.kind is not inspect.Parameter.VAR_KEYWORD]
        signature = signature.replace(parameters=[*own, *listed])

        @wraps(function)
        def checked(*given: Any, **named: Any) -> Any:
            for name in named.keys() - signature.parameters.keys():
                hint = suggestion(name, signature.parameters)
                raise TypeError(f"{function.__name__}() got an unexpected keyword argument {name!r}; {hint}")
            return function(*given, **named)

        vars(checked)["__signature__"] = signature
        return cast("F", checked)

    return decorate


def fields_of(options: Options, folds: int) -> dict[str, Any]:
    """The fields of a declaration; ``folds`` where neither these nor a share that validates is given."""
    fields: dict[str, Any] = {"folds": None, "root": None, **options}
    if fields["folds"] is None and fields.get("validation") is None:
        fields["folds"] = folds
    if fields["root"] is not None:
        fields["root"] = Path(fields["root"])
    if "classes" in fields:
        fields["only"] = fields.pop("classes")
    return fields


@dataclass(frozen=True, kw_only=True)
class Declaration(ABC):
    """Data under an honest split; files are looked at when a property needs them, and ``load`` alone reads all.

    ``folds``: parts of the official train list that validate in turn, cut with ``split_seed``; None for the older
    recipe of one fixed split, in which the share ``validation`` of the list validates all runs. ``root`` (default: the
    environment variable KDSEARCH_DATA) is where to look and no part of the identity. ``DataError`` for any other
    value, and for both ``folds`` and ``validation`` or neither.
    """

    folds: int | None = 5
    validation: float | None = None
    split_seed: int = 0
    root: Path | None = None

    _share_before: ClassVar[float]
    """Share of the train list that validated before there were folds."""
    _without_folds: ClassVar[dict[str, Any]] = {}
    """Fields that the older recipe does not know, as they are there."""

    def __post_init__(self) -> None:
        folds, validation = checked_recipe(self.folds, self.validation)
        self._set(split_seed=checked_split_seed(self.split_seed), folds=folds, validation=validation)

    def _set(self, **checked: Any) -> None:
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    @abstractmethod
    def is_synthetic(self) -> bool:
        """Whether no real data were found, so that synthetic data take their place."""

    @property
    @abstractmethod
    def label(self) -> str:
        """Short name of data and protocol, part of the stored study name; begins with ``standin`` where synthetic."""

    @property
    @abstractmethod
    def description(self) -> str:
        """One line: which data, and how much of it in each part; begins with the words that it is synthetic."""

    @property
    @abstractmethod
    def num_classes(self) -> int:
        """Number of classes that have data."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """All that makes these data what they are, as JSON values; the content has its own ``fingerprint``."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of the content that runs read, 16 hex digits."""

    def with_folds(self, folds: int) -> Self:
        """The same data cut into so many folds."""
        return replace(self, folds=folds, validation=None)

    def before_folds(self, validation: float | None = None) -> Self:
        """The same data under the older recipe, with this or the usual share: itself where it has that recipe."""
        if self.folds is None:
            return self
        return replace(self, folds=None, validation=validation or self._share_before, **self._without_folds)

    def _label(self, words: Sequence[str], seed: int, by_film: bool = False) -> str:
        """The label of data that are called so; ``seed`` decides what validates."""
        if self.folds is None:
            return "-".join([*words, *([f"carve{seed}"] if seed else [])])
        folds = [f"{self.folds}fold{'s' if self.folds > 1 else ''}", *(["film"] if by_film else [])]
        return "-".join([*words, *folds, *([f"partition{seed}"] if seed else [])])

    def _recipe(self) -> dict[str, Any]:
        """The part of the identity that says what validates."""
        return {"validation": self.validation} if self.folds is None else {"folds": self.folds}


@dataclass(frozen=True, kw_only=True)
class ClipDeclaration(Declaration):
    """Clips for video hashing or classification: which of them train, validate, query and answer.

    ``holdout`` and ``always_train`` as in :class:`~kdsearch.data.partitions.Cutting`. A subclass says what the data are
    called, gives the table of the clips, and reads their frames.
    """

    holdout: Holdout = "video"
    always_train: tuple[str, ...] = ()

    _share_before = 0.2
    _without_folds: ClassVar[dict[str, Any]] = {"holdout": "video", "always_train": ()}

    def __post_init__(self) -> None:
        super().__post_init__()
        holdout, always_train = checked_sources(self.holdout, self.always_train, self.folds)
        self._set(holdout=holdout, always_train=always_train)

    @property
    @abstractmethod
    def modality(self) -> str:
        """What the inputs are: ``poses``, ``masks``, ``silhouettes`` or ``frames``."""

    @property
    def protocol(self) -> Protocol:
        """What makes the parts: an official split, that of the table's first column, or clips drawn a class."""
        return "split1"

    @abstractmethod
    def table(self) -> ClipTable:
        """The clips and what is known of each, from names and lists alone: no frame is read."""

    @abstractmethod
    def read(self, frames: int, size: int) -> NDArray[np.generic]:
        """Inputs ``(N, frames, ...)`` in the order of the table; RGB frames have ``size`` x ``size`` pixels."""

    @property
    @override
    def num_classes(self) -> int:
        return len(self.table().present)

    def parts(self, fold: Fold = FIRST) -> Parts:
        """Labels and the parts of the protocol, from names and lists alone: no frame is read.

        ``fold``: which clips validate; the others of the train list train, and database and query are alike in all.
        ``DataError`` for a fold that these data do not have.
        """
        fold.check(self.folds)
        table, cutting, seed = self.table(), self._cutting, self.split_seed
        if cutting is None:
            assert self.validation is not None
            hold = partial(hold_out, table, fraction=self.validation, split_seed=seed)
            return make_parts(table, self.protocol, seed, hold)
        validating = partial(cutting.validating, table, fold=fold, sources=self._sources(table))
        parts = make_parts(table, self.protocol, seed, validating)
        cutting.check_query(table, parts.query)
        return parts

    def query_groups(self) -> IntArray:
        """Source video of each query ``(queries,)``, in the order of ``parts().query``."""
        return self.table().groups[self.parts().query]

    def load(self, frames: int, size: int | None = None) -> Clips:
        """Read ``frames`` frames of every clip by the uniform rule; parts are those of the first fold.

        ``size``: height and width of RGB frames in pixels (default 112); other modalities have their own size and take
        none. Gives checked ``Clips``; ``DataError`` names the file that is missing, foreign or damaged.
        """
        if frames < 1 or (size is not None and size < 8):
            raise DataError(f"frames={frames}, size={size}: expected one frame or more and 8 pixels or more.")
        if size is not None and self.modality != "frames":
            raise DataError(f"size={size}: expected a size for frames only; {self.modality} have their own.")
        table, inputs = self.table(), self.read(frames, size or FRAME_SIZE)
        return Clips(inputs=inputs, groups=table.groups.copy(), names=table.names, **vars(self.parts())).check()

    @property
    def _cutting(self) -> Cutting | None:
        return None if self.folds is None else Cutting(self.folds, self.split_seed, self.holdout, self.always_train)

    def _sources(self, table: ClipTable) -> IntArray:
        # Of synthetic data each source video is a film.
        return films_of(table) if self.holdout == "film" and not self.is_synthetic else table.groups

    @override
    def _label(self, words: Sequence[str], seed: int, by_film: bool = False) -> str:
        return super()._label(["standin", *words] if self.is_synthetic else words, seed, self.holdout == "film")

    @override
    def _recipe(self) -> dict[str, Any]:
        film = {"holdout": self.holdout} if self.holdout == "film" else {}
        always = {"always_train": list(self.always_train)} if self.always_train else {}
        return {**super()._recipe(), **film, **always}

    @property
    def _source(self) -> str:
        """The part of the identity that says whether the data are real."""
        return "stand-in" if self.is_synthetic else "real"

    def _described(self, title: str, classes: str, protocol: str, parts: Parts) -> str:
        """The description of data of this title, in so many official classes and under this protocol."""
        count, present, cutting = len(parts.labels), len(parts.classes), self._cutting
        if self.is_synthetic:
            head = f"{not_real(title)}: drawn figures as {self.modality}, {count} clips of {present} classes"
        else:
            head = f"{title} {self.modality}, {count} clips of {present} of {classes}"
        if cutting is None:
            held = f"{len(parts.validation)} validation clips held out of train by source video"
            return f"{head}, {protocol}; {held} (split seed {self.split_seed})"
        table, listed = self.table(), np.union1d(parts.train, parts.validation)
        return f"{head}, {protocol}; {cutting.describe(table, listed, self._sources(table))}"

    def _official(self, split: int, parts: Parts) -> str:
        """The words of an official protocol."""
        counts = f"{len(parts.database)} train (database), {len(parts.query)} test (query)"
        return f"{'split' if self.is_synthetic else 'official split'} {split}: {counts}"
