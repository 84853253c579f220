"""The error budget and the existence bound, against hand calculation and brute force."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkit.cli.exists import power_of_ten
from plantkit.networks import PerceptronSpec
from plantkit.planting.families import find_family
from plantkit.planting.initialization import draw_parameters
from plantkit.planting.targets import Target, forward_from
from plantkit.research.theory import error_budget, existence, normalized, width_for

LINE = np.linspace(-1, 1, 41)[:, None]


def chain(*weights: float) -> Target:
    """A target with one neuron a layer and no biases."""
    return Target(
        weights=tuple(np.array([[value]]) for value in weights),
        biases=tuple(np.zeros(1) for _ in weights),
    )


def moved(target: Target, signs: np.random.Generator, budgets: tuple[float, ...]) -> Target:
    """`target` with every non-zero parameter moved up or down by all of its budget."""
    return Target(
        weights=tuple(
            value + budget * signs.choice([-1, 1], value.shape) * (value != 0)
            for value, budget in zip(target.weights, budgets, strict=True)
        ),
        biases=tuple(
            value + budget * signs.choice([-1, 1], value.shape) * (value != 0)
            for value, budget in zip(target.biases, budgets, strict=True)
        ),
    )


def worst(target: Target, other: Target, inputs=LINE) -> float:
    return float(np.abs(target.forward(inputs) - other.forward(inputs)).max())


# --- the error budget


def test_a_budget_by_hand():
    # share = .6 / 2; layer 2 reads at most 2: .3 / (1 + 2); layer 1: .3 / (2 * (3 + .3))
    assert error_budget(chain(2, 3), 0.6, LINE) == pytest.approx([0.3 / 6.6, 0.1])


@given(
    seed=st.integers(0, 10**6),
    widths=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    scale=st.floats(1e-6, 3.0),
    epsilon=st.floats(1e-4, 2.0),
)
def test_moving_every_parameter_by_its_budget_keeps_the_promise(seed, widths, scale, epsilon):
    rng = np.random.default_rng(seed)
    sizes = [1, *widths, 2]
    layers = range(len(sizes) - 1)
    scales = scale ** rng.random(len(layers))  # some layers nearly vanish, others do not
    target = Target(
        weights=tuple(
            scales[i] * rng.normal(size=(sizes[i + 1], sizes[i])) * rng.integers(0, 2)
            + scales[i] * (rng.random((sizes[i + 1], sizes[i])) < 0.3)
            for i in layers
        ),
        biases=tuple(rng.normal(size=sizes[i + 1]) * rng.integers(0, 2) for i in layers),
    )
    budgets = error_budget(target, epsilon, LINE)
    for _ in range(5):
        assert worst(target, moved(target, rng, budgets)) <= epsilon * (1 + 1e-9)


def test_without_the_cap_the_formula_breaks_its_promise():
    target, epsilon = chain(1, 1e-9, 1e-9), 0.01
    share = epsilon / 3
    third = share / (1 + 1e-9)
    second = share / (2 * (1e-9 + share))
    first = share / (2 * (1e-9 + share) ** 2)
    formula = (first, second, third)
    assert worst(target, chain(1 + first, 1e-9 + second, 1e-9 + third)) > 20 * epsilon
    capped = error_budget(target, epsilon, LINE)
    assert capped == pytest.approx([min(value, share) for value in formula])


@pytest.mark.parametrize("family", ["relu", "circle", "helix"])
@pytest.mark.parametrize("depth", [3, 5])
def test_the_papers_targets_need_no_cap(family, depth):
    chosen = find_family(family)
    target = chosen.build(depth)
    budgets = error_budget(target, 0.01, chosen.domain())
    share = 0.01 / len(budgets)
    for weight, budget in zip(target.weights, budgets, strict=True):
        assert budget < share / np.count_nonzero(weight, axis=1).max()
    rng = np.random.default_rng(0)
    assert worst(target, moved(target, rng, budgets), chosen.domain()) <= 0.01


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.nan])
def test_epsilon_must_be_above_zero(epsilon):
    with pytest.raises(ValueError, match="above 0"):
        error_budget(chain(1), epsilon, LINE)
    with pytest.raises(ValueError, match="at least one"):
        error_budget(chain(1), 0.1, LINE[:0])


# --- normalization


@pytest.mark.parametrize("family", ["relu", "circle", "helix"])
def test_a_normalized_target_is_the_target_over_a_factor(family):
    chosen = find_family(family)
    target = chosen.build(5)
    small, factor = normalized(target)
    inputs = chosen.domain()
    np.testing.assert_allclose(small.forward(inputs) * factor, target.forward(inputs), atol=1e-9)
    for weight, bias in zip(small.weights, small.biases, strict=True):
        assert max(np.abs(weight).max(), np.abs(bias).max()) == pytest.approx(1)


def test_a_layer_of_zeros_cannot_be_normalized():
    with pytest.raises(ValueError, match="layer 1"):
        normalized(chain(1, 0, 1))


# --- existence


def normal_between(low: float, high: float) -> float:
    return 0.5 * (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2)))


def test_a_chain_by_hand():
    spec = PerceptronSpec(widths=(1, 7, 1))
    found = existence(chain(2, 3), spec, 0.6, LINE)  # normalized: weights 1 and 1, outputs / 6
    first, second = error_budget(chain(1, 1), 0.1, LINE)
    hidden = 1 - (1 - normal_between(1 - first, 1 + first)) ** 7
    output = normal_between(1 - second, 1 + second)
    assert math.exp(found.log_hidden) == pytest.approx(hidden)
    assert math.exp(found.log_probability) == pytest.approx(hidden * output)
    assert [layer.in_degree for layer in found.layers] == [1, 1]


def test_the_bound_grows_with_width_and_epsilon_and_is_never_above_one():
    target = find_family("circle").build(4)
    inputs = find_family("circle").domain()

    def bound(width: int, epsilon: float) -> float:
        spec = PerceptronSpec.uniform(depth=4, width=width, inputs=2, outputs=4)
        found = existence(target, spec, epsilon, inputs)
        assert found.log_probability <= found.log_hidden <= 0
        return found.log_probability

    widths = [bound(width, 500.0) for width in (10**5, 10**7, 10**9, 10**11)]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]
    tolerances = [bound(10**9, epsilon) for epsilon in (1.0, 100.0, 1000.0)]
    assert tolerances == sorted(tolerances)


def test_more_neurons_than_the_network_has_cannot_match():
    spec = PerceptronSpec(widths=(2, 3, 3, 4))
    found = existence(find_family("circle").build(4), spec, 0.1, find_family("circle").domain())
    assert found.log_probability == -math.inf


def test_the_width_is_the_least_that_does():
    target, spec = chain(1, 1, 1), PerceptronSpec(widths=(1, 1, 1, 1))

    def hidden(width: int) -> float:
        wide = PerceptronSpec(widths=(1, width, width, 1))
        return math.exp(existence(target, wide, 0.5, LINE).log_hidden)

    width = width_for(target, spec, 0.5, LINE, probability=0.8)
    assert width is not None
    assert hidden(width - 1) < 0.8 <= hidden(width)
    assert width_for(find_family("helix").build(5), spec_of(5), 1e-9, LINE) is None


def spec_of(depth: int) -> PerceptronSpec:
    return PerceptronSpec.uniform(depth=depth, width=10, inputs=1, outputs=3)


def test_random_networks_hold_the_target_at_least_as_often_as_the_bound_says():
    target = Target(
        weights=(np.array([[1.0], [-0.6]]), np.array([[0.8, 1.0]])),
        biases=(np.array([0.0, 0.5]), np.zeros(1)),
    )
    spec, epsilon, draws = PerceptronSpec(widths=(1, 12, 1)), 5.0, 400
    small, factor = normalized(target)
    budgets = error_budget(small, epsilon / factor, LINE)
    bound = math.exp(existence(target, spec, epsilon, LINE).log_probability)
    scale = [math.sqrt(2 / 1), math.sqrt(2 / 12)]
    held = 0
    for seed in range(draws):
        drawn = draw_parameters(spec, np.random.default_rng(seed))
        weights = [drawn["layers.0.weight"] / scale[0], drawn["layers.1.weight"] / scale[1]]
        biases = drawn["layers.0.bias"] / scale[0]
        for one, two in permutations(range(12), 2):
            chosen = [one, two]
            parts = (weights[0][chosen], np.array([0.0, biases[two]]), weights[1][:, chosen])
            wanted = (small.weights[0], small.biases[0], small.weights[1])
            gaps = [np.abs(a - b).max() for a, b in zip(parts, wanted, strict=True)]
            if all(gap <= budgets[layer] for gap, layer in zip(gaps, (0, 0, 1), strict=True)):
                held += 1
                outputs = forward_from(LINE, parts[::2], [parts[1], np.zeros(1)])[-1]
                assert np.abs(outputs * factor - target.forward(LINE)).max() <= epsilon
                break
    error = math.sqrt(bound * (1 - bound) / draws)
    assert bound > 0.005  # or the comparison would say nothing
    assert held / draws >= bound - 3 * error


def test_ends_that_differ_are_refused():
    with pytest.raises(ValueError, match="expected the depth, inputs and outputs"):
        existence(chain(1, 1), PerceptronSpec(widths=(1, 5, 5, 1)), 0.1, LINE)


# --- the command


def test_the_command_says_how_likely_and_how_wide(plantkit_cli):
    outcome = plantkit_cli("exists", "relu", "--depth", "3", "--epsilon", "0.1")
    assert outcome.code == 0
    assert "relu in a random 3x100 network, outputs within 0.1" in outcome.out
    assert "hidden 1" in outcome.out
    spec = PerceptronSpec.uniform(depth=3, width=100, inputs=1, outputs=1)
    relu = find_family("relu")
    found = existence(relu.build(3), spec, 0.1, relu.domain())
    assert f"at least {math.exp(found.log_probability):.2g}." in outcome.out


def test_a_family_without_formula_is_refused(plantkit_cli):
    outcome = plantkit_cli("exists", "teacher")
    assert outcome.code == 2
    assert "has no target" in outcome.err


@pytest.mark.parametrize(
    ("logarithm", "text"),
    [(math.log(0.25), "0.25"), (-math.inf, "0"), (-1000 * math.log(10) - 1, "10^-1001")],
)
def test_probabilities_as_people_write_them(logarithm, text):
    assert power_of_ten(logarithm) == text
