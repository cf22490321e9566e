"""Recorded runs and synthetic ones as worlds of known truth, for policies and for whole studies."""

from kdsearch.search.replay.clock import Trace, simulate
from kdsearch.search.replay.reading import hpo_rl_bench, read_table
from kdsearch.search.replay.recorded import TableWorld
from kdsearch.search.replay.synthetic import SyntheticWorld
from kdsearch.search.replay.table import Table
from kdsearch.search.replay.task import task
from kdsearch.search.replay.world import World

__all__ = [
    "SyntheticWorld",
    "Table",
    "TableWorld",
    "Trace",
    "World",
    "hpo_rl_bench",
    "read_table",
    "simulate",
    "task",
]
