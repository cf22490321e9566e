"""Honest statistics over seeds: pure functions of arrays, on ``scipy.special`` alone so that they load fast."""

from __future__ import annotations

from kdsearch.statistics.bootstrap import bca_interval
from kdsearch.statistics.clusters import Clustered
from kdsearch.statistics.clusters import clustered_mean
from kdsearch.statistics.differences import Difference
from kdsearch.statistics.looks import look_level
from kdsearch.statistics.looks import look_p
from kdsearch.statistics.luck import expected_best
from kdsearch.statistics.luck import expected_best_of
from kdsearch.statistics.paired import paired_difference
from kdsearch.statistics.paired import sign_flip_p
from kdsearch.statistics.power import paired_power
from kdsearch.statistics.power import seeds_needed
from kdsearch.statistics.probability import Probability
from kdsearch.statistics.probability import paired_probability
from kdsearch.statistics.probability import unpaired_probability
from kdsearch.statistics.seed_effects import SeedEffect
from kdsearch.statistics.seed_effects import seed_effect
from kdsearch.statistics.seed_effects import seed_table
from kdsearch.statistics.shrinkage import Shrinkage
from kdsearch.statistics.shrinkage import paule_mandel
from kdsearch.statistics.shrinkage import shrink
from kdsearch.statistics.sources import Source
from kdsearch.statistics.sources import Sources
from kdsearch.statistics.sources import variance_sources
from kdsearch.statistics.spreads import Spread
from kdsearch.statistics.spreads import spread
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
    "Clustered",
    "Difference",
    "Probability",
    "SeedEffect",
    "Shrinkage",
    "Source",
    "Sources",
    "Spread",
    "Summary",
    "Verdict",
    "bca_interval",
    "clustered_mean",
    "equivalence_p",
    "expected_best",
    "expected_best_of",
    "family_verdicts",
    "holm",
    "look_level",
    "look_p",
    "mean_interval",
    "paired_difference",
    "paired_power",
    "paired_probability",
    "paule_mandel",
    "sd_interval",
    "seed_effect",
    "seed_table",
    "seeds_needed",
    "shrink",
    "sign_flip_p",
    "spread",
    "summarize",
    "unpaired_difference",
    "unpaired_probability",
    "variance_sources",
    "verdict",
]
