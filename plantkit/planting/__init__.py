"""Planting: functions, and networks that hold them as winning tickets.

References:
    Fischer and Burkholz, "Plant 'n' Seek: Can You Find the Winning Ticket?", ICLR 2022,
    arXiv 2111.11153.
"""

from __future__ import annotations

from plantkit.planting.families import (
    FAMILIES,
    IMAGES,
    TARGETS,
    add_families,
    find_family,
    known_families,
)
from plantkit.planting.family import Family, FormulaFamily, TargetFamily
from plantkit.planting.images.family import ImageFamily
from plantkit.planting.initialization import fresh_seed, generator
from plantkit.planting.methods import (
    METHODS,
    add_methods,
    default_method,
    find_method,
    known_methods,
)
from plantkit.planting.methods.method import Patience, PlantingMethod
from plantkit.planting.planted import LabelSource, Planted, draw_samples
from plantkit.planting.targets import EntryCount, Target

__all__ = [
    "FAMILIES",
    "IMAGES",
    "METHODS",
    "TARGETS",
    "EntryCount",
    "Family",
    "FormulaFamily",
    "ImageFamily",
    "LabelSource",
    "Patience",
    "Planted",
    "PlantingMethod",
    "Target",
    "TargetFamily",
    "add_families",
    "add_methods",
    "default_method",
    "draw_samples",
    "find_family",
    "find_method",
    "fresh_seed",
    "generator",
    "known_families",
    "known_methods",
]
