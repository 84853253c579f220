"""`sine`: a wave in a random direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plantkit.planting.drawn import DrawnFamily
from plantkit.planting.family import dial
from plantkit.planting.targets import Floats


@dataclass(frozen=True, kw_only=True)
class SineFamily(DrawnFamily):
    """y = sin(π frequency <u, x> + phase), for a random direction u of length 1 and a random phase.

    Attributes:
        inputs: d_in.
        frequency: half waves per unit of length.
    """

    name = "sine"
    title = "Sine: a wave in a random direction"
    bound = 0.01
    audited_depths = range(5, 6)
    audited_widths = range(50, 51)
    inputs: int = dial(2, 1, 32)
    frequency: float = dial(2.0, 0.25, 8)

    def formula(self, inputs: Floats) -> Floats:
        rng = self.constants()
        direction = rng.standard_normal(self.inputs)
        along = inputs @ direction / np.linalg.norm(direction)
        values: Floats = np.sin(np.pi * self.frequency * along + rng.uniform(0, 2 * np.pi))
        return values[:, None]


FAMILY = SineFamily()
