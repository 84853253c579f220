"""Targets and tickets without the entries that do nothing on the data's domain.

A constructed target carries units that no input of the domain ever activates, such as a kink at
the domain's end, and coefficients that are rounding dust. Nobody could find them as ticket entries,
because the function is the same with and without them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from plantkit.errors import PlantingError
from plantkit.networks import PerceptronSpec
from plantkit.planting.effects import entry_effects, relative_change, relative_error
from plantkit.planting.targets import Floats, Target, Ticket, subnetwork

# A term below this share of its unit's largest |preactivation| is rounding dust.
DUST_TOLERANCE = 1e-12

# An entry whose removal changes the outputs by less, relatively, is redundant.
REDUNDANCY_TOLERANCE = 1e-10

# Largest relative change of the outputs that simplification may make in all.
FUNCTION_TOLERANCE = 1e-9


def simplify(target: Target, domain: Floats) -> Target:
    """Returns the target without its idle entries and units.

    The simplified target equals the given one on the domain to a relative change of
    `FUNCTION_TOLERANCE`. Redundant entries are dropped one at a time, the least effective
    first, so that of two entries that can stand in for each other one stays.

    Args:
        target: the target as constructed.
        domain: inputs (n, d_in) that cover the data's domain densely.

    Raises:
        PlantingError: an output is zero on the whole domain, or the tolerance is exceeded.
    """
    current = _sweep(target, domain)
    while (entry := _most_redundant(current, domain)) is not None:
        current = _sweep(_without(current, *entry), domain)
    change = relative_change(current.forward(domain), target.forward(domain))
    if change > FUNCTION_TOLERANCE:
        raise PlantingError(
            f"the simplified target differs from the nominal one by {change:.1e} relative; "
            f"expected at most {FUNCTION_TOLERANCE:.0e}"
        )
    return current


def drop_idle_entries(
    spec: PerceptronSpec,
    parameters: Mapping[str, Floats],
    ticket: Mapping[str, NDArray[np.bool_]],
    domain: Floats,
    *,
    least_effect: float,
) -> Ticket:
    """Returns the ticket without the entries that hardly matter on the domain.

    Some of a random structure acts only where nobody looks, such as a unit whose readers are all
    inactive wherever it is active. What is left may be empty, or constant.

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


def _sweep(target: Target, domain: Floats) -> Target:
    """Returns the target without dust, dead units and unused units."""
    while True:
        swept = _remove_units(_clear_idle(target, domain))
        if swept.count == target.count and swept.widths == target.widths:
            return swept
        target = swept


def _clear_idle(target: Target, domain: Floats) -> Target:
    """Returns the target with dust, and all entries at dead units, set to zero."""
    weights = [weight.copy() for weight in target.weights]
    biases = [bias.copy() for bias in target.biases]
    reach: Floats = np.abs(domain).max(axis=0)  # largest |activation| of each source
    layers = target.preactivations(domain)
    for layer, preactivation in enumerate(layers):
        scale: Floats = np.abs(preactivation).max(axis=0)
        weights[layer][np.abs(weights[layer]) * reach <= DUST_TOLERANCE * scale[:, None]] = 0
        biases[layer][np.abs(biases[layer]) <= DUST_TOLERANCE * scale] = 0
        if layer < len(layers) - 1:
            reach = np.maximum(preactivation.max(axis=0), 0)
            dead = reach <= DUST_TOLERANCE * scale
            weights[layer][dead] = 0
            biases[layer][dead] = 0
            weights[layer + 1][:, dead] = 0
    return Target(weights=tuple(weights), biases=tuple(biases))


def _remove_units(target: Target) -> Target:
    """Returns the target without the hidden units that no later layer reads."""
    weights = list(target.weights)
    biases = list(target.biases)
    for layer in reversed(range(len(weights) - 1)):
        used = (weights[layer + 1] != 0).any(axis=0)
        weights[layer + 1] = weights[layer + 1][:, used]
        weights[layer] = weights[layer][used]
        biases[layer] = biases[layer][used]
    return Target(weights=tuple(weights), biases=tuple(biases))


def _most_redundant(target: Target, domain: Floats) -> tuple[str, int] | None:
    """Returns the parameter and flat index of the least effective entry, if it is redundant."""
    effects = entry_effects(target, domain)
    name = min(effects, key=lambda key: effects[key].min(initial=np.inf))
    if effects[name].min(initial=np.inf) >= REDUNDANCY_TOLERANCE:
        return None
    return name, int(effects[name].argmin())


def _without(target: Target, name: str, index: int) -> Target:
    """Returns the target with one entry, by its flat index in a parameter, set to zero."""
    changed = np.array(target.parameters[name])
    changed.flat[index] = 0
    return Target.from_parameters(target.parameters | {name: changed})
