"""How circle is anchored."""

from __future__ import annotations

from dataclasses import replace

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
from plantkit.planting.tilting import Tilt

LAST_UNITS: Preferences = {
    "bias": 0.08,
    "out_0": 0.3,
    "out_1": 0.22,
    "out_3": -0.46,
    "|bias|": 0.23,
    "|out_0|": -0.36,
    "|out_1|": -0.17,
    "|out_2|": -0.42,
    "|out_3|": -0.85,
    "bias*bias": -0.16,
    "bias*out_0": -0.32,
    "bias*out_1": -0.24,
    "bias*out_2": 0.09,
    "bias*out_3": 0.51,
    "out_0*out_0": -0.06,
    "out_0*out_1": -0.48,
    "out_0*out_2": 0.19,
    "out_0*out_3": 0.8,
    "out_1*out_1": 0.26,
    "out_1*out_2": -0.18,
    "out_1*out_3": 0.43,
    "out_2*out_2": 0.51,
    "out_2*out_3": -0.61,
    "out_3*out_3": 0.13,
}
"""Of units of the last hidden layer. Learned at 5x100 in steps like those of
`benchmarks/preferences.py`, the last three averaged: without them the ticket's weights to two
classes lean together or apart, as the order of the classes has it.
"""

FIRST = LayerSizes(units=14, in_degree=2, bias_share=0.0, active_share=0.0, inactive_share=0.0)
MIDDLE = LayerSizes(units=10, in_degree=3, bias_share=0.6, inactive_share=0.0)
JOINING = LayerSizes(units=14, in_degree=4, bias_share=0.6, inactive_share=0.0)
LAST = LayerSizes(units=14, in_degree=5, bias_share=0.6)
LAST_ALONE = LayerSizes(units=22, in_degree=6, bias_share=0.6)
"""Only units of the last hidden layer must be inactive somewhere: that asks for weights and biases
of opposite signs, which shows.
"""

UPRIGHT = Tilt()
INNER_TILT = Tilt(weights=5.0, agreement=-6.5)
LAST_TILT = Tilt(weights=8.0, agreement=-10.0, units=LAST_UNITS)
DEEP_LAST_TILT = replace(LAST_TILT, units={term: odds / 2 for term, odds in LAST_UNITS.items()})
"""Behind middle layers: a fit spreads over more layers there, and moves the last one less."""

LAST_ALONE_TILT = Tilt(units=LAST_UNITS)


class CircleAnchor(FittedAnchor):
    """About 220 entries at 5x100; only which class leads is asked for.

    The first layer's biases stay outside of the ticket: without them its units differ by
    direction and size alone, and there is nothing to select a bias by.
    """

    measure = "agreement"
    bound = 0.985
    minimum_depth = 4
    common_factor = True
    hidden_depths = range(5, 9)
    hidden_width = 50
    family = CircleFamily()
    schedule = Schedule(start=0.3, end=0.003, shrinkage=0.9, steps=68, goal=0.012)
    refit = Schedule(start=0.006, end=0.003, shrinkage=0.85, steps=12, goal=0.012)

    def sizes(self, hidden: int) -> tuple[LayerSizes, ...]:
        if hidden == 2:
            return FIRST, LAST_ALONE
        return (FIRST, *(MIDDLE,) * (hidden - 3), JOINING, LAST)

    def tilts(self, hidden: int) -> tuple[Tilt, ...]:
        if hidden == 2:
            return UPRIGHT, LAST_ALONE_TILT
        last = LAST_TILT if hidden == 3 else DEEP_LAST_TILT
        return (UPRIGHT, *(INNER_TILT,) * (hidden - 2), last)

    def kinds(self, hidden: int) -> tuple[str, ...]:
        if hidden == 2:
            return "first", "last alone"
        return ("first", *("middle",) * (hidden - 3), "joining", "last")

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
