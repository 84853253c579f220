"""Planting: functions, and networks that hold them as winning tickets.

References:
    Fischer and Burkholz, "Plant 'n' Seek: Can You Find the Winning Ticket?", ICLR 2022,
    arXiv 2111.11153.
"""

from __future__ import annotations

from plantkit.planting.families import FAMILIES, IMAGES, TARGETS, find_family
from plantkit.planting.family import Family, FormulaFamily, TargetFamily
from plantkit.planting.images.family import ImageFamily
from plantkit.planting.initialization import fresh_seed, generator
from plantkit.planting.methods import METHODS, default_method, find_method
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
    "default_method",
    "draw_samples",
    "find_family",
    "find_method",
    "fresh_seed",
    "generator",
]
