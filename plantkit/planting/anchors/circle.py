"""How circle is anchored."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from plantkit.planting.anchors.anchor import Distance
from plantkit.planting.anchors.fitted import FittedAnchor
from plantkit.planting.coordinates import Coordinates
from plantkit.planting.families.circle import CircleFamily
from plantkit.planting.fitting import Schedule
from plantkit.planting.objectives import FINE_REACH, FIRST_REACH, Classes, Objective
from plantkit.planting.preferences import Preferences
from plantkit.planting.structures import LayerSizes
from plantkit.planting.targets import Floats

LAST_UNITS: Preferences = {
    "out_0": 0.14,
    "out_1": 0.1,
    "out_3": -0.2,
    "|bias|": 0.14,
    "|out_0|": -0.26,
    "|out_1|": -0.19,
    "|out_2|": -0.2,
    "|out_3|": -0.45,
    "bias*bias": -0.08,
    "bias*out_0": -0.14,
    "bias*out_1": -0.11,
    "bias*out_3": 0.28,
    "out_0*out_1": -0.28,
    "out_0*out_2": 0.12,
    "out_0*out_3": 0.34,
    "out_1*out_1": 0.22,
    "out_1*out_2": -0.21,
    "out_1*out_3": 0.23,
    "out_2*out_2": 0.35,
    "out_2*out_3": -0.27,
    "out_3*out_3": 0.11,
}
"""Of units of the last hidden layer. Learned at 5x100 by `benchmarks/preferences.py`: without
them the ticket's weights to two classes lean together or apart, as the order of the classes has
it.
"""


class CircleAnchor(FittedAnchor):
    """About 240 entries at 5x100; only which class leads is asked for.

    The first layer's biases stay outside of the ticket: without them its units differ by
    direction and size alone, and there is nothing to select a bias by.
    """

    hidden = True
    measure = "agreement"
    bound = 0.985
    minimum_depth = 4
    common_factor = True
    family = CircleFamily()
    schedule = Schedule(start=0.3, end=0.003, shrinkage=0.9, steps=68, goal=0.012)
    refit = Schedule(start=0.006, end=0.003, shrinkage=0.85, steps=12, goal=0.012)

    def sizes(self, hidden: int) -> tuple[LayerSizes, ...]:
        first = LayerSizes(units=16, in_degree=2, bias_share=0.0)
        middle = LayerSizes(units=14, in_degree=4, bias_share=0.6)
        wide = LayerSizes(units=16, in_degree=5, bias_share=0.6)
        last = LayerSizes(units=14, in_degree=5, bias_share=0.6)
        if hidden == 2:
            return first, LayerSizes(units=22, in_degree=6, bias_share=0.6)
        return (first, *(middle,) * (hidden - 3), wide, last)

    def kinds(self, hidden: int) -> tuple[str, ...]:
        if hidden == 2:
            return "first", "last alone"
        return ("first", *("middle",) * (hidden - 3), "wide", "last")

    def preferences(self, hidden: int) -> Mapping[int, Preferences]:
        return {hidden - 1: LAST_UNITS}

    def screen(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        inputs = rng.uniform(-1, 1, (400, 2))
        square = np.square(inputs).sum(axis=1)
        return inputs, np.stack([square, square**2, np.sqrt(square)], axis=1)

    def objective(self, coordinates: Coordinates, start: Floats, *, again: bool) -> Objective:
        return Classes(self.family, reach=FINE_REACH if again else FIRST_REACH)

    def factors(self, outputs: Floats, inputs: Floats) -> Floats:
        return np.full(outputs.shape[1], outputs.std())

    def distance(self, outputs: Floats, inputs: Floats) -> Distance:
        agreement = float((outputs.argmax(axis=1) == self.family.truth(inputs)).mean())
        return Distance(measure=self.measure, value=agreement, bound=self.bound)
