"""`relu`: y = max(0, x), one neuron a layer (Plant 'n' Seek, arXiv 2111.11153)."""

from __future__ import annotations

import numpy as np

from plantkit.planting.family import LineFamily
from plantkit.planting.targets import Floats, Target


class ReluFamily(LineFamily):
    """y = max(0, x) for x in [-1, 1]: a chain of unit weights without biases."""

    name = "relu"
    title = "ReLU: y = max(0, x)"
    outputs = 1
    #: Every path of positive weights through the network is a ticket too.
    overlap_scored = False

    def truth(self, inputs: Floats) -> Floats:
        return np.maximum(inputs, 0)

    def _build(self, depth: int) -> Target:
        layers = depth - 1
        return Target(weights=(np.ones((1, 1)),) * layers, biases=(np.zeros(1),) * layers)
