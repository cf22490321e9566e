"""The text of a study file for a training script, after the options that the script takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from kdsearch.errors import KdsearchError, suggestion
from kdsearch.study.given import Given, check_required
from kdsearch.study.ranges import TEMPERATURE, dimension, quoted, value_of
from kdsearch.tasks.command.option import Option, parameter_name
from kdsearch.tasks.command.options import script_of
from kdsearch.tasks.command.readings import Pattern
from kdsearch.tasks.command.template import PLACES
from kdsearch.texts import one_line

_SEARCHED = (
    TEMPERATURE,
    r"alpha|beta|gamma|lambda\w*|lam|\w*alpha|\w*beta|\w*_?weight|\w*_ratio|\w*_coef\w*",
    r"lr|learning_rate|patience|kd_?mode|kd_?loss|distill",
)
"""Names of the numbers that distillation is tuned by, in the spellings of public scripts."""

_NOT_SEARCHED = r"weight_decay|\w*lr_decay\w*"
_DEVICES = "CUDA_VISIBLE_DEVICES"
_PATTERN = r"(?i)acc\w*\W+([\d.]+)"


def study_text(
    words: Sequence[str],
    options: Sequence[Option],
    *,
    name: str,
    folder: str,
    objective: str | None = None,
    search: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> str:
    """A study file that searches ``search``, or what looks like numbers of distillation.

    ``words``: the command line. ``folder``: where it runs, from the study file. ``environment``: variables that it
    sets. Raises ``KdsearchError`` for a name that the script has not, and where nothing looks like one.
    """
    if objective is not None:
        Pattern(objective)  # which refuses what is none
    given = Given.of(words, options, script_of(words)[2])
    check_required(given, [row for row in options if not row.is_seed], words)
    searched = _searched(options, search)
    lines = [_command(given, searched, options), *_fields(folder, objective, environment or {})]
    space = [f"        {quoted(row.name)}: {dimension(row, given.value(row))},{_comment(row)}" for row in searched]
    rest = [row for row in options if row not in searched and given.value(row) is None and not row.is_seed]
    return "\n".join(
        [
            f'"""A search over the options of {name}: change what is marked with CHANGE."""',
            "",
            "import kdsearch as kd",
            "",
            "study = kd.Study(",
            f"    {quoted(name)},",
            "    kd.tasks.Command(",
            *(f"        {line}" for line in lines),
            "    ),",
            "    space={",
            *space,
            "    },",
            _baseline(given, searched),
            "    budget=kd.Budget(runs=120),",
            "    confirm=kd.Confirm(seeds=10),",
            '    # without={...},  # CHANGE: the values that make a run one without distillation, such as {"alpha": 0}',
            "    min_effect=0.01,  # CHANGE: the smallest difference of the metric that matters to you",
            ")",
            *_unsearched(rest),
            "",
        ]
    )


def _command(given: Given, searched: Sequence[Option], options: Sequence[Option]) -> str:
    """The command with placeholders, as a field of the task: what is searched stands at the end of its section."""
    seeds = [row for row in options if row.is_seed and row not in searched]
    text = list[str]()
    for section, end in zip(given.sections, given.ends, strict=True):
        kept = [part for part in section if part.option is None or part.option not in (*searched, *seeds)]
        # Behind two hyphens no word is an option.
        last = next((place for place, part in enumerate(kept) if part.words == ("--",)), len(kept))
        text += [_braces(shlex.quote(word)) for part in kept[:last] for word in part.words]
        text += [_placed(row, row.name) for row in searched if row.before == end]
        text += [_placed(row, "seed") for row in seeds if row.before == end]
        text += [_braces(shlex.quote(word)) for part in kept[last:] for word in part.words]
    told = "" if seeds else "  # CHANGE: it has no option for a seed, so no run can be repeated"
    return f"{quoted(' '.join(text))},{told}"


def _placed(option: Option, name: str) -> str:
    """An option with a placeholder; one of a single letter is joined to it, which every parser reads."""
    if not option.takes_value:
        return f"{{{name}}}"
    return f"{option.flag}{'' if re.fullmatch(r'-[A-Za-z]', option.flag) else '='}{{{name}}}"


def _baseline(given: Given, searched: Sequence[Option]) -> str:
    """The baseline of the values that the command gives or the script has by itself."""
    values = [(row, *value_of(row, given.value(row))) for row in searched]
    text = ", ".join(f"{quoted(row.name)}: {quoted(value)}" for row, value, _ in values)
    unknown = [row.flag for row, _, known in values if not known]
    told = f"  # CHANGE: made up for {', '.join(unknown)}, as the script tells no default" if unknown else ""
    return f'    baselines={{"default": {{{text}}}}},{told}'


def _fields(folder: str, objective: str | None, environment: Mapping[str, str]) -> list[str]:
    variables = {name: _braces(value) for name, value in environment.items() if name != _DEVICES}
    text = ", ".join(f"{quoted(name)}: {quoted(value)}" for name, value in variables.items())
    return [
        "# CHANGE: the line that holds the validation metric, higher being better; the number stands in (...).",
        f"objective={_raw(objective or _PATTERN)},",
        '# score=r"...",  # CHANGE: the line of the test metric, which no choice ever sees',
        "chance=0.0,  # CHANGE: what a model that has learnt nothing reaches, such as 0.1 for ten classes",
        *([] if folder == "." else [f"cwd={quoted(folder)},"]),
        *([f"environment={{{text}}},"] if variables else []),
        *([f"# {_DEVICES} is left out, for kdsearch gives each run its device."] if _DEVICES in environment else []),
    ]


def _searched(options: Sequence[Option], search: Sequence[str]) -> list[Option]:
    by_name = {parameter_name(flag): row for row in options for flag in row.also}
    by_name |= {row.name: row for row in options}  # of two with one name that of the innermost subcommand
    for name in search:
        if parameter_name(name) not in by_name:
            known = [row.flag for row in options]
            raise KdsearchError(f"the script has no option {name!r}; {suggestion(_as_flag(name, known), known)}")
        if by_name[parameter_name(name)].is_seed:
            raise KdsearchError(f"{name} is no number to search: kdsearch gives each run a seed of its own")
    if search:
        found = [by_name[parameter_name(name)] for name in search]
        return list({row.name: row for row in found}.values())
    found = [row for row in options if by_name[row.name] is row and _looks_searched(row)]
    if not found:
        known = [row.flag for row in options if _searchable(row)]
        hint = f"name some by --search, out of: {', '.join(known)}" if known else "it has none that can be searched"
        raise KdsearchError(f"no option looks like one of distillation; {hint}")
    return found


def _as_flag(name: str, known: Sequence[str]) -> str:
    """A name as it would be written as an option, which it is compared with."""
    bare = name.lstrip("-")
    return next((flag for flag in known if flag.lstrip("-") == bare), f"--{bare}")


def _searchable(option: Option) -> bool:
    if option.many or option.is_seed:
        return False
    return option.kind in ("float", "int", "flag", "switch") or len(option.choices) > 1


def _looks_searched(option: Option) -> bool:
    name = option.name.lower()
    if name in PLACES or re.fullmatch(_NOT_SEARCHED, name) or not any(re.fullmatch(p, name) for p in _SEARCHED):
        return False
    return not option.many and (option.kind in ("float", "int") or len(option.choices) > 1)


def _unsearched(options: Sequence[Option]) -> list[str]:
    if not options:
        return []
    rows = [f"#   {row.flag}{_default(row)}" for row in options]
    return [
        "",
        "# Options of the script that stay at their defaults; add them to the command to change or search them:",
        *rows,
    ]


def _raw(pattern: str) -> str:
    """A regular expression as Python source, without doubled backslashes where that is possible."""
    return quoted(pattern) if '"' in pattern or pattern.endswith("\\") or "\n" in pattern else f'r"{pattern}"'


def _default(option: Option) -> str:
    if option.default in (None, ""):
        return ""
    return f" (default {one_line(str(option.default))})"


def _comment(option: Option) -> str:
    return f"  # {one_line(option.help)}" if option.help else ""


def _braces(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
