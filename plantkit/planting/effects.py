"""What each single entry of a target does to the function on the data's domain."""

from __future__ import annotations

import numpy as np

from plantkit.errors import PlantingError
from plantkit.networks import bias_name, weight_name
from plantkit.planting.targets import Floats, Target, forward_from


def output_peaks(outputs: Floats) -> Floats:
    """Returns max |output| over the samples, (d_out,), of outputs (n, d_out).

    Raises:
        PlantingError: an output is zero on every sample.
    """
    peaks: Floats = np.abs(outputs).max(axis=0)
    if not peaks.all():
        silent = int(np.flatnonzero(peaks == 0)[0])
        raise PlantingError(f"output {silent} is zero on the whole domain; every output must act")
    return peaks


def relative_change(outputs: Floats, reference: Floats) -> float:
    """Returns max over outputs of max |outputs - reference| / max |reference|, both (n, d_out).

    Raises:
        PlantingError: an output of the reference is zero on every sample.
    """
    peaks = output_peaks(reference)
    return float((np.abs(outputs - reference).max(axis=0) / peaks).max())


def entry_effects(target: Target, domain: Floats) -> dict[str, Floats]:
    """Returns the `relative_change` of the outputs when a single entry is set to zero.

    Args:
        target: the network.
        domain: inputs (n, d_in).

    Returns:
        Parameter name to float64 of the parameter's shape; infinity where the entry is zero
        already.

    Raises:
        PlantingError: an output is zero on the whole domain.
    """
    layers = target.preactivations(domain)
    outputs = layers[-1]
    effects: dict[str, Floats] = {}
    sources = domain
    for layer, (weight, bias) in enumerate(zip(target.weights, target.biases, strict=True)):
        weight_effects = np.full(weight.shape, np.inf)
        bias_effects = np.full(bias.shape, np.inf)
        for unit, source in np.argwhere(weight != 0):
            removed = weight[unit, source] * sources[:, source]
            changed = _outputs_without(target, layers, layer, int(unit), removed)
            weight_effects[unit, source] = relative_change(changed, outputs)
        for unit in np.flatnonzero(bias):
            changed = _outputs_without(target, layers, layer, int(unit), bias[unit])
            bias_effects[unit] = relative_change(changed, outputs)
        effects[weight_name(layer)] = weight_effects
        effects[bias_name(layer)] = bias_effects
        sources = np.maximum(layers[layer], 0)
    return effects


def _outputs_without(
    target: Target, layers: list[Floats], layer: int, unit: int, removed: Floats | np.float64
) -> Floats:
    """Returns the outputs once `removed` is taken from one unit's preactivation."""
    changed = layers[layer].copy()
    changed[:, unit] -= removed
    if layer == len(layers) - 1:
        return changed
    rest = slice(layer + 1, None)
    activations = np.maximum(changed, 0)
    return forward_from(activations, target.weights[rest], target.biases[rest])[-1]
