"""Numbers that a pattern finds in the lines of a command's output."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field

from kdsearch.tasks.command.numbers import Epochs, Points, number
from kdsearch.texts import without_escapes

_SPECIAL = (
    r"(?<![\w.])(?:[-+](?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+"
    r"|[-+]?(?i:nan|inf(?:inity)?))(?!\w)"
)
"""Numbers that a group of digits and dots does not take whole: those with a sign or an exponent, nan and infinity."""

_FRACTION = r"|(?<![\w.])\d+\.\d+(?!\w)"

_UNSIGNED = r"(?<!(?<![\w.])[-+])"
"""A place that no sign goes before, which would be cut off."""

_GROUP = re.compile(r"(?<!\\)\((?:\?P<\w+>)?(?!\?)([^()]*)\)")


def widened(pattern: str) -> re.Pattern[str] | None:
    r"""The pattern, its group also a number with sign or exponent, nan or infinity, where it takes plain numbers.

    A group such as ``([\d.]+)`` would read 6.7 of ``6.7e-06``, and pass over ``-0.5`` and ``nan``; ``(\d+)`` would read
    75 of ``75.3``. Where the pattern
    passes over a number on purpose, as ``(\d\.\d+)`` does over whole ones, so does this one. ``None`` for a pattern
    whose group takes something else.
    """
    for group in _GROUP.finditer(pattern):
        with contextlib.suppress(re.error):  # what looks like a group may be inside of a set of characters
            fraction, digits = re.fullmatch(group[1], "0.5"), re.fullmatch(group[1], "55")
            if fraction or digits:
                either = f"{_SPECIAL}{'' if fraction else _FRACTION}|{_UNSIGNED}(?:{group[1]})"
                wide = re.compile(f"{pattern[: group.start(1)]}{either}{pattern[group.end(1) :]}")
                return wide if wide.groups == 1 else None
    return None


@dataclass
class Matches:
    """Numbers in lines that match; their epochs are counted, or named by lines that match ``epoch``.

    Colours of a terminal are no part of a line, unless a pattern names the character that they begin with.
    """

    pattern: re.Pattern[str]
    epoch: re.Pattern[str] | None
    found: Points = field(default_factory=dict)
    at: int = 0

    def __post_init__(self) -> None:
        self._patterns = [row for row in (widened(self.pattern.pattern), self.pattern) if row is not None]
        texts = [row.pattern for row in (self.pattern, self.epoch) if row is not None]
        self._plain = not any(re.search(r"\x1b|\\x1b|\\033|\\e", text) for text in texts)
        self._epochs = Epochs()

    def take(self, line: str) -> None:
        """The next line."""
        if self._plain:
            line = without_escapes(line)
        if self.epoch is not None and (named := self.epoch.search(line)):
            self.at = self._epochs.whole(named[1])
        text = self._in(line)
        if text is not None:
            value = number(text, f"{self.pattern.pattern!r} in the line {line.strip()!r}")
            self.found[len(self.found) + 1 if self.epoch is None else self.at] = value

    def _in(self, line: str) -> str | None:
        """What the group takes, without the end of a sentence.

        Punctuation alone, as in ``accuracy...``, is no number, and none that went wrong.
        """
        for pattern in self._patterns:
            for match in pattern.finditer(line):
                if any(map(str.isalnum, match[1] or "")):
                    return match[1].rstrip(".,;")
        return None

    def points(self, *, ended: bool) -> Points:
        """By epoch."""
        return self.found
