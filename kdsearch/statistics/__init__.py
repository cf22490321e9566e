"""Honest statistics over seeds: pure functions of arrays, on ``scipy.special`` alone so that they load fast."""

from __future__ import annotations

from kdsearch.statistics.bootstrap import bca_interval
from kdsearch.statistics.clusters import Clustered, clustered_mean
from kdsearch.statistics.differences import Difference, paired_difference, sign_flip_p, unpaired_difference
from kdsearch.statistics.equal_variance import Spread, spread
from kdsearch.statistics.group_sequential import look_level, look_p
from kdsearch.statistics.order_statistics import expected_best
from kdsearch.statistics.power import paired_power, seeds_needed
from kdsearch.statistics.seed_effects import SeedEffect, seed_effect, seed_table
from kdsearch.statistics.shrinkage import Shrinkage, paule_mandel, shrink
from kdsearch.statistics.summaries import Summary, mean_interval, sd_interval, summarize
from kdsearch.statistics.superiority import Probability, paired_probability
from kdsearch.statistics.variance_components import Source, Sources, variance_sources
from kdsearch.statistics.verdicts import Verdict, equivalence_p, family_verdicts, holm, verdict

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
    "variance_sources",
    "verdict",
]
