"""Data that studies train on: clips and images under honest protocols, or a stand-in that says it is one."""

from __future__ import annotations

from kdsearch.data.action import ActionVideos
from kdsearch.data.action import hmdb51
from kdsearch.data.action import ucf101
from kdsearch.data.clip_images import clips
from kdsearch.data.clips import Clips
from kdsearch.data.clips import sample_uniform
from kdsearch.data.declaration import Jhmdb
from kdsearch.data.declaration import jhmdb
from kdsearch.data.extraction import safe_extract
from kdsearch.data.folds import Fold
from kdsearch.data.image_cifar import cifar10
from kdsearch.data.image_cifar import cifar100
from kdsearch.data.image_declaration import ImageDeclaration
from kdsearch.data.image_sets import image_folder
from kdsearch.data.image_sets import stl10
from kdsearch.data.image_sets import voc
from kdsearch.data.images import ImageParts
from kdsearch.data.images import Images
from kdsearch.data.inventory import Available
from kdsearch.data.inventory import Finding
from kdsearch.data.inventory import available
from kdsearch.data.inventory import verify
from kdsearch.data.packing import pack
from kdsearch.data.places import Location

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
