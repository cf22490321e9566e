"""What says of data that they are synthetic, and what only mentions such data."""

from __future__ import annotations

from kdsearch.data.synthetic import not_real, says_synthetic


def test_the_words_of_today_and_of_older_ledgers_are_known_and_others_are_not() -> None:
    assert says_synthetic(f"{not_real('JHMDB')}: drawn figures as poses")
    assert says_synthetic("stand-in, not JHMDB: drawn figures as poses")
    assert not says_synthetic("regression on synthetic data of Friedman")
    assert not says_synthetic("JHMDB poses")
