"""`radial`: waves around a point, in any dimension."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plantkit.planting.drawn import DrawnFamily
from plantkit.planting.family import dial
from plantkit.planting.targets import Floats


@dataclass(frozen=True, kw_only=True)
class RadialFamily(DrawnFamily):
    """y = cos(π frequency |x - c|) for a random centre c in [-1/2, 1/2]^d_in.

    Attributes:
        inputs: d_in.
        frequency: half waves per unit of length.
    """

    name = "radial"
    title = "Radial: waves around a random centre"
    bound = 0.01
    audited_depths = range(5, 6)
    audited_widths = range(50, 51)
    inputs: int = dial(3, 1, 16)
    frequency: float = dial(1.0, 0.25, 8)

    def formula(self, inputs: Floats) -> Floats:
        centre = self.constants().uniform(-0.5, 0.5, self.inputs)
        distance = np.linalg.norm(inputs - centre, axis=1, keepdims=True)
        values: Floats = np.cos(np.pi * self.frequency * distance)
        return values


FAMILY = RadialFamily()
