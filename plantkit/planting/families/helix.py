"""`helix`: a helix in three dimensions (Plant 'n' Seek, arXiv 2111.11153)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from plantkit.planting.family import AnchoredFamily, LineFamily
from plantkit.planting.parts import PartPlan
from plantkit.planting.targets import Floats


@dataclass(frozen=True, kw_only=True)
class HelixFamily(LineFamily, AnchoredFamily):
    """With t = 5π + 3πx and x in [-1, 1]: y = (t cos t, t sin t, t) / (8π).

    Anchored, decoys are helices that are turned around their axis.

    Attributes:
        turn: angle of a decoy, in radians.
    """

    name = "helix"
    title = "Helix: (t cos t, t sin t, t) / 8π, t = 5π + 3πx"
    outputs = 3
    bound = 1e-4
    audited_depths = range(5, 9)
    audited_widths = range(50, 101)
    turn: float = field(default=0.0, repr=False, metadata={"is_dial": False})

    def formula(self, inputs: Floats) -> Floats:
        t = 5 * np.pi + 3 * np.pi * inputs[:, 0]
        angle = t + self.turn
        return np.stack([t * np.cos(angle), t * np.sin(angle), t], axis=1) / (8 * np.pi)

    def plan(self, hidden: int) -> PartPlan:
        if hidden == 2:
            return PartPlan(units=14, in_degree=14, inputs=1)
        return PartPlan(units=12, in_degree=7 if hidden == 3 else 5, inputs=1)

    def sibling(self, rng: np.random.Generator) -> HelixFamily:
        return HelixFamily(turn=rng.uniform(np.pi / 4, 7 * np.pi / 4))


FAMILY = HelixFamily()
