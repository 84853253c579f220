"""Anchored planting: against the formula, against the untouched draw, and by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from plantkit.errors import UsageError, WidthError
from plantkit.networks import PerceptronSpec
from plantkit.planting import (
    FAMILIES,
    METHODS,
    LabelSource,
    Planted,
    draw_samples,
    find_family,
    generator,
)
from plantkit.planting.coordinates import Coordinates, draw_scales
from plantkit.planting.effects import best_scaled_error
from plantkit.planting.families.circle import CircleFamily
from plantkit.planting.families.relu import count_entries, layer_sides
from plantkit.planting.family import AnchoredFamily
from plantkit.planting.gates import check_units
from plantkit.planting.initialization import draw_parameters, standard_deviations
from plantkit.planting.structures import TicketLayer, draw_structure
from plantkit.planting.targets import subnetwork

SEED = b"3"

PUBLISHED_WEIGHTS = 108
"""Of circle's ticket at 5x100, as the published implementation plants it."""


def plant(family: str, depth: int = 5, width: int = 100, seed: bytes = SEED) -> Planted:
    found = find_family(family)
    spec = PerceptronSpec.uniform(
        depth=depth, width=width, inputs=found.inputs, outputs=found.outputs
    )
    return METHODS["anchored"].plant(found, spec, seed=seed)


@pytest.fixture(scope="module")
def circle() -> Planted:
    return plant("circle")


def masked_outputs(planted: Planted, inputs: np.ndarray) -> np.ndarray:
    """Returns the masked network's outputs, by a plain loop."""
    hidden = inputs
    for layer in planted.spec.layers:
        hidden = np.maximum(hidden, 0) if layer else hidden
        weight, bias = (
            planted.parameters[f"layers.{layer}.{kind}"] * planted.ticket[f"layers.{layer}.{kind}"]
            for kind in ("weight", "bias")
        )
        hidden = hidden @ weight.T + bias
    return hidden


def check_untouched_but_for_the_ticket(planted: Planted, seed: bytes = SEED) -> None:
    draw = draw_parameters(planted.spec, generator(seed, "initialization"))
    for name, value in planted.parameters.items():
        outside = ~planted.ticket[name]
        np.testing.assert_array_equal(value[outside], draw[name].astype(np.float32)[outside])


def test_nothing_but_the_ticket_is_touched(circle: Planted) -> None:
    assert (circle.method, circle.labels) == ("anchored", LabelSource.TICKET)
    check_untouched_but_for_the_ticket(circle)


def test_the_first_biases_of_circle_are_no_part_of_the_ticket(circle: Planted) -> None:
    assert not circle.ticket["layers.0.bias"].any()
    assert circle.ticket["layers.3.bias"].all()


def test_circle_is_at_most_twice_as_dense_as_the_papers(circle: Planted) -> None:
    assert circle.count.weights <= 2 * PUBLISHED_WEIGHTS


def test_circle_agrees_with_its_formula_and_says_by_how_much(circle: Planted) -> None:
    inputs = np.random.default_rng(5).uniform(-1, 1, (20_000, 2))
    radius = (inputs**2).sum(axis=1)
    classes = (radius > 0.2).astype(int) + (radius > 0.5) + (radius > 0.7)
    agreement = (masked_outputs(circle, inputs).argmax(axis=1) == classes).mean()
    assert agreement > 0.982  # the bound is 0.985 on the domain's points
    facts: Mapping[str, Any] = circle.facts
    stated = facts["distance"]
    assert stated["measure"] == "agreement"
    assert stated["value"] == pytest.approx(agreement, abs=0.004)
    assert stated["value"] >= stated["bound"] == 0.985


def test_the_ticket_defines_the_labels(circle: Planted) -> None:
    family = find_family("circle")
    inputs, labels = draw_samples(circle, family, np.random.default_rng(0), 3000, noise=0)
    outputs = masked_outputs(circle, inputs.astype(np.float64))
    np.testing.assert_array_equal(labels, outputs.argmax(axis=1))


@pytest.mark.no_cover
def test_every_entry_of_circle_matters_and_no_unit_is_dead(circle: Planted) -> None:
    inputs = np.random.default_rng(3).uniform(-1, 1, (2500, 2))
    reference = masked_outputs(circle, inputs)
    for name, mask in circle.ticket.items():
        for index in map(tuple, np.argwhere(mask)):
            mask[index] = False
            change = np.sqrt(np.square(masked_outputs(circle, inputs) - reference).mean(axis=0))
            mask[index] = True
            assert (change / reference.std(axis=0)).max() > 2e-4, name
    network = subnetwork(circle.spec, circle.parameters, circle.ticket)
    assert check_units(network, FAMILIES["circle"].domain()) >= 0.01


@pytest.mark.no_cover
def test_planting_is_deterministic(circle: Planted) -> None:
    again = plant("circle")
    for name, value in circle.parameters.items():
        np.testing.assert_array_equal(value, again.parameters[name])
        np.testing.assert_array_equal(circle.ticket[name], again.ticket[name])


@pytest.mark.parametrize(
    ("depth", "number"), [*((depth, number) for depth in (3, 5) for number in range(4)), (8, 0)]
)
def test_relu_is_exact_and_moves_output_weights_alone(depth: int, number: int) -> None:
    seed = bytes([number])
    planted = plant("relu", depth=depth, width=40, seed=seed)
    check_untouched_but_for_the_ticket(planted, seed)
    line = np.linspace(-1, 1, 101)[:, None]
    outputs = masked_outputs(planted, line) / planted.output_scales
    np.testing.assert_allclose(outputs, np.maximum(line, 0), atol=1e-5)
    draw = draw_parameters(planted.spec, generator(seed, "initialization"))
    last = f"layers.{depth - 2}.weight"
    for name, value in draw.items():
        assert name == last or (planted.parameters[name] == value.astype(np.float32)).all()
        assert name.endswith("weight") or not planted.ticket[name].any()
    assert planted.count.total == count_entries(layer_sides(depth - 2)) <= 10 * (depth - 1)
    assert planted.alternatives.count is not None


