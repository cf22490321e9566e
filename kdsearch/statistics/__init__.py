"""Honest statistics over seeds: pure functions of arrays, on ``scipy.special`` alone so that they load fast."""

from __future__ import annotations

from kdsearch.statistics.differences import Difference
from kdsearch.statistics.luck import expected_best
from kdsearch.statistics.luck import expected_best_of
from kdsearch.statistics.paired import paired_difference
from kdsearch.statistics.paired import sign_flip_p
from kdsearch.statistics.power import paired_power
from kdsearch.statistics.power import seeds_needed
from kdsearch.statistics.shrinkage import Shrinkage
from kdsearch.statistics.shrinkage import paule_mandel
from kdsearch.statistics.shrinkage import shrink
from kdsearch.statistics.summaries import Summary
from kdsearch.statistics.summaries import mean_interval
from kdsearch.statistics.summaries import sd_interval
from kdsearch.statistics.summaries import summarize
from kdsearch.statistics.unpaired import unpaired_difference
from kdsearch.statistics.verdicts import Verdict
from kdsearch.statistics.verdicts import equivalence_p
from kdsearch.statistics.verdicts import family_verdicts
from kdsearch.statistics.verdicts import holm
from kdsearch.statistics.verdicts import verdict

__all__ = [
    "Difference",
    "Shrinkage",
    "Summary",
    "Verdict",
    "equivalence_p",
    "expected_best",
    "expected_best_of",
    "family_verdicts",
    "holm",
    "mean_interval",
    "paired_difference",
    "paired_power",
    "paule_mandel",
    "sd_interval",
    "seeds_needed",
    "shrink",
    "sign_flip_p",
    "summarize",
    "unpaired_difference",
    "verdict",
]
