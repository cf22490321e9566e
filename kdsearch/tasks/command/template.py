"""A command line with placeholders: ``train.py --T={temperature} --seed={seed}``, filled without a shell."""

from __future__ import annotations

import shlex
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kdsearch.errors import StudyFileError
from kdsearch.values import shown, wrong_text

PLACES = {
    "seed": "the run's seed",
    "workspace": "a folder of this run alone",
    "teacher": "the file that the teacher's command wrote",
    "device": "the torch device that the run has, such as cuda or cpu",
    "python": "the Python that runs kdsearch",
}
"""What kdsearch fills in itself; any other name is a parameter."""

_Part = tuple[str, str | None, str]
"""Text, then the name of a placeholder (``None``: the text ends here) and its format."""


@dataclass(frozen=True)
class Template:
    """A command as one text, which is split as a shell splits it, or as a list of arguments.

    ``{name}`` stands for a value, ``{name:.3f}`` for a number in that format, ``{{`` and ``}}`` for braces. An argument
    that is a placeholder alone is left out where its value is empty or ``None``. With ``shell`` the text goes to
    ``sh``, which gets the values apart from it: a value is never read as a command.
    """

    command: str | Sequence[str]
    shell: bool = False

    def __post_init__(self) -> None:
        if self.shell and not isinstance(self.command, str):
            raise StudyFileError(f"with shell=True the command is one text, got {shown(self.command)}")
        if not isinstance(self.command, str):
            arguments: Any = self.command
            if not isinstance(arguments, list | tuple) or not all(isinstance(part, str) for part in arguments):
                raise StudyFileError(f"expected a command as a text or a list of texts, got {shown(arguments)}")
        if not any(text.strip() for text in self._texts()):
            raise StudyFileError("the command is empty")
        for text in self._texts():
            if wrong := wrong_text(text):
                raise StudyFileError(f"command {shown(text)}: {wrong}")
        if self.shell:
            _check_quotes(str(self.command))
        _ = self.names  # read once, so that a wrong brace is said here

    @property
    def names(self) -> list[str]:
        """The placeholders, in their order, each once."""
        found = (name for text in self._texts() for _, name, _ in _parts(text) if name is not None)
        return list(dict.fromkeys(found))

    @property
    def words(self) -> list[str]:
        """The arguments with their placeholders; of a text for a shell the words that it has."""
        if not self.shell:
            return self._texts()
        try:
            return shlex.split(str(self.command))
        except ValueError:  # a shell's own syntax
            return str(self.command).split()

    def fill(self, values: Mapping[str, Any]) -> list[str]:
        """The arguments of the process, with ``values`` in their places."""
        if self.shell:
            return self._for_shell(values)
        filled = []
        for text in self._texts():
            parts = list(_parts(text))
            alone = len(parts) == 1 and parts[0][0] == "" and parts[0][1] is not None
            if alone and values[str(parts[0][1])] in ("", None):
                continue
            filled.append("".join(before + _value(values, name, form) for before, name, form in parts))
        return filled

    def _for_shell(self, values: Mapping[str, Any]) -> list[str]:
        text, given = "", list[str]()
        for before, name, form in _parts(str(self.command)):
            text += before
            if name is not None:
                given.append(_value(values, name, form))
                text += f'"${{{len(given)}}}"'
        return ["/bin/sh", "-c", text, "sh", *given]

    def _texts(self) -> list[str]:
        if not isinstance(self.command, str):
            return list(self.command)
        if self.shell:
            return [self.command]
        try:
            return shlex.split(self.command)
        except ValueError as error:
            raise StudyFileError(f"command {shown(self.command)} cannot be split into arguments: {error}") from error


def fill_text(text: str, values: Mapping[str, Any]) -> str:
    """One text with its placeholders filled: the value of an environment variable, a path."""
    return "".join(before + _value(values, name, form) for before, name, form in _parts(text))


def names_in(text: str) -> list[str]:
    """The placeholders of one text."""
    return list(dict.fromkeys(name for _, name, _ in _parts(text) if name is not None))


def _parts(text: str) -> Iterator[_Part]:
    """Raises ``StudyFileError`` for braces that enclose no name."""
    try:
        for before, name, form, conversion in string.Formatter().parse(text):
            if conversion is not None or name == "":
                raise ValueError("expected a name between the braces, such as {seed}")
            yield before, name, form or ""
    except ValueError as error:
        raise StudyFileError(f"{shown(text)}: {error}. A brace that is meant as such is written twice") from error


def _value(values: Mapping[str, Any], name: str | None, form: str) -> str:
    if name is None:
        return ""
    value = values[name]
    try:
        return format(value, form) if form else str(value)
    except (TypeError, ValueError) as error:
        raise StudyFileError(f"{name}={shown(value)} cannot be written as {{{name}:{form}}}: {error}") from error


def _check_quotes(text: str) -> None:
    """Refuse a placeholder between quotes: its value comes as one argument in any case."""
    if "<<" in text and any(name is not None for _, name, _ in _parts(text)):
        raise StudyFileError(f"command {shown(text)}: a here-document takes no placeholders; write a script of its own")
    quote, escaped, comment, last = "", False, False, " "
    for before, name, _ in _parts(text):
        for character in before:
            fresh, last = last.isspace() or last in ";&|(", character
            if comment:
                comment = character != "\n"
            elif escaped:
                escaped = False
            elif character == "#" and fresh and not quote:
                comment = True
            elif character == "\\" and quote != "'":
                escaped = True
            elif quote:
                quote = "" if character == quote else quote
            elif character in "'\"":
                quote = character
        last = " " if name is None else "x"
        if name is not None and (quote or escaped):
            where = "between quotes" if quote else "behind a backslash"
            raise StudyFileError(
                f"command {shown(text)}: {{{name}}} stands {where}; write it by itself, for kdsearch passes each value "
                "as one argument"
            )
