"""Data that studies train on: JHMDB clips under honest protocols, or a stand-in that says it is one."""

from __future__ import annotations

from kdsearch.data.clips import Clips
from kdsearch.data.clips import sample_uniform
from kdsearch.data.declaration import Jhmdb
from kdsearch.data.declaration import jhmdb
from kdsearch.data.extraction import safe_extract
from kdsearch.data.inventory import Available
from kdsearch.data.inventory import Finding
from kdsearch.data.inventory import available
from kdsearch.data.inventory import verify
from kdsearch.data.packing import pack
from kdsearch.data.places import Location

__all__ = [
    "Available",
    "Clips",
    "Finding",
    "Jhmdb",
    "Location",
    "available",
    "jhmdb",
    "pack",
    "safe_extract",
    "sample_uniform",
    "verify",
]
