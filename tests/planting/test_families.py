"""Families: nominal targets against the paper's counts, formulas, data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plantkit.errors import UnknownNameError, UsageError
from plantkit.networks import PerceptronSpec
from plantkit.networks.tasks import TaskKind
from plantkit.planting.families import FAMILIES, TARGETS, find_family
from plantkit.planting.targets import Floats, Target, interpolate

DEPTHS = range(3, 11)

# Agreement of the argmax with the formula on 40,000 random points, measured, rounded down.
CIRCLE_AGREEMENT = {
    3: 0.955,
    4: 0.987,
    5: 0.987,
    6: 0.984,
    7: 0.983,
    8: 0.992,
    9: 0.995,
    10: 0.996,
}


def plain_forward(target: Target, inputs: Floats) -> Floats:
    hidden = inputs.T
    last = len(target.weights) - 1
    for layer in range(last + 1):
        hidden = target.weights[layer] @ hidden + target.biases[layer][:, None]
        if layer < last:
            hidden = np.where(hidden > 0, hidden, 0.0)
    return hidden.T


def random_inputs(name: str, count: int = 40_000) -> Floats:
    return np.random.default_rng(7).uniform(-1, 1, (count, TARGETS[name].inputs))


def test_the_three_families_of_the_paper_are_registered() -> None:
    assert sorted(TARGETS) == ["circle", "helix", "relu"]
    assert set(TARGETS) < set(FAMILIES)
    assert all(FAMILIES[name].name == name for name in FAMILIES)
    assert find_family("helix") is TARGETS["helix"]


def test_an_unknown_family_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'circle'") as caught:
        find_family("cirle")
    assert caught.value.name == "cirle"


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_targets_have_the_depth_and_the_ends_asked_for(name: str, depth: int) -> None:
    family = TARGETS[name]
    target = family.build(depth)
    assert target.depth == depth
    assert (target.widths[0], target.widths[-1]) == (family.inputs, family.outputs)
    inputs = random_inputs(name, 500)
    np.testing.assert_allclose(target.forward(inputs), plain_forward(target, inputs), atol=1e-12)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("depth", [2, 1, 0, -3])
def test_too_small_a_depth_is_a_usage_error(name: str, depth: int) -> None:
    with pytest.raises(UsageError, match=rf"at least 3 layers.*got {depth}$"):
        TARGETS[name].build(depth)


@pytest.mark.parametrize(
    ("name", "depth", "weights", "total", "printed"),
    [
        ("circle", 3, 100, 124, "0.167"),
        ("relu", 3, 2, 2, "0.010"),
        ("helix", 3, 115, 148, "0.288"),
        ("circle", 5, 108, 130, "0.0052"),
        ("relu", 5, 4, 4, "0.0002"),
        ("helix", 5, 120, 156, "0.0059"),
    ],
)
def test_nominal_counts_and_densities_are_the_papers(
    name: str, depth: int, weights: int, total: int, printed: str
) -> None:
    family = TARGETS[name]
    spec = PerceptronSpec.uniform(
        depth=depth, width=100, inputs=family.inputs, outputs=family.outputs
    )
    count = family.build(depth).count
    assert (count.weights, count.total) == (weights, total)
    digits = len(printed) - 2
    assert count.weight_density(spec) == pytest.approx(float(printed), abs=0.51 * 10**-digits)
    assert count.density(spec) == total / spec.total


def test_counts_agree_with_the_entries_by_name() -> None:
    target = TARGETS["circle"].build(5)
    assert list(target.entries) == [
        f"layers.{layer}.{kind}" for layer in range(4) for kind in ("weight", "bias")
    ]
    assert sum(int(mask.sum()) for mask in target.entries.values()) == target.count.total
    assert all(
        target.entries[f"layers.{layer}.weight"].shape == weight.shape
        for layer, weight in enumerate(target.weights)
    )


@pytest.mark.parametrize("depth", DEPTHS)
def test_relu_is_exact(depth: int) -> None:
    family = TARGETS["relu"]
    inputs = random_inputs("relu")
    np.testing.assert_array_equal(family.build(depth).forward(inputs), family.truth(inputs))
    np.testing.assert_array_equal(family.truth(inputs)[:, 0], [max(0.0, x) for x in inputs[:, 0]])


@pytest.mark.parametrize("depth", DEPTHS)
def test_helix_is_the_interpolation_of_its_formula(depth: int) -> None:
    family = TARGETS["helix"]
    target = family.build(depth)
    position = np.linspace(-1, 1, 5001)
    angle = 5 * np.pi + 3 * np.pi * position
    truth = np.stack([angle * np.cos(angle), angle * np.sin(angle), angle], axis=1) / (8 * np.pi)
    np.testing.assert_allclose(family.truth(position[:, None]), truth, atol=1e-14)
    outputs = target.forward(position[:, None])
    assert np.square(outputs - truth).mean() < 2.2e-4
    assert np.abs(outputs - truth).max() < 0.05
    factors = (outputs * truth).sum(axis=0) / (outputs**2).sum(axis=0)
    assert np.square(factors * outputs - truth).mean() < 4.4e-5
    knots = np.linspace(-1, 1, 30)
    lines = np.stack(
        [np.interp(position, knots, family.truth(knots[:, None])[:, k]) for k in range(3)], axis=1
    )
    np.testing.assert_allclose(outputs, lines, atol=1e-12)


@pytest.mark.parametrize("depth", DEPTHS)
def test_circle_agrees_with_its_formula(depth: int) -> None:
    family = TARGETS["circle"]
    inputs = random_inputs("circle")
    squared = inputs[:, 0] ** 2 + inputs[:, 1] ** 2
    classes = (squared > 0.2).astype(int) + (squared > 0.5) + (squared > 0.7)
    np.testing.assert_array_equal(family.truth(inputs), classes)
    agreement = float((family.build(depth).forward(inputs).argmax(axis=1) == classes).mean())
    assert CIRCLE_AGREEMENT[depth] <= agreement < CIRCLE_AGREEMENT[depth] + 0.01


def test_circle_is_a_function_of_the_radius_up_to_the_interpolation() -> None:
    inputs = random_inputs("circle", 5000)
    squared = np.square(inputs).sum(axis=1)
    ideal = np.stack([5 * squared, 10 * squared - 1, 20 * squared - 6, 40 * squared - 20], axis=1)
    for depth in (4, 5):  # at knots 1/9 apart a square is off by at most (1/9)^2 / 4
        error = np.abs(TARGETS["circle"].build(depth).forward(inputs) - ideal).max(axis=0)
        assert (error <= 2 * np.array([5, 10, 20, 40]) / 9**2 / 4 + 1e-9).all()


@pytest.mark.parametrize("name", TARGETS)
def test_the_domain_is_a_fixed_dense_cover_with_its_ends(name: str) -> None:
    family = TARGETS[name]
    domain = family.domain()
    assert domain.ndim == 2
    assert domain.shape[1] == family.inputs
    assert (domain.min(axis=0) == -1).all()
    assert (domain.max(axis=0) == 1).all()
    np.testing.assert_array_equal(domain, family.domain())
    for point in random_inputs(name, 50):
        assert np.abs(domain - point).max(axis=1).min() < 0.02


@pytest.mark.parametrize("name", TARGETS)
def test_samples_have_the_contracts_types_and_follow_the_stream(name: str) -> None:
    family = TARGETS[name]
    inputs, targets = family.sample(np.random.default_rng(0), 300)
    assert inputs.shape == (300, family.inputs)
    assert inputs.dtype == np.float32
    assert np.abs(inputs).max() <= 1
    if family.kind is TaskKind.CLASSIFICATION:
        assert targets.shape == (300,)
        assert targets.dtype == np.int64
        assert set(np.unique(targets)) == set(range(family.outputs))
    else:
        assert targets.shape == (300, family.outputs)
        assert targets.dtype == np.float32
    again = family.sample(np.random.default_rng(0), 300)
    other = family.sample(np.random.default_rng(1), 300)
    assert (again[0].tobytes(), again[1].tobytes()) == (inputs.tobytes(), targets.tobytes())
    assert other[0].tobytes() != inputs.tobytes()


@pytest.mark.parametrize("name", TARGETS)
def test_samples_without_noise_are_the_truth(name: str) -> None:
    family = TARGETS[name]
    inputs, targets = family.sample(np.random.default_rng(0), 500, noise=0)
    truth = family.truth(inputs.astype(np.float64))
    np.testing.assert_array_equal(targets, truth.astype(targets.dtype))


@pytest.mark.parametrize("name", ["relu", "helix"])
@pytest.mark.parametrize("noise", [None, 0.3])
def test_regression_noise_is_gaussian_of_the_stated_deviation(
    name: str, noise: float | None
) -> None:
    family = TARGETS[name]
    inputs, targets = family.sample(np.random.default_rng(0), 20_000, noise)
    errors = (targets - family.truth(inputs.astype(np.float64))) / (noise or 0.01)
    assert abs(errors.mean()) < 0.04
    assert errors.std() == pytest.approx(1, abs=0.03)
    assert (np.abs(errors) > 2).mean() == pytest.approx(0.0455, abs=0.01)


@pytest.mark.parametrize("noise", [None, 0.2, 1.0])
def test_label_noise_moves_the_stated_share_to_the_next_closest_class(noise: float | None) -> None:
    family = TARGETS["circle"]
    inputs, classes = family.sample(np.random.default_rng(0), 40_000, noise)
    exact = inputs.astype(np.float64)
    truth = family.truth(exact)
    moved = classes != truth
    share = 0.01 if noise is None else noise
    assert moved.mean() == pytest.approx(share, abs=0.004)
    squared = np.square(exact).sum(axis=1)
    logits = np.stack([5 * squared, 10 * squared - 1, 20 * squared - 6, 40 * squared - 20], axis=1)
    logits[np.arange(len(truth)), truth] = -np.inf
    np.testing.assert_array_equal(classes[moved], logits.argmax(axis=1)[moved])
    assert (np.abs(classes - truth)[moved] == 1).all()


@pytest.mark.parametrize(("name", "noise"), [("relu", -0.1), ("circle", -0.1), ("circle", 1.5)])
def test_noise_out_of_range_is_a_usage_error(name: str, noise: float) -> None:
    with pytest.raises(UsageError, match=rf"noise of '{name}' is {noise}; expected 0 to"):
        TARGETS[name].sample(np.random.default_rng(0), 10, noise)


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.floats(-10, 10), min_size=3, max_size=12),
    start=st.floats(-3, 3),
    span=st.floats(0.1, 5),
    last=st.sampled_from([None, 1, -1]),
)
def test_interpolation_meets_the_function_at_the_knots(
    values: list[float], start: float, span: float, last: int | None
) -> None:
    heights = np.array(values)
    knots = np.linspace(start, start + span, heights.size)

    def function(x: Floats) -> Floats:
        return np.asarray(np.interp(x, knots, heights), dtype=np.float64)

    piece = interpolate(function, knots, last=last)
    points = np.linspace(start, start + span, 101)
    hidden = np.maximum(np.outer(points, piece.signs) + piece.biases, 0)
    np.testing.assert_allclose(
        hidden @ piece.coefficients + piece.offset, function(points), atol=1e-9
    )


def test_a_target_whose_shapes_do_not_chain_is_refused() -> None:
    with pytest.raises(ValueError, match=r"layer 1 has weights \(1, 2\).*expected \(out, 3\)"):
        Target(weights=(np.ones((3, 1)), np.ones((1, 2))), biases=(np.zeros(3), np.zeros(1)))
    with pytest.raises(ValueError, match="got 1 and 0"):
        Target(weights=(np.ones((3, 1)),), biases=())


def test_a_target_holds_read_only_copies() -> None:
    weight = np.ones((1, 1))
    target = Target(weights=(weight,), biases=(np.zeros(1),))
    weight[0, 0] = 5
    assert target.weights[0][0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        target.weights[0][0, 0] = 2
