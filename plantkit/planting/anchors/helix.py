"""How helix is anchored."""

from __future__ import annotations

import numpy as np

from plantkit.planting.anchors.anchor import ValueAnchor
from plantkit.planting.anchors.fitted import FittedAnchor
from plantkit.planting.coordinates import Coordinates
from plantkit.planting.families.helix import HelixFamily
from plantkit.planting.fitting import Schedule
from plantkit.planting.objectives import DAMPING, Objective, Values
from plantkit.planting.structures import LayerSizes
from plantkit.planting.targets import Floats


class HelixAnchor(ValueAnchor, FittedAnchor):
    """About 310 entries at 5x100; half of the first layer's units and all others have biases."""

    hidden = False
    bound = 1e-4
    minimum_depth = 4
    family = HelixFamily()
    schedule = Schedule(start=DAMPING, end=0.006, shrinkage=0.87, steps=90, goal=8.5e-5)
    refit = Schedule(start=0.008, end=0.006, shrinkage=0.9, steps=40, goal=8.5e-5)

    def sizes(self, hidden: int) -> tuple[LayerSizes, ...]:
        first = LayerSizes(
            units=10, in_degree=1, bias_share=0.5, active_share=0.0, inactive_share=0.0
        )
        middle = LayerSizes(
            units=12, in_degree=4, bias_share=1.0, active_share=0.04, inactive_share=0.04
        )
        folds = LayerSizes(
            units=16, in_degree=4, bias_share=1.0, active_share=0.04, inactive_share=0.04
        )
        last = LayerSizes(
            units=24, in_degree=5, bias_share=1.0, active_share=0.04, inactive_share=0.04
        )
        if hidden == 2:
            return first, last
        return (first, *(middle,) * (hidden - 3), folds, last)

    def screen(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        inputs = np.linspace(-1, 1, 200)[:, None]
        return inputs, self.family.truth(inputs)

    def objective(self, coordinates: Coordinates, start: Floats, *, again: bool) -> Objective:
        return Values(self.family, coordinates, start)
