"""The He-scaled initial law."""

from __future__ import annotations

import math

import numpy as np
import pytest

from plantkit.networks import PerceptronSpec
from plantkit.planting.initialization import draw_parameters, standard_deviations

SPEC = PerceptronSpec(widths=(2, 50, 8, 3))


def test_standard_deviations_follow_the_paper() -> None:
    deviations = standard_deviations(SPEC)
    assert deviations == pytest.approx(
        {
            "layers.0.weight": 1,
            "layers.0.bias": 1,
            "layers.1.weight": 0.2,
            "layers.1.bias": 0.2,
            "layers.2.weight": 0.5,
            "layers.2.bias": 0.1,
        }
    )


def test_draws_have_the_shapes_and_the_moments_of_the_law() -> None:
    spec = PerceptronSpec(widths=(40, 3000, 60, 2000))
    parameters = draw_parameters(spec, np.random.default_rng(0))
    assert {name: value.shape for name, value in parameters.items()} == spec.shapes
    for name, deviation in standard_deviations(spec).items():
        whitened = parameters[name].ravel() / deviation
        assert parameters[name].dtype == np.float64
        assert abs(whitened.mean()) < 5 / math.sqrt(whitened.size)
        assert abs(whitened.var() - 1) < 5 * math.sqrt(2 / whitened.size)


def test_scaling_every_layer_scales_the_outputs_by_one_factor() -> None:
    parameters = draw_parameters(SPEC, np.random.default_rng(1))
    inputs = np.random.default_rng(2).uniform(-1, 1, (20, 2))
    factors, cumulative = (0.3, 7.0, 2.0), 1.0
    plain = scaled = inputs
    for layer, factor in enumerate(factors):
        weight, bias = parameters[f"layers.{layer}.weight"], parameters[f"layers.{layer}.bias"]
        cumulative *= factor
        if layer:
            plain, scaled = np.maximum(plain, 0), np.maximum(scaled, 0)
        plain = plain @ weight.T + bias
        scaled = scaled @ (factor * weight).T + cumulative * bias
    np.testing.assert_allclose(scaled, math.prod(factors) * plain, rtol=1e-12)
