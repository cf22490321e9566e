"""Data that studies train on: clips and images under honest protocols, or synthetic data that say what they are."""

from __future__ import annotations

from kdsearch.data.action.declaration import ActionVideos, hmdb51, ucf101
from kdsearch.data.clips import Clips, sample_uniform
from kdsearch.data.files import safe_extract
from kdsearch.data.folds import Fold
from kdsearch.data.images.base import ImageParts, Images
from kdsearch.data.images.cifar import cifar10, cifar100
from kdsearch.data.images.clips import clips
from kdsearch.data.images.declaration import ImageDeclaration
from kdsearch.data.images.folders import image_folder
from kdsearch.data.images.stl10 import stl10
from kdsearch.data.images.voc import voc
from kdsearch.data.inventory import Available, Finding, available, verify
from kdsearch.data.jhmdb.declaration import Jhmdb, jhmdb
from kdsearch.data.jhmdb.locate import Location
from kdsearch.data.jhmdb.packing import pack

__all__ = [
    "ActionVideos",
    "Available",
    "Clips",
    "Finding",
    "Fold",
    "ImageDeclaration",
    "ImageParts",
    "Images",
    "Jhmdb",
    "Location",
    "available",
    "cifar10",
    "cifar100",
    "clips",
    "hmdb51",
    "image_folder",
    "jhmdb",
    "pack",
    "safe_extract",
    "sample_uniform",
    "stl10",
    "ucf101",
    "verify",
    "voc",
]
