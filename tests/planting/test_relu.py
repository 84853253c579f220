"""relu: the two streams of an anchored ticket by hand, and the count of all paths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from plantkit.networks import PerceptronSpec
from plantkit.planting import METHODS, find_family
from plantkit.planting.families.relu import (
    MOST_ENTRIES,
    Counterweight,
    ReluFamily,
    count_entries,
    counterweight_of,
    draw_streams,
    layer_sides,
)
from plantkit.planting.family import Alternatives
from plantkit.planting.initialization import draw_parameters, standard_deviations

LINE = np.linspace(-1, 1, 21)


def test_entries_are_counted_by_hand() -> None:
    # 3 + 3 inputs are read, 2 * 3 * 3 weights between, 1 * 3 + 3 * 3 after, 4 outputs.
    assert count_entries(((3, 3), (3, 3), (1, 3))) == 6 + 18 + 12 + 4
    assert count_entries(((1, 3),)) == 4 + 4


@pytest.mark.parametrize("hidden", range(1, 20))
def test_there_are_never_more_entries_than_allowed(hidden: int) -> None:
    sides = layer_sides(hidden)
    assert len(sides) == hidden
    assert count_entries(sides) <= MOST_ENTRIES * (hidden + 1)
    assert ReluFamily().widths(hidden) == tuple(positive + negative for positive, negative in sides)


@pytest.mark.parametrize("seed", range(5))
def test_units_are_active_on_one_side_and_read_their_own_stream(seed: int) -> None:
    spec = PerceptronSpec(widths=(1, 30, 30, 30, 1))
    rng = np.random.default_rng(seed)
    parameters = draw_parameters(spec, rng)
    found = draw_streams(spec, parameters, rng)
    assert found is not None
    ticket, left = found
    streams = []
    for side in (1.0, -1.0):
        hidden = np.array([side])
        for layer in (0, 1, 2):
            name = f"layers.{layer}.weight"
            hidden = np.maximum(np.where(ticket[name], parameters[name], 0) @ hidden, 0)
        streams.append(set(np.flatnonzero(hidden)))
    assert [len(stream) for stream in streams] == [1, 3]
    assert not streams[0] & streams[1]
    np.testing.assert_allclose(left, hidden)


def test_the_counterweight_takes_the_signs_out_of_the_weights() -> None:
    spec = PerceptronSpec(widths=(1, 100, 100, 100, 1))
    values = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        parameters = draw_parameters(spec, rng)
        found = draw_streams(spec, parameters, rng)
        assert found is not None
        name = "layers.1.weight"
        values += (parameters[name][found[0][name]] / standard_deviations(spec)[name]).tolist()
    # 2,700 weights: the standard error is 0.02. Without the counterweight the mean is 0.4.
    assert abs(np.mean(values)) < 0.1
    assert np.std(values) == pytest.approx(1, abs=0.1)


def test_too_narrow_a_network_has_no_streams() -> None:
    spec = PerceptronSpec(widths=(1, 6, 6, 6, 1))
    rng = np.random.default_rng(0)
    parameters = draw_parameters(spec, rng)
    parameters["layers.0.weight"][:] = 1.0  # nothing is active for x < 0
    assert draw_streams(spec, parameters, rng) is None


@pytest.mark.slow
def test_ten_layers_can_be_planted() -> None:
    planted = METHODS["anchored"].plant(
        ReluFamily(), PerceptronSpec.uniform(depth=10, width=100, inputs=1, outputs=1), seed=b"deep"
    )
    assert planted.count.total == 90


@pytest.mark.parametrize(
    ("depth", "hidden"),
    [
        *((4, False), (5, True)),
        pytest.param(8, True, marks=pytest.mark.slow),
        pytest.param(9, False, marks=pytest.mark.slow),
    ],
)
def test_a_planting_says_whether_its_shape_hides_it(depth: int, hidden: bool) -> None:
    family = find_family("relu")
    spec = PerceptronSpec.uniform(depth=depth, width=60, inputs=1, outputs=1)
    assert METHODS["anchored"].plant(family, spec, seed=b"1").hidden is hidden


def test_odds_of_a_counterweight_by_hand() -> None:
    weights = np.array([[1.0, -1.0], [0.9, 0.2]])
    activations = np.array([3.0, 4.0])
    counterweight = Counterweight(sum=2.0, activation=10.0, power=0.5)
    # Sums 0 and 1.1 over sqrt 2; reached (3 - 4) / 5 and (2.7 + 0.8) / 5; squares 2 and 0.85.
    expected = [10 * 0.2, -2 * 1.1 / 2**0.5 - 10 * 0.7 + 0.5 * (0.85 - 2) / 2]
    np.testing.assert_allclose(counterweight.odds(weights, activations), expected)


def test_single_weights_count_by_the_knots_around_them() -> None:
    values = (0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 3.0, 0.0, -2.0)  # at 0.4, 0.9, 1.4 and 2.0
    odds = Counterweight(values=values).odds(np.array([[0.2, 0.65], [-1.0, 9.0]]), np.ones(2))
    np.testing.assert_allclose(odds, [-(0.5 + 2.0), 2.0])


def test_only_units_behind_two_sources_are_weighed_singly() -> None:
    sides = layer_sides(6)
    used = [counterweight_of(layer, sides) for layer in range(6)]
    behind_two = [layer for layer in range(2, 6) if sides[layer - 1] == (2, 2)]
    assert behind_two == [3, 4, 5]
    assert [layer for layer, one in enumerate(used) if any(one.values)] == behind_two
    assert not any(any(counterweight_of(layer, layer_sides(7)).values) for layer in range(7))


def computes_relu(weights: list[float]) -> bool:
    values = LINE
    for weight in weights[:-1]:
        values = np.maximum(weight * values, 0)
    values = weights[-1] * values
    factor = values[-1]
    return bool(factor != 0 and np.allclose(values / factor, np.maximum(LINE, 0)))


def test_paths_are_counted_exactly() -> None:
    spec = PerceptronSpec(widths=(1, 4, 5, 3, 1))
    planted = METHODS["faithful"].plant(find_family("relu"), spec, seed=b"1")
    matrices = [planted.parameters[f"layers.{layer}.weight"] for layer in spec.layers]
    paths = itertools.product(*[range(width) for width in spec.widths])
    found = sum(
        computes_relu([w[b, a] for w, (a, b) in zip(matrices, itertools.pairwise(p), strict=True)])
        for p in paths
    )
    assert planted.alternatives.count == found > 1
    assert planted.alternatives.to_json()["known"] == "counted"


def test_deep_networks_do_not_overflow() -> None:
    spec = PerceptronSpec.uniform(depth=40, width=10, inputs=1, outputs=1)
    parameters = {name: np.ones(shape) for name, shape in spec.shapes.items()}
    assert ReluFamily().alternatives(spec, parameters).count == 10**38


def test_what_was_not_counted_says_so() -> None:
    assert "count" not in Alternatives().to_json()
    assert Alternatives().to_json()["known"] == "unknown"
