"""`helix`: a helix in three dimensions (Plant 'n' Seek, arXiv 2111.11153)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from plantkit.planting.family import LineFamily
from plantkit.planting.fitting import FittedFamily, Tolerances
from plantkit.planting.structures import TicketLayer, Tilt
from plantkit.planting.surroundings import load_learned
from plantkit.planting.targets import Floats

# Learned at 5x100 by `benchmarks/preferences.py`, a few steps of it. The tilts were tuned to bring
# the means that they act on near 0 over plantings.
UNITS = load_learned("helix")["preferences"]

SIDES = TicketLayer(
    kind="sides",
    units=16,
    in_degree=1,
    bias_share=0.0,
    active_share=0.0,
    inactive_share=0.0,
    tilt=Tilt(),
)
PASSAGE = replace(
    SIDES, kind="passage", units=8, in_degree=3, active_share=0.04, tilt=Tilt(weights=2.0)
)
KINKS = replace(
    PASSAGE,
    kind="kinks",
    in_degree=10,
    bias_share=1.0,
    tilt=Tilt(weights=18.0, agreement=-26.0, units=UNITS["kinks"]),
)
FOLDS = replace(
    KINKS,
    kind="folds",
    units=21,
    in_degree=4,
    tilt=Tilt(weights=3.5, agreement=-3.0, sources=0.1, units=UNITS["folds"]),
)
FOLDS_ALONE = replace(
    FOLDS,
    kind="folds alone",
    units=30,
    tilt=Tilt(weights=20.0, agreement=-26.0, units=UNITS["folds"]),
)


class HelixFamily(LineFamily, FittedFamily):
    """With t = 5π + 3πx and x in [-1, 1]: y = (t cos t, t sin t, t) / (8π).

    Anchored it has about 262 entries at 5x100, and at most the last three layers of weights move.
    The first layer has no biases: without them a unit on one input is a multiple of max(0, x) or
    of max(0, -x), so only its size tells one from another, and sizes are left as drawn. In deep
    networks layers without biases, left as drawn as well, lead up to the last two hidden layers.
    """

    name = "helix"
    title = "Helix: (t cos t, t sin t, t) / 8π, t = 5π + 3πx"
    outputs = 3
    bound = 1e-4
    anchored_depth = 4
    audited_depths = range(5, 6)
    audited_width = 100
    first_fit = Tolerances(start=1.2, end=0.006, shrinkage=0.87, steps=90, goal=8.5e-5)
    refit = Tolerances(start=0.008, end=0.006, shrinkage=0.9, steps=40, goal=8.5e-5)
    # A fast oscillation is small against what random weights of the same size add up to; asking
    # for less keeps the weights as large as the initial law makes them. The third output is a
    # straight line, which does not oscillate; asking for more of it makes a few weights very large.
    damping = (1.4, 1.4, 1.0)

    def formula(self, inputs: Floats) -> Floats:
        angle = 5 * np.pi + 3 * np.pi * inputs[:, 0]
        return np.stack([angle * np.cos(angle), angle * np.sin(angle), angle], axis=1) / (8 * np.pi)

    def layers(self, hidden: int) -> tuple[TicketLayer, ...]:
        if hidden == 2:
            return SIDES, FOLDS_ALONE
        return (SIDES, *(PASSAGE,) * (hidden - 3), KINKS, FOLDS)

    def held(self, hidden: int) -> int:
        return max(hidden - 2, 1)

    def candidates(self, hidden: int) -> int:
        return 6 if hidden == 3 else 3


FAMILY = HelixFamily()
