"""Texts of users as a terminal or a file shows them: every character as itself, none as a command."""

from __future__ import annotations

import codecs
import re

_BIDIRECTIONAL = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Marks that change the order in which a terminal or a browser shows the characters around them."""

_HIDDEN = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDIRECTIONAL}\u2028\u2029\ufeff\ud800-\udfff]")
_BREAKS = {"\n": "\\n", "\t": "\\t"}

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")

LONGEST = 4_000
"""Characters of a text of a user that are shown; of a longer one its first and its last part."""

LONGEST_LINE = 400
"""The same where a text is one line among others."""

_PLAIN = {
    "±": "+/-",
    "×": "x",
    "≤": "<=",
    "≥": ">=",
    "−": "-",
    "–": "-",
    "…": "...",
    "─": "-",
    "━": "-",
    "╸": "-",
    "╺": "-",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "·": "-",
    "•": "*",
    "→": "->",
    "µ": "u",
}


def literal(text: str) -> str:
    r"""The text with control characters, marks of direction and half surrogate pairs as escapes such as ``\x1b``.

    Line feeds and tabs stay.
    """
    return _HIDDEN.sub(lambda match: _escape(match[0]), text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    r"""The literal text in one line: line feeds and tabs are escapes too."""
    return re.sub("[\n\t]", lambda match: _BREAKS[match[0]], literal(text))


def literal_json(document: str) -> str:
    r"""JSON whose strings hold such characters as the escapes of JSON, ``\u001b``."""
    return _HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", document)


def shortened(text: str, most: int = LONGEST, where: str = "") -> str:
    """The text, or the first and the last part of one of more than ``most`` characters, with a word of what is left
    out; ``where``: where the whole text is.
    """
    if len(text) <= most:
        return text
    left_out = f"[... {len(text) - most:,} characters left out{f', {where}' if where else ''} ...]"
    between = "\n" if "\n" in text else " "
    return f"{text[: most - most // 2]}{between}{left_out}{between}{text[-(most // 2) :]}"


def plain(text: str, encoding: str) -> str:
    """The text in characters that ``encoding`` has: ``+/-`` for ``±``, an escape for what has no plain form."""
    if encoding.lower().startswith("utf"):
        return text
    return text.encode(encoding, PLAIN_ERRORS).decode(encoding)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _replace(error: UnicodeError) -> tuple[str, int]:
    """An error handler of codecs, for streams that cannot show every character."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(_PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode() for one in characters), error.end


PLAIN_ERRORS = "kdsearch.plain"
"""Name of the error handler for streams and for ``str.encode``."""

codecs.register_error(PLAIN_ERRORS, _replace)


def without_escapes(text: str) -> str:
    """The text without what colours a terminal, moves its cursor or names its window (ECMA-48)."""
    return _ESCAPES.sub("", text) if "\x1b" in text else text
