"""What an argparse parser says of its options: a program of its own, which the Python of the script runs as text.

It imports nothing of kdsearch, for that Python may not have it. Its arguments: the script, or ``-m`` and a module, and
what the script is given.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import sys
from typing import Any

MARK = "kdsearch-options:"

_rows: dict[Any, Any] = {}
_words: list[str] = []
_known = argparse.ArgumentParser.parse_known_args


def main() -> None:
    """Run the script until it parses its arguments; one that does not use argparse gets ``--help``."""
    start, sys.argv = sys.argv[1], sys.argv[2:]
    _words.extend(sys.argv[1:])
    sys.argv.append("--help")
    argparse.ArgumentParser.parse_args = _tell  # type: ignore[method-assign,assignment]
    argparse.ArgumentParser.parse_known_args = _tell_or_go_on  # type: ignore[method-assign,assignment]
    if start == "-m":
        sys.path.insert(0, "")
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
        runpy.run_path(sys.argv[0], run_name="__main__")


def _tell(parser: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> None:
    given = list(sys.argv[1:] if args is None else args)
    chosen, lacking, rest = _subcommands(parser, [word for word in given if word != "--help"])
    places: list[int] = []
    innermost = parser
    _note(parser, 0)
    for name, left, below in chosen:
        places.append(_place(name, left, places[-1] + 1 if places else 0))
        _note(below, len(places))
        innermost = below
    if rest:
        places.append(len(_words) - rest)
    names, required = _unnamed(innermost)
    answer = {
        "options": list(_rows.values()),
        "places": places,
        "subcommands": names,
        "subcommand_required": required,
        "lacking": lacking,
    }
    print("\n" + MARK + json.dumps(answer, default=str), flush=True)
    os._exit(0)


def _tell_or_go_on(parser: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> Any:
    """A first parser that has no help of its own, as for a file of settings, goes before the one that is meant."""
    if parser.add_help:
        _tell(parser, args)
    _note(parser, 0)
    given = list(sys.argv[1:] if args is None else args)
    try:
        return _known(parser, given, namespace)
    except SystemExit:  # the command lacks what this parser requires, or the script's user has yet to say it
        return _known(parser, [], namespace)


def _subcommands(parser: argparse.ArgumentParser, words: list[str]) -> tuple[list[Any], list[str], int]:
    """Of each subcommand that the words choose its name, the number of words from it on, and its parser.

    The second holds the arguments without a flag that the words lack, the third is the number of words at the end that
    the parser passes on as they are, so that no option may stand behind them.
    """
    found: list[Any] = []
    lacking: list[str] = []
    read = {parser: argparse.Namespace()}

    def call(action: Any, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        below = action.choices[values[0]]
        found.append((values[0], len(values), below))
        read[below] = argparse.Namespace()
        _known(below, values[1:], read[below])

    def refuse(parser: Any, message: str) -> None:
        said, _, names = message.partition("required: ")
        if said:
            lacking.extend(name for name in names.split(", ") if name and name[0] not in parser.prefix_chars)
        raise ValueError(message)

    before = argparse._SubParsersAction.__call__
    argparse._SubParsersAction.__call__ = call  # type: ignore[method-assign,assignment]
    argparse.ArgumentParser.error = refuse  # type: ignore[method-assign,assignment]
    try:
        _known(parser, words, read[parser])
    except (Exception, SystemExit):  # what else is wrong with the words shows when the command runs
        pass
    finally:
        argparse._SubParsersAction.__call__ = before  # type: ignore[method-assign]
    innermost = found[-1][2] if found else parser
    return found, lacking, _passed_on(innermost, read[innermost])


def _passed_on(parser: argparse.ArgumentParser, read: argparse.Namespace) -> int:
    rests = [action.dest for action in parser._actions if action.nargs == "..." and not action.option_strings]
    return sum(len(getattr(read, name, None) or []) for name in rests)


def _place(name: str, left: int, first: int) -> int:
    """The index of a subcommand's name among the words; an earlier parser may have taken some after it."""
    place = len(_words) - left
    if place < first or _words[place] != name:
        place = _words.index(name, first) if name in _words[first:] else place
    return place


def _unnamed(parser: argparse.ArgumentParser) -> tuple[list[str], bool]:
    """The subcommands of a parser whose words name none of them, and whether one is required."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return [str(name) for name in action.choices], bool(action.required)
    return [], False


def _note(parser: argparse.ArgumentParser, level: int) -> None:
    for action in parser._actions:
        ends = isinstance(action, (argparse._HelpAction, argparse._VersionAction))
        if action.option_strings and not ends:
            _rows[level, tuple(action.option_strings)] = {
                "level": level,
                "flags": list(action.option_strings),
                "kind": _kind(action),
                "default": None if action.default == argparse.SUPPRESS else action.default,
                "choices": [] if action.choices is None else list(action.choices),
                "text": _text(parser, action),
                "required": bool(action.required),
                "many": action.nargs in ("+", "*", "...", "A...")
                or (isinstance(action.nargs, int) and action.nargs > 1),
            }


def _kind(action: argparse.Action) -> str:
    if type(action).__name__ == "BooleanOptionalAction":
        return "switch"
    if isinstance(action, argparse._CountAction):
        return "count"
    if isinstance(action, argparse._StoreConstAction) and action.const == action.default:
        return "idle"
    return "flag" if action.nargs == 0 else getattr(action.type or str, "__name__", "function")


def _text(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    if not action.help or action.help == argparse.SUPPRESS:
        return ""
    try:
        return parser._get_formatter()._expand_help(action)
    except Exception:  # a text with a percent sign that is no place of argparse
        return action.help


if __name__ == "__main__":
    main()
