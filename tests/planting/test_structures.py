"""Tilted structures: what must hold of every draw, and which way a tilt leans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plantkit.networks import PerceptronSpec
from plantkit.planting.initialization import draw_parameters, standard_deviations
from plantkit.planting.structures import SHARED, TicketLayer, Tilt, draw_structure

SPEC = PerceptronSpec(widths=(1, 40, 40, 2))
LINE = np.linspace(-1, 1, 200)[:, None]
FIRST = TicketLayer(
    units=8, in_degree=1, bias_share=0.0, active_share=0.0, inactive_share=0.0, tilt=Tilt()
)
SECOND = TicketLayer(
    units=6, in_degree=4, bias_share=1.0, active_share=0.04, inactive_share=0.0, tilt=Tilt()
)


def draw(seed: int, tilt: Tilt):
    rng = np.random.default_rng(seed)
    parameters = draw_parameters(SPEC, rng)
    ticket = draw_structure(SPEC, parameters, (FIRST, replace(SECOND, tilt=tilt)), LINE, rng)
    assert ticket is not None
    return parameters, ticket


def second_layer(tilt: Tilt, draws: int = 30) -> tuple[float, float, float, float]:
    """Returns the mean weight, product of weight and bias, bias, and size of bias."""
    deviations = standard_deviations(SPEC)
    weights, products, biases = [], [], []
    for seed in range(draws):
        parameters, ticket = draw(seed, tilt)
        weight = parameters["layers.1.weight"] / deviations["layers.1.weight"]
        bias = parameters["layers.1.bias"] / deviations["layers.1.bias"]
        read = ticket["layers.1.weight"]
        weights += weight[read].tolist()
        products += (weight * bias[:, None])[read].tolist()
        biases += bias[ticket["layers.1.bias"]].tolist()
    return (
        float(np.mean(weights)),
        float(np.mean(products)),
        float(np.mean(biases)),
        float(np.abs(biases).mean()),
    )


@pytest.mark.parametrize("seed", range(5))
def test_sizes_are_kept_and_every_unit_is_active_where_its_sources_are(seed: int) -> None:
    parameters, ticket = draw(seed, Tilt(weights=5.0, agreement=-5.0))
    assert ticket["layers.0.weight"].sum() == 8
    assert not ticket["layers.0.bias"].any()
    read = ticket["layers.1.weight"]
    units, sources = np.flatnonzero(read.any(axis=1)), np.flatnonzero(read.any(axis=0))
    assert units.size == 6
    np.testing.assert_array_equal(sources, np.flatnonzero(ticket["layers.0.weight"].any(axis=1)))
    assert (read[units].sum(axis=1) == 4).all()
    np.testing.assert_array_equal(np.flatnonzero(ticket["layers.1.bias"]), units)
    np.testing.assert_array_equal(np.flatnonzero(ticket["layers.2.weight"].any(axis=0)), units)
    before = np.maximum(LINE @ parameters["layers.0.weight"].T, 0)
    for unit in units:
        row = np.where(read[unit], parameters["layers.1.weight"][unit], 0)
        active = before @ row + parameters["layers.1.bias"][unit] > 0
        for source in np.flatnonzero(read[unit]):
            assert (active & (before[:, source] > 0)).mean() >= SHARED


def test_a_tilt_leans_against_what_it_names() -> None:
    upright = second_layer(Tilt())
    assert upright[0] > 0.1  # being active asks for positive weights
    assert second_layer(Tilt(weights=4.0))[0] < upright[0] - 0.1
    assert second_layer(Tilt(agreement=-4.0))[1] > upright[1] + 0.1
    assert second_layer(Tilt(units={"bias": -1.0}))[2] < upright[2] - 0.2
    assert second_layer(Tilt(units={"|bias|": 1.5}))[3] > upright[3] + 0.1


def test_no_structure_where_too_few_units_will_do() -> None:
    spec = PerceptronSpec(widths=(1, 8, 6, 2))
    rng = np.random.default_rng(0)
    parameters = draw_parameters(spec, rng)
    parameters["layers.1.weight"][:] = -1.0
    parameters["layers.1.bias"][:] = -1.0
    assert draw_structure(spec, parameters, (FIRST, SECOND), LINE, rng) is None
