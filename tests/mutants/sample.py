"""A random sample of mutants, by cosmic-ray's operators and two more: a statement left out, a condition of SQL."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.operators.provider import OperatorProvider

_CONDITIONS = re.compile(r"\bAND\b|(?<= )[<>](?= )")
_TURNED = {"AND": "OR", "<": ">", ">": "<"}


class OwnOperator(Operator):  # type: ignore[misc]
    """An operator of ours; what cosmic-ray asks for besides is for its own tests."""

    @classmethod
    def examples(cls) -> Sequence[Any]:
        """None."""
        return ()


class LeaveOut(OwnOperator):
    """Leaves out a call that stands as a statement, or an assignment to an attribute or an item."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        call = node.type in ("atom_expr", "await") and node.children[-1].type == "trailer"
        target = node.children[0] if node.type == "expr_stmt" else None
        held = target is not None and target.type == "atom_expr" and node.children[1].type in ("operator", "annassign")
        alone = node.parent is not None and node.parent.type == "simple_stmt"
        if alone and (held or (call and str(node.children[-1].children[0].value) == "(")):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        return parso.python.tree.Name("pass", node.start_pos, prefix=node.get_first_leaf().prefix)


class SqlCondition(OwnOperator):
    """Turns one ``AND`` of a text with SQL into ``OR``, or one ``<`` or ``>`` around."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if node.type == "string" and re.search(r"\b(SELECT|UPDATE|INSERT)\b", node.value):
            for _ in _CONDITIONS.finditer(node.value):
                yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        place = list(_CONDITIONS.finditer(node.value))[index]
        node.value = node.value[: place.start()] + _TURNED[place[0]] + node.value[place.end() :]
        return node


_PROVIDER = OperatorProvider()
OPERATORS: dict[str, Operator] = {
    **{name: _PROVIDER[name]() for name in _PROVIDER if not name.startswith("Variable")},
    "LeaveOut": LeaveOut(),
    "SqlCondition": SqlCondition(),
}


@dataclass(frozen=True)
class Mutant:
    """A module below ``kdsearch`` with one small fault; ``text`` is the whole of it."""

    module: str
    line: int
    operator: str
    text: str
    before: str
    after: str


def sample(modules: Sequence[str], size: int, seed: int) -> list[Mutant]:
    """So many mutants, each of another place; of one place (an operator, a number) one change is drawn.

    Those that cannot change a run are left out.
    """
    rng = random.Random(seed)
    places = [place for module in modules for place in _places(module).items()]
    rng.shuffle(places)
    drawn = (_mutant(module, *rng.choice(changes)) for (module, _), changes in places)
    return list(islice(filter(None, drawn), size))


def _places(module: str) -> dict[tuple[str, tuple[int, int]], list[tuple[str, int]]]:
    """Each place of a module with the operators, and the occurrences of them, that change it."""
    tree = get_ast(Path("kdsearch", module).read_text())
    nodes = list(ast_nodes(tree))
    found: dict[tuple[str, tuple[int, int]], list[tuple[str, int]]] = {}
    for name, operator in OPERATORS.items():
        positions = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, start in enumerate(positions):
            found.setdefault((module, start), []).append((name, occurrence))
    return found


def _mutant(module: str, operator: str, occurrence: int) -> Mutant | None:
    """The mutant, or ``None`` where it is the same program or none at all."""
    source = Path("kdsearch", module).read_text()
    text = mutate_code(source, OPERATORS[operator], occurrence)
    try:
        if text is None or _code(text) == _code(source):
            return None
    except SyntaxError:
        return None
    old, new = _lines(source), _lines(text)
    place = next(place for place, (one, other) in enumerate(zip(old, new, strict=False)) if one[1] != other[1])
    (line, before), (_, after) = old[place], new[place]
    return Mutant(module, line, operator, text, before, after)


def _lines(text: str) -> list[tuple[int, str]]:
    return [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


_ONLY_SAID = ("override", "abstractmethod", "frozen", "strict")
"""Decorators and arguments that change no program in which nothing is wrong."""


def _code(text: str) -> str:
    """The program without what nothing reads while it runs, as annotations and what guards against slips."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
            node.decorator_list = [one for one in node.decorator_list if ast.unparse(one) not in _ONLY_SAID]
        elif isinstance(node, ast.Call):
            node.keywords = [one for one in node.keywords if one.arg not in _ONLY_SAID]
    return ast.dump(tree)
