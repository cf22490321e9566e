"""Honest statistics over seeds: pure functions of arrays, on ``scipy.special`` alone so that they load fast."""

from __future__ import annotations

from kdsearch.statistics.differences import (
    Difference,
    Probability,
    paired_difference,
    paired_probability,
    sign_flip_p,
    unpaired_difference,
)
from kdsearch.statistics.equal_variance import EqualVariance, equal_variance_test
from kdsearch.statistics.group_sequential import look_level, look_p
from kdsearch.statistics.power import paired_power, seeds_needed
from kdsearch.statistics.seed_effects import SeedEffect, seed_effect, seed_table
from kdsearch.statistics.shrinkage import Shrinkage, paule_mandel, shrink
from kdsearch.statistics.summaries import (
    Clustered,
    Summary,
    bca_interval,
    clustered_mean,
    expected_best,
    mean_interval,
    sd_interval,
    summarize,
)
from kdsearch.statistics.variance_components import VarianceComponent, VarianceComponents, split_variance
from kdsearch.statistics.verdicts import Verdict, equivalence_p, family_verdicts, holm, verdict

__all__ = [
    "Clustered",
    "Difference",
    "EqualVariance",
    "Probability",
    "SeedEffect",
    "Shrinkage",
    "Summary",
    "VarianceComponent",
    "VarianceComponents",
    "Verdict",
    "bca_interval",
    "clustered_mean",
    "equal_variance_test",
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
    "split_variance",
    "summarize",
    "unpaired_difference",
    "verdict",
]
