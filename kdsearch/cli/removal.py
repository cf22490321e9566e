"""``kdsearch delete`` and ``kdsearch rename``: a study that is not wanted any more, or was named wrongly."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Annotated

import typer

from kdsearch.cli.common import Preset, Storage, StudyName, open_named
from kdsearch.cli.output import say
from kdsearch.errors import KdsearchError
from kdsearch.ledger.records import TRAINED
from kdsearch.texts import one_line

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def delete(study: StudyName, yes: Yes = False, preset: Preset = None, storage: Storage = None) -> None:
    """Delete a study with all that is its own.

    That is its runs, results, weights, checkpoints and outputs.
    It asks before it deletes. A study whose runs are trained now is refused; stop it first. Weights that other studies
    use stay.
    """
    from kdsearch.engines import removal

    ledger, record = open_named(study, preset, storage)
    counts = Counter(run.state for run in ledger.search_state(record.id).runs)
    ended = sum(count for state, count in counts.items() if state in TRAINED)
    what = f"{one_line(record.name)} with {ended:,} of {sum(counts.values()):,} runs ended"
    _ask(f"Delete {what}? This cannot be undone.", yes)
    weights = removal.delete(ledger, record)
    say(f"{what} is deleted" + (f", and {weights} file{'s' if weights > 1 else ''} of weights." if weights else "."))


def rename(
    study: StudyName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new name, as the study file will say it.")],
    yes: Yes = False,
    preset: Preset = None,
    storage: Storage = None,
) -> None:
    """Give a study another name.

    Change the name in its file too: a launch of the file finds the study by it. A study whose runs are trained now is
    refused; stop it first.
    """
    from kdsearch.engines import removal
    from kdsearch.study.kinds import wrong_study_name

    if wrong := wrong_study_name(name):
        raise KdsearchError(wrong)
    ledger, record = open_named(study, preset, storage)
    before = one_line(record.name)
    _ask(f"Rename {before} to {name}?", yes)
    after = removal.rename(ledger, record, name)
    say(f"{before} is now {one_line(after)}. Its file must say name={name!r} from now on: {record.source_file}")


def _ask(question: str, yes: bool) -> None:
    """Go on where the answer is yes; without a terminal it has to be given."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise KdsearchError(f"{question} There is no terminal to answer in: say --yes")
    if not typer.confirm(question):
        raise KdsearchError("nothing was changed")
