"""``kdsearch status``: how far a study is."""

from __future__ import annotations

from kdsearch.cli.common import Data, Preset, Storage, StudyName, connect, find


def status(study: StudyName, preset: Preset = None, data: Data = None, storage: Storage = None) -> None:
    """Show how far a study is.

    Phase, runs by pool and state, the leader so far, time left and who works; of a finished study its answer.
    """
    from kdsearch.engines.devices import is_dead
    from kdsearch.report import answer_of, render_answer
    from kdsearch.report.render import render_table
    from kdsearch.report.status import status as table

    ledger = connect(storage)
    record = find(ledger, study, preset)
    # A worker that was killed holds its runs until a launch takes them back.
    holders = [name for name in ledger.lease_holders(record.id) if not is_dead(name)]
    results = ledger.results(record.id, curves=False)
    print(render_table(table(results, working=bool(holders)), width=100))
    if (answer := answer_of(results)) is not None:
        print(render_answer(answer, width=100))
    print(f"workers holding runs: {', '.join(holders) if holders else 'none'}")
