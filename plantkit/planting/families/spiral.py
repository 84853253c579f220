"""`spiral`: arms around the middle of the plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plantkit.networks.tasks import TaskKind
from plantkit.planting.drawn import DrawnFamily
from plantkit.planting.family import dial
from plantkit.planting.targets import Floats


@dataclass(frozen=True, kw_only=True)
class SpiralFamily(DrawnFamily):
    """A class is an arm of a spiral; chance says how it is rotated, and which way it winds.

    Attributes:
        outputs: arms.
        turns: of an arm on its way from the middle to the distance 1.
    """

    name = "spiral"
    title = "Spiral: the arms of a spiral in the plane"
    bound = 0.96
    audited_depths = range(5, 6)
    audited_widths = range(50, 51)
    inputs = 2
    outputs: int = dial(2, 2, 8)
    kind = TaskKind.CLASSIFICATION
    turns: float = dial(0.75, 0, 2)

    def formula(self, inputs: Floats) -> Floats:
        rng = self.constants()
        winding = 2 * np.pi * rng.choice([-1, 1]) * self.turns
        angle = np.arctan2(inputs[:, 1], inputs[:, 0]) - winding * np.linalg.norm(inputs, axis=1)
        middles = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(self.outputs) / self.outputs
        scores: Floats = np.cos(angle[:, None] - middles)
        return scores


FAMILY = SpiralFamily()
