"""What each single entry of a target does to the function on the data's domain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plantkit.errors import PlantingError
from plantkit.networks import bias_name, weight_name
from plantkit.planting.targets import Floats, Target, forward_from

# Maps outputs and reference outputs, (n, d_out) each, to a relative change, 0 for none.
ChangeMeasure = Callable[[Floats, Floats], float]


def relative_change(outputs: Floats, reference: Floats) -> float:
    """Returns max over outputs of max |outputs - reference| / max |reference|, both (n, d_out).

    Raises:
        PlantingError: an output of the reference is zero on every sample.
    """
    peaks: Floats = np.abs(reference).max(axis=0)
    if not peaks.all():
        silent = int(np.flatnonzero(peaks == 0)[0])
        raise PlantingError(f"output {silent} is zero on the whole domain; every output must act")
    return float((np.abs(outputs - reference).max(axis=0) / peaks).max())


def relative_error(outputs: Floats, reference: Floats) -> float:
    """Returns max over outputs of RMS(outputs - reference) / standard deviation of reference.

    Its square is what R² loses, or gains, by the change. Both arguments are (n, d_out).

    Raises:
        PlantingError: an output of the reference is constant.
    """
    deviation = reference.std(axis=0)
    if not deviation.all():
        constant = int(np.flatnonzero(deviation == 0)[0])
        raise PlantingError(
            f"output {constant} is constant on the whole domain; expected it to act"
        )
    return float((np.sqrt(np.square(outputs - reference).mean(axis=0)) / deviation).max())


def best_scaled_error(outputs: Floats, truth: Floats) -> tuple[float, Floats]:
    """Returns the mean squared error after the best factor per output, and these factors.

    Both arguments are (n, d_out); an output that is zero throughout has the factor 0.
    """
    power = np.square(outputs).sum(axis=0)
    product = (outputs * truth).sum(axis=0)
    factors: Floats = np.divide(product, power, out=np.zeros_like(power), where=power > 0)
    return float(np.square(outputs * factors - truth).mean()), factors


def entry_effects(
    target: Target, domain: Floats, *, measure: ChangeMeasure = relative_change
) -> dict[str, Floats]:
    """Returns by `measure` how the outputs change when a single entry is set to zero.

    Args:
        target: the network.
        domain: inputs (n, d_in).
        measure: compares outputs with those of the whole target.

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
            weight_effects[unit, source] = measure(changed, outputs)
        for unit in np.flatnonzero(bias):
            changed = _outputs_without(target, layers, layer, int(unit), bias[unit])
            bias_effects[unit] = measure(changed, outputs)
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
