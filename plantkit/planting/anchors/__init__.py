"""How each family's ticket is anchored: its structure, and how its values are moved.

An anchor draws a random sparse structure of an untouched network and moves the structure's own
values, and no others, as little as it takes to compute the family's formula approximately.
A new family is a module here and one line in `ANCHORS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from plantkit.planting.anchors.anchor import LEAST_EFFECT, Anchor, Anchored, Distance
from plantkit.planting.anchors.circle import CircleAnchor
from plantkit.planting.anchors.helix import HelixAnchor
from plantkit.planting.anchors.relu import ReluAnchor

ANCHORS: Mapping[str, Anchor] = MappingProxyType(
    {"circle": CircleAnchor(), "helix": HelixAnchor(), "relu": ReluAnchor()}
)
"""By name of the family."""

__all__ = ["ANCHORS", "LEAST_EFFECT", "Anchor", "Anchored", "Distance"]
