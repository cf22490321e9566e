"""What a callable carries with it: bound arguments, attributes, defaults that are computed, values it closes over.

Two callables of the same source that carry other values are other trainers. The values are described in words that are
the same in every process, so that they can be hashed with the source.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

from kdsearch.tasks.in_source import in_source, is_library
from kdsearch.values import plain

_LARGEST_DATA = 2**28
_MOST_VALUES = 1_000_000
_DEEPEST = 50


@dataclass(frozen=True)
class Bound:
    """``text``: the values that a callable carries, in words; empty where it carries none. ``unseen``: those that have
    no words, by place and type.
    """

    text: str = ""
    unseen: tuple[str, ...] = ()


def name_of(function: Callable[..., Any]) -> str:
    """The name of a callable, or of the class of one that has none."""
    return getattr(function, "__qualname__", type(function).__name__)


def source_files(function: Callable[..., Any]) -> list[Path]:
    """The files that define a callable: of what is inside ``functools.partial``, and of an object's class."""
    if isinstance(function, functools.partial):
        return source_files(function.func)
    owner = getattr(function, "__self__", None)
    parts: list[Any] = [inspect.unwrap(function)] if inspect.isroutine(function) else [type(function)]
    if owner is not None and not inspect.ismodule(owner):
        parts.append(owner if inspect.isclass(owner) else type(owner))
    found: list[Path] = []
    for part in parts:
        try:
            file = inspect.getsourcefile(part)
        except TypeError:  # built in
            file = None
        if file and Path(file) not in found:
            found.append(Path(file))
    return found


def bound_values(function: Callable[..., Any]) -> Bound:
    """The values that ``function`` carries, and which of the data that it reads by name have no words."""
    walk = _Walk()
    text = walk.carried(function, "")
    walk.names_read(function)
    return Bound(text, tuple(dict.fromkeys(walk.unseen)))


def attributes(value: Any) -> dict[str, Any]:
    """The attributes that an object itself has, those in ``__slots__`` too."""
    slots = [name for kind in type(value).__mro__ for name in _slots(kind)]
    return {**{name: getattr(value, name) for name in slots if hasattr(value, name)}, **getattr(value, "__dict__", {})}


def _slots(kind: type) -> list[str]:
    named = kind.__dict__.get("__slots__", ())
    return [name for name in ([named] if isinstance(named, str) else named) if name not in ("__dict__", "__weakref__")]


class _Walk:
    """Describes values one inside the other; ``unseen`` collects those that have no words."""

    def __init__(self) -> None:
        self.unseen: list[str] = []
        self._open: list[int] = []
        self._left = _MOST_VALUES

    def carried(self, function: Any, place: str) -> str:
        """What a callable carries, without its own name; empty where it is its source alone."""
        if isinstance(function, functools.partial):
            given = [self.value(value, f"argument {index + 1}") for index, value in enumerate(function.args)]
            given += [f"{name}={self.value(value, name)}" for name, value in sorted(function.keywords.items())]
            return f"partial({', '.join([self.callable(function.func, place), *given])})"
        if inspect.ismethod(function):
            inner = self.carried(function.__func__, place)
            owner = self.value(function.__self__, place or "self")
            return f"method of {owner} {inner}"
        if inspect.isfunction(function):
            return self._function(function)
        if inspect.isroutine(function):
            return ""
        return self.instance(function, place)

    def callable(self, function: Any, place: str) -> str:
        """A callable by its name and by what it carries."""
        return f"{name_of(function)}[{self.carried(function, place)}]"

    def _function(self, function: types.FunctionType) -> str:
        parts = []
        if not _literal_defaults(function):
            parts += [self.value(value, "default") for value in function.__defaults__ or ()]
            parts += [
                f"{key}={self.value(value, key)}" for key, value in sorted((function.__kwdefaults__ or {}).items())
            ]
        inside = getattr(function, "__wrapped__", None)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            if id(value) in self._open or value is function:
                continue  # it calls itself
            said = self.carried(value, name) if value is inside else f"{name}={self.value(value, name)}"
            parts += [said] if said else []
        return f"({', '.join(parts)})" if parts else ""

    def value(self, value: Any, place: str) -> str:
        """A value in words."""
        self._left -= 1
        if id(value) in self._open:
            return "itself"
        if len(self._open) >= _DEEPEST:
            return self._no_words(value, place)
        self._open.append(id(value))
        try:
            return self._inside(plain(value), place)
        except Exception:  # of an object that is read for the first time here, such as a tensor without content
            return self._no_words(value, place)
        finally:
            self._open.pop()

    def _inside(self, value: Any, place: str) -> str:
        if value is None or isinstance(value, bool | int | float | complex | str | bytes):
            return repr(value)
        if isinstance(value, PurePath):
            return f"path {str(value)!r}"
        if isinstance(value, Enum):
            return str(value)
        if inspect.isclass(value) or inspect.ismodule(value):
            return value.__name__.rpartition(".")[2]
        if isinstance(value, functools.partial) or inspect.isroutine(value):
            return self.callable(value, place)
        if hasattr(value, "shape") and hasattr(value, "dtype"):
            return _array(value) or self._no_words(value, place)
        if isinstance(value, Mapping | Set | Sequence) and len(value) > self._left:
            return self._no_words(value, place)
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{self.value(k, place)}: {self.value(v, place)}" for k, v in value.items()) + "}"
        if isinstance(value, Set):
            return f"set({', '.join(sorted(self.value(item, place) for item in value))})"
        if isinstance(value, Sequence):
            return f"{type(value).__name__}({', '.join(self.value(item, place) for item in value)})"
        return self.instance(value, place)

    def instance(self, value: Any, place: str) -> str:
        """An object of a class that is no library's, by its attributes."""
        own = not _of_library(type(value)) or isinstance(value, types.SimpleNamespace)
        if not own and not hasattr(type(value), "__dataclass_fields__"):
            return self._no_words(value, place)
        inner = attributes(value).items()
        prefix = f"{place}." if place else ""
        said = ", ".join(f"{name}={self.value(held, prefix + name)}" for name, held in sorted(inner))
        return f"{type(value).__qualname__}({said})"

    def _no_words(self, value: Any, place: str) -> str:
        self.unseen.append(f"{place or name_of(value)} ({type(value).__name__})")
        return type(value).__qualname__

    def names_read(self, function: Any) -> None:
        """Collect the data that stand at the top level of files and that the function reads by name, or what it calls.

        What the source says is left out: it is hashed with the file.
        """
        while isinstance(function, functools.partial):
            function = function.func
        waiting, known = list(_codes_of(function)), set[types.CodeType]()
        while waiting:
            code, names = waiting.pop(0)
            if code in known:
                continue
            known.add(code)
            for name in sorted(_names(code)):
                if name not in names:
                    continue
                value = names[name]
                if inspect.isroutine(value) or inspect.isclass(value):
                    if not _library_code(value):
                        waiting += _codes_of(value)
                elif not (inspect.ismodule(value) or in_source(name, names)):
                    self.unseen.append(f"{name} ({type(value).__name__})")


