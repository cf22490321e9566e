"""The text of a study file for a training script, after the options that the script takes."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from kdsearch.errors import KdsearchError, suggestion
from kdsearch.tasks.base import Scalar
from kdsearch.tasks.command.options import Option
from kdsearch.tasks.command.readings import Pattern
from kdsearch.tasks.command.template import PLACES
from kdsearch.texts import one_line

_SEARCHED = (
    r"t|temp|temperature|tau|kd_?t(emp\w*)?|\w*_temperature",
    r"alpha|beta|gamma|lambda\w*|lam|\w*alpha|\w*beta|\w*_?weight|\w*_ratio|\w*_coef\w*",
    r"lr|learning_rate|patience|kd_?mode|kd_?loss|distill",
)
"""Names of the numbers that distillation is tuned by, in the spellings of public scripts."""

_NOT_SEARCHED = r"weight_decay|\w*lr_decay\w*"
_TEMPERATURE = _SEARCHED[0]
_SEED = r"seed|random_seed|manual_seed|rand_seed|rng_seed"
_PATTERN = r"(?i)acc\w*\W+([\d.]+)"


def study_text(
    words: Sequence[str],
    options: Sequence[Option],
    *,
    name: str,
    folder: str,
    objective: str | None = None,
    search: Sequence[str] = (),
) -> str:
    """A study file that searches ``search``, or what looks like numbers of distillation.

    ``words``: the command line. ``folder``: where it runs, from the study file. Raises ``KdsearchError`` for a name
    that the script has not, and where nothing looks like one.
    """
    if objective is not None:
        Pattern(objective)  # which refuses what is none
    script = _Script.of(words, options)
    searched = _searched(options, search)
    lines = [script.line(searched, options), *_fields(folder, objective)]
    space = [f'        "{row.name}": {dimension(row, script.given.get(row.flag))},{_comment(row)}' for row in searched]
    values = [f"{_quoted(row.name)}: {_quoted(_value(row, script.given.get(row.flag)))}" for row in searched]
    rest = [row for row in options if row not in searched and row.flag not in script.given and not _seed(row)]
    return "\n".join(
        [
            f'"""A search over the options of {name}: change what is marked with CHANGE."""',
            "",
            "import kdsearch as kd",
            "",
            "study = kd.Study(",
            f"    {_quoted(name)},",
            "    kd.tasks.Command(",
            *(f"        {line}" for line in lines),
            "    ),",
            "    space={",
            *space,
            "    },",
            f'    baselines={{"default": {{{", ".join(values)}}}}},',
            "    budget=kd.Budget(runs=120),",
            "    confirm=kd.Confirm(seeds=10),",
            '    # without={...},  # CHANGE: the values that make a run one without distillation, such as {"alpha": 0}',
            "    min_effect=0.01,  # CHANGE: the smallest difference of the metric that matters to you",
            ")",
            *_unsearched(rest),
            "",
        ]
    )


@dataclass(frozen=True)
class _Script:
    """A command line: how the program is started, and the options that it is given, ``None`` for a flag."""

    start: list[str]
    given: dict[str, str | None]
    many: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, words: Sequence[str], options: Sequence[Option]) -> _Script:
        known = {flag: row for row in options for flag in (row.flag, *row.also)}
        start, given = list[str](), dict[str, str | None]()
        waiting: Option | None = None
        for word in words:
            flag, equals, value = word.partition("=")
            if waiting is not None and flag not in known:
                before = given[waiting.flag]
                given[waiting.flag] = word if before is None else f"{before} {word}"
                waiting = waiting if waiting.many else None
            elif flag in known:
                row = known[flag]
                given[row.flag] = value if equals else None
                waiting = row if not equals and row.kind != "flag" else None
            else:
                start.append(word)
        missing = [row.flag for row in options if row.required and row.flag not in given and not _seed(row)]
        if missing:
            raise KdsearchError(
                f"the script requires {', '.join(missing)}: give {'it' if len(missing) == 1 else 'them'} in the "
                f"command, such as {shlex.join([*words, missing[0], 'VALUE'])}"
            )
        return cls(start, given, {row.flag for row in options if row.many})

    def line(self, searched: Sequence[Option], options: Sequence[Option]) -> str:
        """The command with placeholders, as a field of the task."""
        parts = [_braces(shlex.quote(word)) for word in self.start]
        parts += [f"{row.flag}={{{row.name}}}" for row in searched]
        parts += [f"{row.flag}={{seed}}" for row in options if _seed(row) and row not in searched]
        names = {row.flag for row in searched} | {row.flag for row in options if _seed(row)}
        for flag, value in self.given.items():
            if flag not in names:
                parts.append(flag if value is None else self._written(flag, value))
        text = _quoted(" ".join(parts))
        seeded = any(_seed(row) for row in options)
        return f"{text}," + ("" if seeded else "  # CHANGE: it has no option for a seed, so no run can be repeated")

    def _written(self, flag: str, value: str) -> str:
        if flag in self.many:
            return " ".join([flag, *(_braces(shlex.quote(word)) for word in value.split())])
        return f"{flag}={_braces(shlex.quote(value))}"


def _fields(folder: str, objective: str | None) -> list[str]:
    return [
        "# CHANGE: the line that holds the validation metric, higher being better; the number stands in (...).",
        f"objective={_raw(objective or _PATTERN)},",
        '# score=r"...",  # CHANGE: the line of the test metric, which no choice ever sees',
        "chance=0.0,  # CHANGE: what a model that has learnt nothing reaches, such as 0.1 for ten classes",
        *([] if folder == "." else [f"cwd={_quoted(folder)},"]),
    ]


def _searched(options: Sequence[Option], search: Sequence[str]) -> list[Option]:
    by_name = {row.name: row for row in options}
    by_name |= {flag.lstrip("-").replace("-", "_"): row for row in options for flag in row.also}
    asked = [name.lstrip("-").replace("-", "_") for name in search]
    wanted = [f"{name}_" if name in PLACES else name for name in asked]
    for name in wanted:
        if name not in by_name:
            raise KdsearchError(f"the script has no option {name!r}; {suggestion(name, [row.name for row in options])}")
    if wanted:
        return [by_name[name] for name in wanted]
    found = [row for row in options if _looks_searched(row)]
    if not found:
        known = ", ".join(row.name for row in options if row.kind in ("float", "int"))
        raise KdsearchError(f"no option looks like one of distillation; name some by --search, out of: {known}")
    return found


def _looks_searched(option: Option) -> bool:
    name = option.name.lower()
    if name in PLACES or re.fullmatch(_NOT_SEARCHED, name) or not any(re.fullmatch(p, name) for p in _SEARCHED):
        return False
    return option.kind in ("float", "int") or len(option.choices) > 1


def dimension(option: Option, given: str | None = None) -> str:
    """A range for an option around its value, as a line of a study file."""
    if len(option.choices) > 1:
        return f"kd.categorical({', '.join(map(_quoted, option.choices))})"
    if re.fullmatch(_TEMPERATURE, option.name.lower()):
        return "kd.log(1.0, 20.0)"
    value = _value(option, given)
    if option.kind == "int" and isinstance(value, int):
        return f"kd.integer({max(1, value // 4)}, {max(4, 4 * value)}, log=True)"
    if (isinstance(value, float | int) and value > 1) or "lr" in option.name or "rate" in option.name:
        return f"kd.log({float(value or 0.01) / 10:g}, {float(value or 0.01) * 10:g})"
    return "kd.uniform(0.0, 1.0)"


def _value(option: Option, given: str | None) -> Scalar:
    """The value that the command gives, or the script's default, or a middle one; of choices one of them."""
    text = option.default if given is None else given
    if option.choices:
        return next((choice for choice in option.choices if str(choice) == str(text)), option.choices[0])
    middle: Scalar = {"int": 1, "float": 0.5}.get(option.kind, "")
    try:
        value = int(str(text)) if option.kind == "int" else float(str(text))
    except ValueError:
        return middle if option.kind in ("int", "float") else str(text or "")
    if option.kind not in ("int", "float"):
        return str(text)
    return value if math.isfinite(value) else middle


def _unsearched(options: Sequence[Option]) -> list[str]:
    if not options:
        return []
    rows = [f"#   {row.flag}{_default(row)}" for row in options]
    return [
        "",
        "# Options of the script that stay at their defaults; add them to the command to change or search them:",
        *rows,
    ]


def _quoted(value: Scalar) -> str:
    """A value as Python source, texts in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _raw(pattern: str) -> str:
    """A regular expression as Python source, without doubled backslashes where that is possible."""
    return _quoted(pattern) if '"' in pattern or pattern.endswith("\\") or "\n" in pattern else f'r"{pattern}"'


def _default(option: Option) -> str:
    if option.default in (None, ""):
        return ""
    return f" (default {one_line(str(option.default))})"


def _comment(option: Option) -> str:
    return f"  # {one_line(option.help)}" if option.help else ""


def _seed(option: Option) -> bool:
    return re.fullmatch(_SEED, option.flag.lstrip("-").replace("-", "_").lower()) is not None


def _braces(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