@pytest.mark.slow
def test_helix_is_within_its_bound() -> None:
    planted = plant("helix")
    check_untouched_but_for_the_ticket(planted)
    line = np.linspace(-1, 1, 3001)[:, None]
    truth = find_family("helix").truth(line)  # type: ignore[attr-defined]
    error, factors = best_scaled_error(masked_outputs(planted, line), truth)
    assert error < 1.2e-4  # the bound is 1e-4 on the domain's points
    np.testing.assert_allclose(1 / factors, planted.output_scales, rtol=0.01)
    assert planted.hidden


@pytest.mark.parametrize(
    ("family", "widths", "hides"),
    [
        ("circle", (100, 100, 100), True),
        ("circle", (50,) * 6, True),
        ("circle", (100, 49, 100), False),
        ("circle", (100, 100), False),
        ("helix", (100, 100, 100), True),
        ("helix", (100,) * 4, False),
        ("relu", (50,) * 6, True),
        ("relu", (100,) * 7, False),
    ],
)
def test_hidden_is_what_lies_within_the_audited_shapes(family, widths, hides) -> None:
    found = find_family(family)
    spec = PerceptronSpec(widths=(found.inputs, *widths, found.outputs))
    assert isinstance(found, AnchoredFamily)
    assert found.hides(spec) == hides


def test_what_cannot_be_anchored() -> None:
    with pytest.raises(UsageError, match="cannot plant family 'teacher'"):
        METHODS["anchored"].plant(
            find_family("teacher"), PerceptronSpec(widths=(4, 30, 1)), seed=SEED
        )
    with pytest.raises(UsageError, match="depth of at least 4"):
        plant("circle", depth=3)
    with pytest.raises(WidthError):
        plant("circle", width=13)


@pytest.fixture
def small() -> tuple[Coordinates, dict[str, np.ndarray], PerceptronSpec, dict[str, np.ndarray]]:
    spec = PerceptronSpec(widths=(2, 12, 12, 3))
    rng = np.random.default_rng(1)
    values = draw_parameters(spec, rng)
    inputs = rng.uniform(-1, 1, (300, 2))
    layers = (
        TicketLayer(units=5, in_degree=3, bias_share=0.5, active_share=0, inactive_share=0),
    ) * 2
    tickets = (draw_structure(spec, values, layers, inputs, rng) for _ in range(100))
    ticket = next(one for one in tickets if one is not None)
    return Coordinates(spec, ticket, values, inputs), values, spec, ticket


def test_coordinates_are_parameters_over_their_deviation(small) -> None:
    coordinates, values, spec, ticket = small
    vector = coordinates.read(values)
    deviations = standard_deviations(spec)
    expected = np.concatenate(
        [values[name][ticket[name]] / deviations[name] for name in spec.shapes]
    )
    np.testing.assert_allclose(np.sort(vector), np.sort(expected))
    written = coordinates.write(2 * vector, values)
    for name in spec.shapes:
        factor = np.where(ticket[name], 2, 1)
        np.testing.assert_allclose(written[name], factor * values[name])


def test_the_jacobian_is_what_finite_differences_say(small) -> None:
    coordinates, values, _, _ = small
    inputs = np.random.default_rng(2).uniform(-1, 1, (40, 2))
    vector = coordinates.read(values)
    outputs, derivatives = coordinates.jacobian(vector, inputs)
    np.testing.assert_allclose(outputs, coordinates.outputs(vector, inputs))
    for place in range(coordinates.size):
        step = np.zeros(coordinates.size)
        step[place] = 1e-7
        slope = coordinates.outputs(vector + step, inputs) - coordinates.outputs(
            vector - step, inputs
        )
        np.testing.assert_allclose(slope / 2e-7, derivatives[:, :, place], atol=1e-5)


@pytest.mark.parametrize("common", [True, False])
def test_drawn_scales_leave_the_function_but_for_the_outputs_factors(small, common: bool) -> None:
    coordinates, values, _, _ = small
    inputs = np.random.default_rng(2).uniform(-1, 1, (50, 2))
    vector = coordinates.read(values)
    scaled = draw_scales(coordinates, vector, np.random.default_rng(0), common=common)
    assert np.abs(scaled - vector).max() > 0.05
    before, after = (coordinates.outputs(one, inputs) for one in (vector, scaled))
    factors = (before * after).sum(axis=0) / np.square(before).sum(axis=0)
    assert (factors > 0).all()
    np.testing.assert_allclose(after, before * factors, rtol=1e-9, atol=1e-12)
    assert (np.ptp(factors) < 1e-9) == common


def test_distances_to_classes_of_a_point_worked_out_by_hand() -> None:
    # Radius 0.5 lies in class 1, between 0.4472 and 0.7071.
    distances = CircleFamily().class_distances(np.array([[0.3, 0.4]]))[0]
    expected = [0.5 - 0.2**0.5, 0, 0.5**0.5 - 0.5, 0.5**0.5 - 0.5]
    np.testing.assert_allclose(distances, expected)


def test_the_best_factor_of_a_line_worked_out_by_hand() -> None:
    outputs, truth = np.array([[1.0], [2.0]]), np.array([[2.0], [5.0]])
    error, factors = best_scaled_error(outputs, truth)
    assert factors.tolist() == [2.4]
    assert error == pytest.approx((0.4**2 + 0.2**2) / 2)
