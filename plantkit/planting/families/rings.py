"""`rings`: two classes in turn, by the distance from a point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plantkit.networks.tasks import TaskKind
from plantkit.planting.drawn import DrawnFamily
from plantkit.planting.family import dial
from plantkit.planting.targets import Floats


@dataclass(frozen=True, kw_only=True)
class RingsFamily(DrawnFamily):
    """Two classes that take turns as the distance from a centre grows.

    Chance says where the centre is, and how far the first bound is from it.

    Attributes:
        inputs: d_in.
        width: of a ring.
    """

    name = "rings"
    title = "Rings: two classes in turn, by the distance from a random centre"
    bound = 0.97
    inputs: int = dial(2, 2, 8)
    outputs = 2
    kind = TaskKind.CLASSIFICATION
    width: float = dial(0.4, 0.1, 2)

    def formula(self, inputs: Floats) -> Floats:
        rng = self.constants()
        radius = np.linalg.norm(inputs - rng.uniform(-0.5, 0.5, self.inputs), axis=1)
        wave = np.sin(np.pi * (radius / self.width + rng.uniform(0, 2)))
        return np.stack([wave, -wave], axis=1)


FAMILY = RingsFamily()
