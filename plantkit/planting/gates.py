"""The gates that every planted ticket must pass before anyone sees it.

They look at the planted network through its mask alone and know nothing of how it was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantkit.errors import PlantingError
from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.planting.effects import ChangeMeasure, entry_effects, relative_change
from plantkit.planting.targets import Floats, Target

FUNCTION_TOLERANCE = 1e-9
"""Largest relative change between the rescaled ticket and the target, in float64."""

FLOAT32_TOLERANCE = 1e-4
"""The same with parameters, inputs and arithmetic in float32."""

MINIMUM_EFFECT = 1e-5
"""Smallest relative change of the outputs that dropping any one ticket entry must make."""

ACTIVE_TOLERANCE = 1e-12
"""A unit is dead if its largest activation is below this share of its |preactivation|."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """What the gates measured: relative changes as `effects.relative_change` defines them.

    `smallest_effect` is in the measure of effects that the planting method uses.
    `smallest_activity` is the least share of the domain on which a hidden unit is active.
    """

    function_error: float
    float32_error: float
    smallest_effect: float
    smallest_activity: float


def subnetwork(
    spec: PerceptronSpec, parameters: Mapping[str, Floats], ticket: Mapping[str, NDArray[np.bool_]]
) -> Target:
    """Returns the masked network, reduced to the hidden units that the ticket touches.

    Left out units have neither entries nor readers in the ticket, so the function is that of
    the masked network.
    """
    touched = [np.ones(spec.inputs, dtype=bool)]
    for layer in spec.layers[:-1]:
        reads = ticket[weight_name(layer)].any(axis=1) | ticket[bias_name(layer)]
        touched.append(reads | ticket[weight_name(layer + 1)].any(axis=0))
    touched.append(np.ones(spec.outputs, dtype=bool))
    weights: list[Floats] = []
    biases: list[Floats] = []
    for layer in spec.layers:
        weight, bias = weight_name(layer), bias_name(layer)
        grid = np.ix_(touched[layer + 1], touched[layer])
        weights.append(np.where(ticket[weight], parameters[weight], 0)[grid])
        biases.append(np.where(ticket[bias], parameters[bias], 0)[touched[layer + 1]])
    return Target(weights=tuple(weights), biases=tuple(biases))


def check_function(network: Target, scales: Floats, reference: Target, domain: Floats) -> float:
    """Returns the relative change between network / scales (d_out,) and the reference.

    Raises:
        PlantingError: it exceeds `FUNCTION_TOLERANCE`.
    """
    error = relative_change(network.forward(domain) / scales, reference.forward(domain))
    return _at_most(error, FUNCTION_TOLERANCE, "the ticket's function")


def check_float32(network: Target, scales: Floats, reference: Target, domain: Floats) -> float:
    """Returns the same as `check_function` for the network cast to float32.

    Raises:
        PlantingError: it exceeds `FLOAT32_TOLERANCE`.
    """
    activations = domain.astype(np.float32)
    outputs = activations
    for weight, bias in zip(network.weights, network.biases, strict=True):
        outputs = activations @ weight.astype(np.float32).T + bias.astype(np.float32)
        activations = np.maximum(outputs, 0)
    exact = reference.forward(domain)
    error = relative_change(outputs.astype(np.float64) / scales, exact)
    return _at_most(error, FLOAT32_TOLERANCE, "the ticket's function in float32")


def check_units(network: Target, domain: Floats, *, least_activity: float = 0.0) -> float:
    """Returns the least share of the domain, in (0, 1], on which a hidden unit is active.

    Raises:
        PlantingError: a unit is dead, or active on less than `least_activity`.
    """
    smallest = 1.0
    for layer, preactivation in enumerate(network.preactivations(domain)[:-1]):
        scale = np.abs(preactivation).max(axis=0)
        dead = np.flatnonzero(preactivation.max(axis=0) <= ACTIVE_TOLERANCE * scale)
        if dead.size:
            raise PlantingError(
                f"hidden layer {layer + 1} of the ticket has {dead.size} dead units; "
                "expected every unit to be active somewhere on the domain"
            )
        activity = float((preactivation > 0).mean(axis=0).min())
        if activity < least_activity:
            raise PlantingError(
                f"a unit in hidden layer {layer + 1} of the ticket is active on {activity:.1%} of "
                f"the domain; expected at least {least_activity:.1%}"
            )
        smallest = min(smallest, activity)
    return smallest


def check_entries(
    network: Target,
    domain: Floats,
    *,
    least_effect: float = MINIMUM_EFFECT,
    measure: ChangeMeasure = relative_change,
) -> float:
    """Returns the smallest change, by `measure`, that dropping one entry makes to the outputs.

    Raises:
        PlantingError: it is below `least_effect`; the message names the parameter.
    """
    effects = entry_effects(network, domain, measure=measure)
    name = min(effects, key=lambda key: effects[key].min(initial=np.inf))
    smallest = float(effects[name].min())
    if smallest < least_effect:
        raise PlantingError(
            f"an entry of {name!r} changes the outputs by {smallest:.1e} relative when dropped; "
            f"every ticket entry must change them by at least {least_effect:.0e}"
        )
    return smallest


def check_ticket(
    network: Target,
    scales: Floats,
    reference: Target,
    domain: Floats,
    *,
    least_effect: float = MINIMUM_EFFECT,
    least_activity: float = 0.0,
    measure: ChangeMeasure = relative_change,
) -> GateReport:
    """Returns what the gates measured.

    Args:
        network: the masked network, as `subnetwork` returns it.
        scales: (d_out,), the factor of every output.
        reference: the target that the ticket must compute.
        domain: inputs (n, d_in) that cover the data's domain densely.
        least_effect: of dropping any one entry, relative; see `check_entries`.
        least_activity: share of the domain; see `check_units`.
        measure: of the effect of an entry.

    Raises:
        PlantingError: a gate failed.
    """
    smallest_activity = check_units(network, domain, least_activity=least_activity)
    return GateReport(
        smallest_activity=smallest_activity,
        function_error=check_function(network, scales, reference, domain),
        float32_error=check_float32(network, scales, reference, domain),
        smallest_effect=check_entries(network, domain, least_effect=least_effect, measure=measure),
    )


def _at_most(error: float, tolerance: float, what: str) -> float:
    if not error <= tolerance:  # also catches NaN
        raise PlantingError(
            f"{what} differs from the target by {error:.1e} relative; "
            f"expected at most {tolerance:.0e}"
        )
    return error