def _codes_of(value: Any) -> list[tuple[types.CodeType, dict[str, Any]]]:
    """The code of a function, of a class's methods, or of an object's class, each with the names of its file."""
    inner = inspect.unwrap(value) if inspect.isroutine(value) else value
    inner = getattr(inner, "__func__", inner)
    if inspect.isfunction(inner):
        return [(inner.__code__, inner.__globals__)]
    if inspect.isroutine(inner):
        return []
    kind = inner if inspect.isclass(inner) else type(inner)
    methods = [part for base in kind.__mro__ if not _of_library(base) for part in vars(base).values()]
    found = [getattr(part, "__func__", getattr(part, "fget", part)) for part in methods]
    return [(part.__code__, part.__globals__) for part in found if inspect.isfunction(part)]


def _library_code(value: Any) -> bool:
    module = sys.modules.get(getattr(value, "__module__", None) or "")
    return module is None or is_library(module.__name__, getattr(module, "__file__", None))


def _names(code: types.CodeType) -> Iterator[str]:
    """Names that a function reads, those of the functions inside it too."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _names(inner)


def _array(value: Any) -> str:
    """Type, shape and hash of an array or a tensor; empty where its bytes say nothing or are too many."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        if value.layout != torch.strided or value.nbytes > _LARGEST_DATA:
            return ""
        content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    elif hasattr(value, "tobytes") and value.nbytes <= _LARGEST_DATA and not getattr(value.dtype, "hasobject", True):
        content = value.tobytes()
    else:
        return ""
    return f"{value.dtype} {tuple(value.shape)} {hashlib.sha256(content).hexdigest()}"


def _of_library(kind: type) -> bool:
    """Whether a class comes with Python, with kdsearch or with an installed package."""
    module = sys.modules.get(kind.__module__)
    return is_library(kind.__module__, getattr(module, "__file__", None))


def _literal_defaults(function: types.FunctionType) -> bool:
    """Whether all defaults of the parameters are written in the source as they are."""
    if not function.__defaults__ and not function.__kwdefaults__:
        return True
    try:
        tree = ast.parse(Path(function.__code__.co_filename).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    kinds = ast.FunctionDef | ast.Lambda
    lines = (function.__code__.co_firstlineno,)
    found = [node for node in ast.walk(tree) if isinstance(node, kinds) and _first_line(node) in lines]
    return bool(found) and all(_is_literal(value) for node in found for value in _defaults(node))


def _first_line(node: Any) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min(node.lineno, *(one.lineno for one in decorators)) if decorators else int(node.lineno)


def _defaults(node: Any) -> list[ast.expr]:
    return [value for value in (*node.args.defaults, *node.args.kw_defaults) if value is not None]


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True
