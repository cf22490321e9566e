"""What must be read before any number: no result, many failures."""

from __future__ import annotations

from kdsearch.ledger.records import Pool
from kdsearch.report.captions import plural
from kdsearch.report.compared import primary_id
from kdsearch.report.compared import spoken
from kdsearch.report.selection import Selection

MANY_FAILED = 0.2


def alarms(selection: Selection) -> list[str]:
    """Return the sentences that stand before all others; none where all is well."""
    return [*_no_result(selection), *_many_failed(selection)]


def _no_result(selection: Selection) -> list[str]:
    study = selection.study
    if not selection.finished or study.winner_id is None:
        return []
    if not selection.results(study.winner_id):
        return [f"No result: {_missing(selection, study.winner_id, 'the winner')}."]
    primary = primary_id(selection)
    if primary is not None and not selection.results(primary):
        why = _missing(selection, primary, f"the {spoken(selection, primary)}")
        return [f"No result of the primary comparison: {why}."]
    return []


def _missing(selection: Selection, configuration_id: int, name: str) -> str:
    """Say why a configuration of a finished study has no confirm run that counts."""
    failed = [run for run in selection.failures if (run.configuration_id, run.pool) == (configuration_id, "confirm")]
    other = [run for run in selection.left_out if (run.configuration_id, run.pool) == (configuration_id, "confirm")]
    if other:
        count = plural(len(other), "confirm run")
        return f"{count} of {name} ended under another code hash, not counted; include by --mix-code"
    if failed:
        return f"every confirm run of {name} failed; see kdsearch logs {failed[0].id}"
    return f"the ledger holds no confirm run of {name} that ended"


def _many_failed(selection: Selection) -> list[str]:
    pools: tuple[Pool, ...] = ("search", "confirm")
    parts, example = [], 0
    for pool in pools:
        failures = [run.id for run in selection.failures if run.pool == pool]
        failed = len(failures)
        ended = sum(run.pool == pool for run in (*selection.runs, *selection.left_out))
        if failed > MANY_FAILED * (failed + ended):
            parts.append(f"{failed:,} of {failed + ended:,} {pool} runs")
            example = example or failures[0]
    if not parts:
        return []
    return [
        f"Many runs failed: {' and '.join(parts)}. What is left may not stand for the rest; see kdsearch logs "
        f"{example}."
    ]
