"""What a command line gives to its program: its words, each with the option that it belongs to."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kdsearch.errors import KdsearchError, suggestion
from kdsearch.tasks.command.option import Option


@dataclass(frozen=True)
class Part:
    """Words that belong together: an option with its values, or one word of no known option (``option`` is ``None``).

    ``value``: what the option is given; of a flag it is the flag itself.
    """

    words: tuple[str, ...]
    option: Option | None = None
    value: str = ""


@dataclass(frozen=True)
class Given:
    """A command line in ``sections``: the words up to a subcommand, and those from there on.

    ``ends``: for each section the index of the word that it ends before; of the last one ``None``.
    """

    sections: list[list[Part]]
    ends: list[int | None]

    @classmethod
    def of(cls, words: Sequence[str], options: Sequence[Option], first: int = 1) -> Given:
        """``first``: the number of words that start the program, in which no option is its own."""
        ends: list[int | None] = [*sorted({row.before for row in options if row.before is not None}), None]
        sections = []
        start = [Part((word,)) for word in words[:first]]
        for end in ends:
            rows = [row for row in options if row.before == end]
            sections.append([*start, *_parts(words[first:end], rows)])
            first, start = end or 0, []
        return cls(sections, ends)

    def value(self, option: Option) -> str | None:
        """What an option is given last; ``None`` where it is not given."""
        values = [part.value for section in self.sections for part in section if part.option is option]
        return values[-1] if values else None


def unknown_flags(words: Sequence[str], options: Sequence[Option], first: int) -> list[str]:
    """Say which words of a command look like long options and are none of the script, each with the nearest one.

    It may take them all the same: a parser can pass on what it does not know.
    """
    known = [row.flag for row in options]
    said, passed = list[str](), 0
    for section in Given.of(words, options, first).sections:
        for part in section:
            if part.words == ("--",):
                return said
            passed += len(part.words)
            flag = part.words[0].partition("=")[0]
            if part.option is None and passed > first and re.match(r"--[A-Za-z]", flag):
                said.append(f"the script has no option {flag}; {suggestion(flag, known)}")
    return said


def check_required(given: Given, options: Sequence[Option], words: Sequence[str]) -> None:
    """Raise ``KdsearchError`` where the command lacks what the script requires of it."""
    missing = [row for row in options if row.required and given.value(row) is None]
    if missing:
        said, place = [row.flag for row in missing], missing[0].before
        better = [*words[:place], said[0], "VALUE", *(words[place:] if place is not None else [])]
        raise KdsearchError(
            f"the script requires {', '.join(said)}: give {'it' if len(said) == 1 else 'them'} in the "
            f"command, such as {shlex.join(better)}"
        )


def _parts(words: Sequence[str], options: Sequence[Option]) -> Iterator[Part]:
    known = {flag: row for row in options for flag in (row.flag, *row.also)}
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if word == "--":  # what follows is no option
            yield from (Part((rest,)) for rest in words[place - 1 :])
            return
        *flags, last = list(_split(word, known))
        yield from flags
        row = last.option
        if row is None or not row.takes_value or last.value:
            yield last
            continue
        begin = place
        while place < len(words) and not _begins_option(words[place], known) and (row.many or place == begin):
            place += 1
        values = words[begin:place]
        yield Part((word if not flags else last.words[0], *values), row, " ".join(values))


def _begins_option(word: str, known: dict[str, Option]) -> bool:
    return word == "--" or next(iter(_split(word, known))).option is not None


def _split(word: str, known: dict[str, Option]) -> Iterator[Part]:
    """One word as the options that it holds: ``-vT2`` holds ``-v`` and ``-T2``; a value that it holds is given."""
    flag, equals, value = word.partition("=")
    written = flag if flag in known else _completed(flag, known)
    if written in known:
        found = known[written]
        yield Part((word,), found, value if equals and found.takes_value else _chosen(found, written))
        return
    pieces = list(_cluster(word, known)) if re.match(r"-[^-\d.]", word) else []
    yield from pieces or [Part((word,))]


def _cluster(word: str, known: dict[str, Option]) -> Iterator[Part]:
    """Short options that are written as one word; nothing where one of them is not known."""
    pieces = []
    for place, character in enumerate(word[1:], 1):
        row = known.get(f"-{character}")
        if row is None:
            return
        if row.takes_value:
            pieces.append(Part((f"-{word[place:]}",), row, word[place + 1 :].removeprefix("=")))
            break
        pieces.append(Part((f"-{character}",), row, _chosen(row, f"-{character}")))
    yield from pieces


def _completed(flag: str, known: dict[str, Option]) -> str:
    """The one long option that begins like this, as argparse completes it; empty where there is not just one."""
    found = [name for name in known if name.startswith(flag)] if flag.startswith("--") and len(flag) > 2 else []
    return found[0] if len(found) == 1 else ""


def _chosen(option: Option, flag: str) -> str:
    """What a flag that takes no value says: itself, or its opposite."""
    if option.takes_value:
        return ""
    return option.off[0] if flag in option.off else option.flag
