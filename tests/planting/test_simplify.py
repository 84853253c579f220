"""Simplification: idle entries go, the function and every functional entry stay."""

from __future__ import annotations

import numpy as np
import pytest

from plantkit.errors import PlantingError
from plantkit.networks import PerceptronSpec
from plantkit.planting.effects import entry_effects
from plantkit.planting.families import TARGETS
from plantkit.planting.gates import MINIMUM_EFFECT
from plantkit.planting.simplify import simplify
from plantkit.planting.targets import EntryCount, Floats, Target

LINE = np.linspace(-1, 1, 201)[:, None]


def one_hidden_layer(
    weights: list[float], biases: list[float], readout: list[float], offset: float = 0
) -> Target:
    return Target(
        weights=(np.array(weights)[:, None], np.array([readout])),
        biases=(np.array(biases), np.array([offset])),
    )


@pytest.mark.no_cover
@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("depth", range(3, 11))
def test_simplified_targets_are_the_same_function_with_functional_entries_only(
    name: str, depth: int
) -> None:
    family = TARGETS[name]
    nominal = family.build(depth)
    simplified = simplify(nominal, family.domain())
    elsewhere = np.random.default_rng(3).uniform(-1, 1, (20_000, family.inputs))
    for inputs in (family.domain(), elsewhere):
        expected = nominal.forward(inputs)
        error = np.abs(simplified.forward(inputs) - expected).max(axis=0)
        assert (error <= 1e-12 * np.abs(expected).max(axis=0)).all()
    smallest = min(effects.min() for effects in entry_effects(simplified, elsewhere).values())
    assert smallest > MINIMUM_EFFECT


@pytest.mark.parametrize(
    ("name", "depth", "weights", "total", "weight_density", "density"),
    [
        ("circle", 3, 100, 124, 0.1667, 0.1761),
        ("relu", 3, 2, 2, 0.0100, 0.006645),
        ("helix", 3, 91, 124, 0.2275, 0.2465),
        ("circle", 5, 98, 118, 0.00476, 0.00564),
        ("relu", 5, 4, 4, 0.000198, 0.0001951),
        ("helix", 5, 95, 131, 0.00466, 0.00632),
    ],
)
def test_simplified_counts_and_densities(
    name: str, depth: int, weights: int, total: int, weight_density: float, density: float
) -> None:
    family = TARGETS[name]
    spec = PerceptronSpec.uniform(
        depth=depth, width=100, inputs=family.inputs, outputs=family.outputs
    )
    planted = simplify(family.build(depth), family.domain()).count
    assert (planted.weights, planted.total) == (weights, total)
    assert planted.weight_density(spec) == pytest.approx(weight_density, rel=5e-3)
    assert planted.density(spec) == pytest.approx(density, rel=5e-3)


def test_a_unit_whose_kink_is_at_the_domains_end_goes() -> None:
    simplified = simplify(one_hidden_layer([1, 1], [0, -1], [2, 3]), LINE)
    assert simplified.widths == (1, 1, 1)
    assert simplified.count == EntryCount(weights=2, biases=0)


def test_dust_goes_and_its_unit_with_it() -> None:
    target = one_hidden_layer([1, 1, -1], [0.5, 1e-17, 0.3], [2, 1, 1e-16])
    simplified = simplify(target, LINE)
    assert simplified.widths == (1, 2, 1)
    assert simplified.biases[0].tolist() == [0.5, 0]
    assert simplified.count == EntryCount(weights=4, biases=1)


def test_units_that_feed_only_idle_units_go() -> None:
    target = Target(
        weights=(np.ones((2, 1)), np.array([[1.0, 0], [0, 1]]), np.array([[1.0, 1]])),
        biases=(np.zeros(2), np.array([0.0, -2]), np.zeros(1)),  # the second chain never fires
    )
    simplified = simplify(target, LINE)
    assert simplified.widths == (1, 1, 1, 1)
    assert simplified.count.total == 3


@pytest.mark.parametrize(("lift", "dropped"), [(1.0, 0), (1e-13, 5)])
def test_a_unit_that_only_rounding_wakes_at_one_point_goes(lift: float, dropped: int) -> None:
    # The second unit of layer 2 is relu(lift - |x|).
    target = Target(
        weights=(np.array([[1.0], [-1]]), np.array([[1.0, 0], [-1, -1]]), np.array([[1.0, 0.1]])),
        biases=(np.zeros(2), np.array([0.0, lift]), np.zeros(1)),
    )
    simplified = simplify(target, LINE)
    assert target.count.total - simplified.count.total == dropped
    np.testing.assert_allclose(simplified.forward(LINE), target.forward(LINE), atol=1e-12)


def test_of_two_redundant_entries_one_stays() -> None:
    # relu(x), cut off below by either of two weights: relu(relu(x) - relu(-x)) needs one less.
    target = Target(
        weights=(np.array([[1.0], [-1]]), np.array([[1.0, -1]]), np.ones((1, 1))),
        biases=(np.zeros(2), np.zeros(1), np.zeros(1)),
    )
    simplified = simplify(target, LINE)
    assert simplified.widths == (1, 1, 1, 1)
    assert simplified.count.total == 3
    np.testing.assert_array_equal(simplified.forward(LINE), np.maximum(LINE, 0))


def test_a_target_that_is_zero_on_its_domain_is_refused() -> None:
    with pytest.raises(PlantingError, match="output 0 is zero on the whole domain"):
        simplify(one_hidden_layer([1], [-2], [1]), LINE)


@pytest.mark.no_cover
def test_effects_are_what_brute_force_finds() -> None:
    family = TARGETS["circle"]
    target = simplify(family.build(6), family.domain())
    inputs = np.random.default_rng(0).uniform(-1, 1, (400, 2))
    expected = target.forward(inputs)
    effects = entry_effects(target, inputs)
    for layer in range(len(target.weights)):
        for kind, arrays in (("weight", target.weights), ("bias", target.biases)):
            for index in np.ndindex(arrays[layer].shape):
                effect = effects[f"layers.{layer}.{kind}"][index]
                if arrays[layer][index] == 0:
                    assert effect == np.inf
                    continue
                altered: list[Floats] = [array.copy() for array in arrays]
                altered[layer][index] = 0
                changed = Target(
                    weights=tuple(altered) if kind == "weight" else target.weights,
                    biases=tuple(altered) if kind == "bias" else target.biases,
                ).forward(inputs)
                ratio = np.abs(changed - expected).max(axis=0) / np.abs(expected).max(axis=0)
                assert effect == pytest.approx(ratio.max(), rel=1e-9, abs=1e-12)
