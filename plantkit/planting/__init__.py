"""Planting: targets, and networks that hide them as winning tickets.

References:
    Fischer and Burkholz, "Plant 'n' Seek: Can You Find the Winning Ticket?", ICLR 2022,
    arXiv 2111.11153.
"""

from __future__ import annotations

from plantkit.planting.families import FAMILIES, find_family
from plantkit.planting.family import Family
from plantkit.planting.planting import Planted, minimum_widths, plant
from plantkit.planting.streams import fresh_seed, generator
from plantkit.planting.targets import EntryCount, Target

__all__ = [
    "FAMILIES",
    "EntryCount",
    "Family",
    "Planted",
    "Target",
    "find_family",
    "fresh_seed",
    "generator",
    "minimum_widths",
    "plant",
]
