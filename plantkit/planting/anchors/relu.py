"""How relu is anchored: exactly, by its output weights alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from plantkit.networks import NetworkSpec, weight_name
from plantkit.planting.anchors.anchor import DROP_BELOW, Anchored, ValueAnchor
from plantkit.planting.families.relu import ReluFamily
from plantkit.planting.gates import subnetwork
from plantkit.planting.structures import LayerSizes, draw_structure, drop_idle_entries
from plantkit.planting.targets import Floats

ROUNDING = 1e-9
"""A weight that projection leaves less of, relatively, is rounding error."""


class ReluAnchor(ValueAnchor):
    """Four units a layer, three of them read by each, no biases; only the output weights move.

    Such a network is a multiple of x on either side of zero. Projecting the output weights
    onto those that give 0 at x = -1 makes it a multiple of max(0, x), whose sign is free,
    as scoring fits a factor to every output of a regression.
    """

    hidden = False
    bound = 1e-10
    minimum_depth = 3
    family = ReluFamily()

    def sizes(self, hidden: int) -> tuple[LayerSizes, ...]:
        return (LayerSizes(units=4, in_degree=3, bias_share=0.0, inactive_share=0.0),) * hidden

    def anchor(
        self, spec: NetworkSpec, parameters: Mapping[str, Floats], rng: np.random.Generator
    ) -> Anchored | None:
        domain = self.family.domain()
        sizes = self.sizes(len(spec.layers) - 1)
        ticket = draw_structure(spec, parameters, sizes, domain, rng)
        if ticket is None:
            return None
        network = subnetwork(spec, parameters, ticket)
        left = np.maximum(network.preactivations(-np.ones((1, 1)))[-2][0], 0)
        power = float(left @ left)
        name = weight_name(spec.layers[-1])
        moved = {key: np.array(value) for key, value in parameters.items()}
        row = moved[name][0, ticket[name][0]]
        if power > 0:
            projected = row - left * (left @ row) / power
            # One unit alone on the left has nothing to cancel with, so its weight goes.
            projected[np.abs(projected) < ROUNDING * np.abs(row)] = 0
            moved[name][0, ticket[name][0]] = projected
            ticket[name] &= moved[name] != 0
        if not subnetwork(spec, moved, ticket).forward(np.ones((1, 1))).all():
            return None
        kept = drop_idle_entries(spec, moved, ticket, domain, least_effect=DROP_BELOW)
        if not kept[name].any():
            return None
        moved[name] = np.where(kept[name], moved[name], parameters[name])
        return Anchored(parameters=moved, ticket=kept)
