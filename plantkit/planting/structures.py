"""Random sparse structures: which units and entries of an untouched network make up a ticket.

A structure is drawn without a look at any value: its units, and whether a unit's bias belongs to
the ticket. Only the fan-in of a unit is drawn again until the unit switches: it must be active on
a share of the inputs, and inactive on as much. That test treats a unit and its negative alike, so
it favours no sign; the units that fail for every fan-in are too few to matter. The audit measures
what the test can still tell an attacker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.planting.targets import Floats, Ticket

# Fan-ins that a unit is tried with.
FAN_INS = 64

# Draws of a layer until every source is read.
LAYER_DRAWS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketLayer:
    """How a ticket's units in one hidden layer are drawn.

    Attributes:
        units: how many.
        in_degree: weights that a unit reads, or as many as there are sources.
        bias_share: chance that a unit's bias is in the ticket, in [0, 1].
        active_share: least share of the inputs on which a unit is active.
        inactive_share: least share on which it is not.
    """

    units: int
    in_degree: int
    bias_share: float
    active_share: float = 0.08
    inactive_share: float = 0.08


def draw_structure(
    spec: PerceptronSpec,
    parameters: Mapping[str, Floats],
    layers: Sequence[TicketLayer],
    inputs: Floats,
    rng: np.random.Generator,
) -> Ticket | None:
    """Returns a random structure that does what its layers ask for, or None after a failure.

    The outputs read every ticket unit of the last hidden layer, without biases.

    Args:
        spec: the network, wide enough.
        parameters: name to float64; looked at, never altered.
        layers: one per hidden layer.
        inputs: (n, d_in) on which units must switch.
        rng: source of all choices.
    """
    ticket: Ticket = {name: np.zeros(shape, dtype=bool) for name, shape in spec.shapes.items()}
    sources, activations = np.arange(spec.inputs), inputs
    for layer, plan in zip(spec.layers[:-1], layers, strict=True):
        name, bias = weight_name(layer), bias_name(layer)
        weights, biases = parameters[name][:, sources], parameters[bias]
        units = rng.choice(biases.size, plan.units, replace=False)
        biased = rng.random(units.size) < plan.bias_share
        shifts = np.where(biased, biases[units], 0.0)
        drawn = _draw_fan_ins(weights[units], shifts, activations, plan, rng)
        if drawn is None:
            return None
        reads, activations = drawn
        ticket[name][np.ix_(units, sources)] = reads
        ticket[bias][units] = biased
        sources = units
    ticket[weight_name(spec.layers[-1])][:, sources] = True
    return ticket


def _draw_fan_ins(
    weights: Floats,
    shifts: Floats,
    activations: Floats,
    plan: TicketLayer,
    rng: np.random.Generator,
) -> tuple[NDArray[np.bool_], Floats] | None:
    """Returns which sources each unit reads (units, sources), and the activations (n, units)."""
    for _ in range(LAYER_DRAWS):
        reads = np.zeros(weights.shape, dtype=bool)
        results = np.empty((len(activations), len(weights)))
        for unit, (row, shift) in enumerate(zip(weights, shifts, strict=True)):
            order = rng.random((FAN_INS, row.size)).argsort(axis=1).argsort(axis=1)
            fan_ins = order < plan.in_degree  # (FAN_INS, sources)
            values = activations @ np.where(fan_ins, row, 0.0).T + shift  # (n, FAN_INS)
            fit = np.flatnonzero(_switches((values > 0).mean(axis=0), plan))
            if not fit.size:
                return None
            reads[unit] = fan_ins[fit[0]]
            results[:, unit] = np.maximum(values[:, fit[0]], 0)
        if reads.any(axis=0).all():
            return reads, results
    return None


def _switches(share: Floats, plan: TicketLayer) -> NDArray[np.bool_]:
    """Returns where the share of the inputs on which a unit is active is as the plan asks."""
    return (share >= plan.active_share) & (share <= 1 - plan.inactive_share)
