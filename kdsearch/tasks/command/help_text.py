"""The options that a program's help text names, as argparse, Click, Typer and programs of GNU print it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kdsearch.tasks.base import Scalar
from kdsearch.tasks.command.option import Option, option_of
from kdsearch.texts import without_escapes

_BOXES = re.compile(r"[\u2500-\u257f]")
"""Frames that rich draws around the options of a Typer program."""

_FLAG = re.compile(r"--?[A-Za-z0-9][\w.-]*")
_CHOICES = r"\{[^}]*\}|\[[^\]\s:]+\|[^\]\s:]+\]|<[^>|\s]+(?:\|[^>|\s]+)+>"
_VALUE = re.compile(
    rf"[= ](?:{_CHOICES}|[A-Z]+ RANGE|<[\w. ]+>|[\w.]+)(?:\.\.\.|(?: [\w.]+)? \[[\w.]+ \.\.\.\])?(?=[\s,]|$)"
)
_TYPES = "FLOAT|INTEGER|TEXT|PATH|FILE|FILENAME|DIRECTORY|UUID|DATETIME"
_COLUMN = re.compile(rf"\s+(?:{_CHOICES}|<[\w. ]+>|(?:{_TYPES})(?: RANGE)?)(?:\.\.\.)?(?=\s|$)")
"""The value of an option of Typer, which stands in a column of its own."""

_ENDING = ("--help", "--version", "--install-completion", "--show-completion")
_NUMBERS = {"float": "float", "double": "float", "int": "int", "integer": "int"}


def plain_text(said: str) -> str:
    """What a program prints in a terminal, without colours and frames."""
    return _BOXES.sub(" ", without_escapes(said)).replace("\r", "").expandtabs()


def is_help(text: str) -> bool:
    """Whether a text lists any option, as the message that refuses a command does not."""
    return next(_entries(plain_text(text)), None) is not None


def options_in(text: str, before: int | None = None) -> list[Option]:
    """The options of a help text; ``before`` as in :class:`Option`."""
    found: dict[str, Option] = {}
    for line in _entries(plain_text(text)):
        option = _option(line, before)
        if option is not None and option.flag not in _ENDING:
            found.setdefault(option.flag, option)
    return list(found.values())


def subcommands_in(text: str, words: Sequence[str]) -> list[int]:
    """The indices of the words that the usage line of Click or Typer names as subcommands."""
    usage = re.search(r"(?m)^\s*Usage: +(.+?) +\[OPTIONS\]", plain_text(text))
    places, first = [], 0
    for name in usage[1].split()[1:] if usage else ():
        if name in words[first:]:
            places.append(words.index(name, first))
            first = places[-1] + 1
    return places


def subcommands_of(text: str) -> list[str]:
    """The subcommands that a help text of Click or Typer lists where its usage asks for one."""
    plain = plain_text(text)
    if not re.search(r"(?m)^\s*Usage: .* COMMAND ", plain):
        return []
    listed = re.search(r"(?ms)^\s*Commands:?\s*$(.*)", plain)
    lines = listed[1].splitlines() if listed else []
    indents = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    return [line.split()[0] for line in lines if line.strip() and len(line) - len(line.lstrip()) == min(indents)]


def _entries(text: str) -> Iterator[str]:
    """The lines of a help text that begin with an option, each with the lines that go on with it."""
    entry, indent = "", 0
    for line in [*text.splitlines(), ""]:
        stripped = re.sub(r"^\*\s+", "", line.strip())  # a star marks what Typer requires
        deeper = len(line) - len(line.lstrip()) > indent
        begins = line[:1].isspace() and _FLAG.match(stripped) is not None
        if entry and (begins or not stripped or not deeper):
            yield entry
            entry = ""
        if begins:
            entry, indent = stripped, len(line) - len(line.lstrip())
        elif entry:
            entry += f"  {stripped}"


def _option(entry: str, before: int | None) -> Option | None:
    flags, off, value, rest = _parts(entry)
    if not any(flag.startswith("--") for flag in flags):
        return None
    if not off and len(flags) > 1 and any(f"--no-{flag.removeprefix('--')}" in flags for flag in flags):
        off = [flag for flag in flags if flag.startswith("--no-")]
        flags = [flag for flag in flags if flag not in off]
    told = re.search(r"(?i)default[:=]? *([^\s\])]+)", rest)
    listed = value[:1] in "{[<" and re.search(r"[|,]", value)
    choices = re.split(r"[|,]", value.strip("{}[]<>")) if value and listed else []
    name = value.strip("<>").split(" ")[0].lower()
    kind, default = _kind(told[1].strip("'\"") if told else "", name)
    required = "[required]" in rest
    if value and name not in ("bool", "flag"):
        many = (
            value.endswith(("...", "...]")) or re.fullmatch(r"<\w+( \w+)+>", value.replace(" range>", ">")) is not None
        )
        return option_of(flags, kind, default, choices, rest, required=required, many=many, before=before)
    if not off:
        return option_of(flags, "flag", None, (), rest, before=before)
    longest = max(flags, key=len)
    no = tuple(sorted(off, key=len, reverse=True))
    chosen = None if told is None else told[1].lower() != "false" and told[1] not in [flag.lstrip("-") for flag in no]
    also = tuple(flag for flag in [*flags, *off] if flag != longest)
    return Option(longest, "switch", chosen, (), rest, also, off=no, before=before)


def _parts(entry: str) -> tuple[list[str], list[str], str, str]:
    """The ways to write an option, those to write its opposite, the name of its value, and what is said of it."""
    flags, off, value, place = list[str](), list[str](), "", 0
    opposite = False
    while match := _FLAG.match(entry, place):
        (off if opposite else flags).append(match[0])
        place = match.end()
        if found := _VALUE.match(entry, place):
            value, place = found[0][1:].strip(), found.end()
        between = re.compile(r"\s*([,/])\s*|\s+(?=-)").match(entry, place)
        if between is None:
            break
        opposite = opposite or between[1] == "/"
        place = between.end()
    if not value and (found := _COLUMN.match(entry, place)):
        value, place = found[0].strip(), found.end()
    rest = " ".join(entry[place:].split())
    if not value and rest.startswith(":"):  # as absl writes it
        value = "float" if rest.endswith("(a number)") else "int" if rest.endswith("(an integer)") else "value"
    return flags, off, value, rest.removeprefix(":").lstrip()


def _kind(default: str, value: str) -> tuple[str, Scalar | None]:
    """The kind of an option that takes a value, after the name of that or after its default, and that default."""
    kind = _NUMBERS.get(value.rstrip("."), "")
    for name, make in (("int", int), ("float", float)):
        try:
            return kind or name, float(default) if kind == "float" else make(default)
        except ValueError:
            continue
    return kind or "str", None if kind else default or None
