"""Random sparse structures: which units and entries of a network make up a ticket.

Units, and whether a unit's bias belongs to the ticket, are drawn without a look at any value.
Only the fan-in of a unit is drawn again until the unit switches: it must be active on a share of
the inputs, and inactive on as much. That test treats a unit and its negative alike, so it favours
no sign; the units that fail for every fan-in are too few to matter. What it can still tell an
attacker is measured by the audit, not assumed away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantkit.errors import WidthError
from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.planting.effects import entry_effects, relative_error
from plantkit.planting.gates import subnetwork
from plantkit.planting.targets import Floats

Ticket = dict[str, NDArray[np.bool_]]

FAN_INS = 64
"""Fan-ins that are drawn for a unit before the whole structure is given up."""

LAYER_DRAWS = 20
"""Draws of all fan-ins of a layer until every source unit is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimensions:
    """Sizes of a structure.

    Attributes:
        units: ticket units a hidden layer.
        in_degree: weights that a hidden unit reads, or as many as there are sources.
        bias_share: chance that a hidden unit's bias is in the ticket, in [0, 1].
        first_bias_share: the same in the first hidden layer, where biases are as large as
            what the inputs contribute, so that tests on a unit say most about its bias.
        active_share: least share of the inputs on which a unit is active, and least share on
            which it is inactive, in (0, 0.5).
    """

    units: int
    in_degree: int
    bias_share: float
    first_bias_share: float
    active_share: float = 0.08

    def layers(self, count: int) -> tuple[LayerSizes, ...]:
        """Returns the sizes of `count` hidden layers."""
        return tuple(
            LayerSizes(
                units=self.units,
                in_degree=self.in_degree,
                bias_share=self.bias_share if layer else self.first_bias_share,
                active_share=self.active_share,
                inactive_share=self.active_share,
            )
            for layer in range(count)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSizes:
    """Sizes of a structure in one hidden layer; see `Dimensions`.

    Attributes:
        active_share: least share of the inputs on which a unit is active.
        inactive_share: least share on which it is not. With 0 for both every unit will do.
    """

    units: int
    in_degree: int
    bias_share: float
    active_share: float = 0.08
    inactive_share: float = 0.08


def check_width(spec: PerceptronSpec, units: Sequence[int], *, name: str) -> None:
    """Checks that every hidden layer holds the `units` of a structure.

    Raises:
        WidthError: one does not; hidden layers count from 1.
    """
    for layer, (width, needed) in enumerate(zip(spec.widths[1:-1], units, strict=True), start=1):
        if width < needed:
            raise WidthError(layer=layer, needed=needed, width=width, target=name)


def draw_structure(
    spec: PerceptronSpec,
    parameters: Mapping[str, Floats],
    sizes: Sequence[LayerSizes],
    inputs: Floats,
    rng: np.random.Generator,
) -> Ticket | None:
    """Returns a random structure all of whose hidden units switch, or None after a failure.

    The outputs read every ticket unit of the last hidden layer, without biases.

    Args:
        spec: the network.
        parameters: name to float64; looked at, never altered.
        sizes: of the structure, one a hidden layer; the network is wide enough.
        inputs: (n, d_in) on which units must switch.
        rng: source of all choices.
    """
    ticket: Ticket = {name: np.zeros(shape, dtype=bool) for name, shape in spec.shapes.items()}
    sources = np.arange(spec.inputs)
    activations = inputs
    for layer, size in zip(spec.layers[:-1], sizes, strict=True):
        weight, bias = parameters[weight_name(layer)], parameters[bias_name(layer)]
        units = rng.choice(spec.widths[layer + 1], size.units, replace=False)
        with_bias = rng.random(units.size) < size.bias_share
        shifts = np.where(with_bias, bias[units], 0.0)
        drawn = _draw_layer(weight[np.ix_(units, sources)], shifts, activations, size, rng)
        if drawn is None:
            return None
        reads, activations = drawn
        ticket[weight_name(layer)][np.ix_(units, sources)] = reads
        ticket[bias_name(layer)][units] = with_bias
        sources = units
    ticket[weight_name(spec.layers[-1])][:, sources] = True
    return ticket


def drop_idle_entries(
    spec: PerceptronSpec,
    parameters: Mapping[str, Floats],
    ticket: Mapping[str, NDArray[np.bool_]],
    domain: Floats,
    *,
    least_effect: float,
) -> Ticket:
    """Returns the ticket without the entries that hardly matter on the domain.

    Some of a random structure acts only where nobody looks: a unit, say, all of whose readers
    are inactive wherever it is active. What is left may be empty, or constant.

    Args:
        spec, parameters, ticket: the masked network.
        domain: inputs (n, d_in).
        least_effect: `effects.relative_error` that dropping an entry must make for it to stay.
    """
    kept: Ticket = {name: np.array(mask) for name, mask in ticket.items()}
    while True:
        network = subnetwork(spec, parameters, kept)
        if not network.forward(domain).std(axis=0).all():
            return kept
        effects = entry_effects(network, domain, measure=relative_error)
        before = sum(int(mask.sum()) for mask in kept.values())
        for name, entries in network.entries.items():  # in the order of the ticket's entries
            kept[name][kept[name]] = effects[name][entries] >= least_effect
        if sum(int(mask.sum()) for mask in kept.values()) == before:
            return kept


def _draw_layer(
    weights: Floats,
    shifts: Floats,
    activations: Floats,
    sizes: LayerSizes,
    rng: np.random.Generator,
) -> tuple[NDArray[np.bool_], Floats] | None:
    """Returns which sources each unit reads (units, sources), and the activations (n, units)."""
    for _ in range(LAYER_DRAWS):
        reads = np.zeros(weights.shape, dtype=bool)
        results = np.empty((len(activations), len(weights)))
        for unit, (row, shift) in enumerate(zip(weights, shifts, strict=True)):
            fan_ins = _draw_fan_ins(row.size, sizes.in_degree, rng)  # (FAN_INS, sources)
            values = activations @ np.where(fan_ins, row, 0.0).T + shift  # (n, FAN_INS)
            share = (values > 0).mean(axis=0)
            switches = (share >= sizes.active_share) & (share <= 1 - sizes.inactive_share)
            fit = np.flatnonzero(switches)
            if not fit.size:
                return None
            reads[unit] = fan_ins[fit[0]]
            results[:, unit] = np.maximum(values[:, fit[0]], 0)
        if reads.any(axis=0).all():
            return reads, results
    return None


def _draw_fan_ins(sources: int, in_degree: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Returns random sets of sources (FAN_INS, sources), bool, each of `in_degree` at most."""
    order = rng.random((FAN_INS, sources)).argsort(axis=1)
    return order.argsort(axis=1) < in_degree
