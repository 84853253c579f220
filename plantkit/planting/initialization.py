"""The He-scaled initial law of mother networks (Plant 'n' Seek, arXiv 2111.11153)."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import PerceptronSpec, bias_name, weight_name


def standard_deviations(spec: PerceptronSpec) -> dict[str, float]:
    """Returns each parameter's initial standard deviation, by name.

    Layer l (from 1) with n_{l-1} inputs has weights of variance 2 / n_{l-1} and biases of
    variance prod_{k<=l} 2 / n_{k-1}. Scaling the parameters of every layer accordingly
    scales the outputs by one factor, non-zero biases or not.
    """
    deviations: dict[str, float] = {}
    cumulative = 1.0
    for layer in spec.layers:
        deviation = math.sqrt(2 / spec.widths[layer])
        cumulative *= deviation
        deviations[weight_name(layer)] = deviation
        deviations[bias_name(layer)] = cumulative
    return deviations


def draw_parameters(
    spec: PerceptronSpec, rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Returns one draw of all parameters, by name: weights (out, in), biases (out,), float64."""
    deviations = standard_deviations(spec)
    parameters: dict[str, NDArray[np.float64]] = {}
    for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(spec.widths)):
        for name, shape in (
            (weight_name(layer), (fan_out, fan_in)),
            (bias_name(layer), (fan_out,)),
        ):
            parameters[name] = deviations[name] * rng.standard_normal(shape)
    return parameters
