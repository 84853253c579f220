"""Preferences for units: log odds, and draws that follow them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from plantkit.networks import PerceptronSpec
from plantkit.planting.initialization import draw_parameters, standard_deviations
from plantkit.planting.structures import TicketLayer, Tilt, draw_structure, draw_units
from plantkit.planting.surroundings import unit_odds

SPEC = PerceptronSpec(widths=(2, 20, 20, 3))


@pytest.fixture
def parameters() -> dict[str, np.ndarray]:
    return draw_parameters(SPEC, np.random.default_rng(0))


def test_odds_are_the_terms_times_their_coefficients(parameters) -> None:
    deviations = standard_deviations(SPEC)
    bias = parameters["layers.1.bias"] / deviations["layers.1.bias"]
    first, last = (parameters["layers.2.weight"] / deviations["layers.2.weight"])[[0, 2]]
    odds = unit_odds(SPEC, parameters, 1, {"|bias|": 0.5, "out_0*out_2": -2.0})
    np.testing.assert_allclose(odds, 0.5 * np.abs(bias) - 2.0 * first * last)
    np.testing.assert_array_equal(unit_odds(SPEC, parameters, 0, {}), np.zeros(20))


def test_a_term_that_is_not_there_is_named(parameters) -> None:
    with pytest.raises(ValueError, match=r"no terms \['out_9'\] in layer 1"):
        unit_odds(SPEC, parameters, 1, {"out_9": 1.0})


def test_units_are_drawn_by_their_odds() -> None:
    rng = np.random.default_rng(1)
    odds = np.log([1.0, 2.0, 5.0, 2.0])
    counts = Counter(int(draw_units(odds, 1, rng)[0]) for _ in range(8000))
    for unit, share in enumerate((0.1, 0.2, 0.5, 0.2)):
        assert counts[unit] / 8000 == pytest.approx(share, abs=0.02)


def test_a_unit_is_drawn_once_and_an_excluded_one_never() -> None:
    rng = np.random.default_rng(2)
    odds = np.array([0.0, -np.inf, 3.0, 0.0])
    for _ in range(50):
        assert sorted(draw_units(odds, 3, rng)) == [0, 2, 3]


def test_a_structure_follows_its_preferences(parameters) -> None:
    inputs = np.random.default_rng(3).uniform(-1, 1, (200, 2))
    plain = TicketLayer(
        units=6, in_degree=3, bias_share=0.0, active_share=0.0, inactive_share=0.0, tilt=Tilt()
    )
    weight = parameters["layers.2.weight"][1]

    def mean_weight(preferences) -> float:
        rngs = (np.random.default_rng(seed) for seed in range(60))
        layers = (plain, replace(plain, tilt=Tilt(units=preferences)))
        tickets = (draw_structure(SPEC, parameters, layers, inputs, rng) for rng in rngs)
        means = [weight[one["layers.2.weight"][1]].mean() for one in tickets if one is not None]
        assert len(means) > 20
        return float(np.mean(means))

    assert mean_weight({"out_1": 2.0}) > mean_weight({}) + 0.5 * weight.std()
