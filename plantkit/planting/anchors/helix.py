"""How helix is anchored."""

from __future__ import annotations

import numpy as np

from plantkit.planting.anchors.anchor import ValueAnchor
from plantkit.planting.anchors.fitted import FittedAnchor
from plantkit.planting.balancing import Balance, load_coefficients
from plantkit.planting.coordinates import Coordinates
from plantkit.planting.families.helix import HelixFamily
from plantkit.planting.fitting import Schedule
from plantkit.planting.objectives import Objective, Values
from plantkit.planting.preferences import Preferences
from plantkit.planting.structures import LayerSizes
from plantkit.planting.targets import Floats
from plantkit.planting.tilting import Tilt

SIDES = LayerSizes(units=16, in_degree=1, bias_share=0.0, active_share=0.0, inactive_share=0.0)
PASSAGE = LayerSizes(units=8, in_degree=3, bias_share=0.0, active_share=0.04, inactive_share=0.0)
KINKS = LayerSizes(units=8, in_degree=10, bias_share=1.0, active_share=0.04, inactive_share=0.0)
FOLDS = LayerSizes(units=21, in_degree=4, bias_share=1.0, active_share=0.04, inactive_share=0.0)

FOLDS_ALONE = LayerSizes(
    units=30, in_degree=4, bias_share=1.0, active_share=0.04, inactive_share=0.0
)

KINKS_UNITS: Preferences = {
    "bias": -0.47,
    "row_sum": -0.17,
    "|bias|": -0.934,
    "bias*bias": 0.45,
    "bias*row_sum": 0.25,
    "|row_sum|": 0.046,
    "row_sum*row_sum": -0.026,
}
FOLDS_UNITS: Preferences = {
    "bias": -0.36,
    "out_2": -0.26,
    "row_sum": -0.05,
    "|bias|": -0.369,
    "|out_0|": -0.77,
    "|out_1|": -0.831,
    "|out_2|": 2.665,
    "bias*bias": 0.336,
    "bias*out_0": 0.05,
    "bias*out_2": -0.37,
    "bias*row_sum": 0.07,
    "out_0*out_0": 0.14,
    "out_1*out_1": 0.334,
    "out_2*out_2": -0.909,
    "row_sum*out_2": -0.026,
    "out_1": -0.033,
    "|row_sum|": -0.011,
    "bias*out_1": 0.051,
    "row_sum*out_1": -0.024,
}
"""Learned at 5x100 by `benchmarks/preferences.py`, a few steps of it."""

UPRIGHT = Tilt()
PASSAGE_TILT = Tilt(weights=2.0)
KINKS_TILT = Tilt(weights=18.0, agreement=-26.0, units=KINKS_UNITS)
FOLDS_TILT = Tilt(weights=3.5, agreement=-3.0, sources=0.1, units=FOLDS_UNITS)
FOLDS_ALONE_TILT = Tilt(weights=20.0, agreement=-26.0, units=FOLDS_UNITS)
"""Tuned, like the preferences, to bring the means which they act on near 0 over plantings."""

DAMPING = (1.4, 1.4, 1.0)
"""How much smaller the fitted outputs vary than the untouched ticket's, an output each.

A fast oscillation is small beside what random weights of the same size add up to; asking for
less keeps the weights as large as the initial law makes them. The third output is a straight
line, which does not; asking for more of it makes a few weights very large.
"""


CANDIDATES = 6
FEWER_CANDIDATES = 3
"""Tickets that are planted to keep one: at five layers of neurons, and in other networks."""


class HelixAnchor(ValueAnchor, FittedAnchor):
    """About 262 entries at 5x100; no more than the last three layers of weights move.

    The first layer has no biases: without them a unit on one input is a multiple of max(0, x) or
    of max(0, -x), so nothing makes one better than another but its size, which is left as drawn.
    In deep networks layers without biases, left as drawn as well, lead up to the last two hidden
    layers. Selection is tilted (`plantkit.planting.tilting`).
    """

    bound = 1e-4
    minimum_depth = 4
    hidden_depths = range(5, 6)
    hidden_width = 100
    family = HelixFamily()
    schedule = Schedule(start=1.2, end=0.006, shrinkage=0.87, steps=90, goal=8.5e-5)
    refit = Schedule(start=0.008, end=0.006, shrinkage=0.9, steps=40, goal=8.5e-5)

    def sizes(self, hidden: int) -> tuple[LayerSizes, ...]:
        if hidden == 2:
            return SIDES, FOLDS_ALONE
        return (SIDES, *(PASSAGE,) * (hidden - 3), KINKS, FOLDS)

    def balance(self, hidden: int) -> Balance:
        return Balance(
            candidates=CANDIDATES if hidden == 3 else FEWER_CANDIDATES,
            coefficients=load_coefficients(self.family.name),
        )

    def kinds(self, hidden: int) -> tuple[str, ...]:
        if hidden == 2:
            return "sides", "folds alone"
        return ("sides", *("passage",) * (hidden - 3), "kinks", "folds")

    def held(self, hidden: int) -> int:
        return max(hidden - 2, 1)

    def tilts(self, hidden: int) -> tuple[Tilt, ...]:
        if hidden == 2:
            return UPRIGHT, FOLDS_ALONE_TILT
        return (UPRIGHT, *(PASSAGE_TILT,) * (hidden - 3), KINKS_TILT, FOLDS_TILT)

    def screen(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        inputs = np.linspace(-1, 1, 200)[:, None]
        return inputs, self.family.truth(inputs)

    def objective(self, coordinates: Coordinates, start: Floats, *, again: bool) -> Objective:
        return Values(self.family, coordinates, start, damping=DAMPING)
