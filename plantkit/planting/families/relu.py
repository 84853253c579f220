"""`relu`: y = max(0, x), one neuron per layer (Plant 'n' Seek, arXiv 2111.11153)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from plantkit.networks import PerceptronSpec, weight_name
from plantkit.planting.family import Alternatives, AnchoredFamily, LineFamily
from plantkit.planting.parts import PartPlan
from plantkit.planting.targets import Floats, Target


class ReluFamily(LineFamily, AnchoredFamily):
    """y = max(0, x) for x in [-1, 1]: a chain of unit weights without biases.

    Anchored, parts have biases, and decoys compute max(0, x) as well.
    """

    name = "relu"
    title = "ReLU: y = max(0, x)"
    outputs = 1
    # Every path of positive weights through the network is a ticket too.
    overlap_scored = False
    bound = 1e-6
    anchored_depth = 3
    audited_depths = range(4, 9)
    audited_widths = range(50, 101)

    def formula(self, inputs: Floats) -> Floats:
        return np.maximum(inputs, 0)

    def _build(self, depth: int) -> Target:
        layers = depth - 1
        return Target(weights=(np.ones((1, 1)),) * layers, biases=(np.zeros(1),) * layers)

    def alternatives(self, spec: PerceptronSpec, parameters: Mapping[str, Floats]) -> Alternatives:
        """Returns the exact number of paths that compute max(0, x) up to one output factor.

        A ticket of one weight per layer is a path; it computes a multiple of max(0, x) if and
        only if all its weights but the last are positive. The last may have either sign, since
        scoring fits a factor to every output of a regression.
        """
        paths = np.ones(spec.inputs, dtype=object)  # Python integers never overflow
        for layer in spec.layers[:-1]:
            paths = (parameters[weight_name(layer)] > 0).astype(object) @ paths
        last = (parameters[weight_name(spec.layers[-1])] != 0).astype(object)
        return Alternatives(
            count=int((last @ paths).sum()),
            basis="paths whose weights before the last are positive, counted exactly",
        )

    def plan(self, hidden: int) -> PartPlan:
        return PartPlan(units=6, in_degree=3 if hidden < 4 else 4, inputs=1)


FAMILY = ReluFamily()
