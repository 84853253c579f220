"""Parts: against plain loops, finite differences, and a part worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plantkit.networks import PerceptronSpec
from plantkit.planting.initialization import draw_parameters, standard_deviations
from plantkit.planting.parts import Layer, PartPlan, Parts, draw_parts

SPEC = PerceptronSpec(widths=(3, 20, 20, 20, 2))
PLAN = PartPlan(units=5, in_degree=3, inputs=2)
UNITS = [np.random.default_rng(one).permutation(20).reshape(4, 5) for one in range(3)]


@pytest.fixture
def values() -> dict[str, np.ndarray]:
    return draw_parameters(SPEC, np.random.default_rng(1))


@pytest.fixture
def parts() -> Parts:
    return draw_parts(SPEC, PLAN, UNITS, [np.arange(3)] * 4, np.random.default_rng(2))


def masked_outputs(
    values: dict[str, np.ndarray], ticket: dict[str, np.ndarray], inputs: np.ndarray
) -> np.ndarray:
    hidden = inputs
    for layer in SPEC.layers:
        hidden = np.maximum(hidden, 0) if layer else hidden
        weight, bias = (
            values[f"layers.{layer}.{kind}"] * ticket[f"layers.{layer}.{kind}"]
            for kind in ("weight", "bias")
        )
        hidden = hidden @ weight.T + bias
    return hidden


def test_every_source_is_read_and_no_unit_is_shared(parts: Parts) -> None:
    everything = np.ones(parts.size, dtype=bool)
    tickets = [parts.ticket(place, everything) for place in range(4)]
    for layer in (1, 2):
        reads = [one[f"layers.{layer}.weight"] for one in tickets]
        assert [int(one.sum()) for one in reads] == [15] * 4
        assert {int(one.any(axis=0).sum()) for one in reads} == {5}
        assert np.sum([one.any(axis=1) for one in reads], axis=0).max() == 1
        for one, units in zip(reads, UNITS[layer], strict=True):
            assert (one.sum(axis=1)[units] == 3).all()
    assert [int(one["layers.0.weight"].sum()) for one in tickets] == [10] * 4
    assert [int(one["layers.3.weight"].sum()) for one in tickets] == [10] * 4


def test_a_part_is_the_network_without_all_else(parts: Parts, values) -> None:
    inputs = np.random.default_rng(3).uniform(-1, 1, (30, 3))
    found = parts.outputs(parts.read(values), torch.from_numpy(inputs).expand(4, 30, 3))
    everything = np.ones(parts.size, dtype=bool)
    for place in range(4):
        expected = masked_outputs(values, parts.ticket(place, everything), inputs)
        np.testing.assert_allclose(found[place], expected, atol=1e-12)


def test_coordinates_are_values_over_their_deviation(parts: Parts, values) -> None:
    vector = parts.read(values)
    deviations = standard_deviations(SPEC)
    ticket = parts.ticket(1, np.ones(parts.size, dtype=bool))
    expected = np.concatenate([values[n][ticket[n]] / deviations[n] for n in SPEC.shapes])
    np.testing.assert_allclose(np.sort(vector[1]), np.sort(expected))
    written = {name: value.copy() for name, value in values.items()}
    parts.take([1]).write(3 * vector[1:2], written)
    for name in SPEC.shapes:
        factor = 1 if name == "layers.3.bias" else np.where(ticket[name], 3, 1)
        np.testing.assert_allclose(written[name], factor * values[name])


def test_some_of_the_parts_are_as_they_were(parts: Parts, values) -> None:
    inputs = torch.from_numpy(np.random.default_rng(3).uniform(-1, 1, (4, 30, 3)))
    vector = parts.read(values)
    some = parts.take([3, 1])
    assert (len(some), some.size) == (2, parts.size)
    np.testing.assert_array_equal(
        some.outputs(vector[[3, 1]], inputs[[3, 1]]), parts.outputs(vector, inputs)[[3, 1]]
    )


def test_derivatives_are_what_finite_differences_say(parts: Parts, values) -> None:
    inputs = torch.from_numpy(np.random.default_rng(3).uniform(-1, 1, (4, 25, 3)))
    vector = parts.read(values)
    slopes = torch.from_numpy(np.random.default_rng(4).standard_normal((4, 25, 2)))
    found = parts.derivatives(vector, parts.activations(vector, inputs), slopes)
    for place in range(parts.size):
        step = torch.zeros(parts.size, dtype=torch.float64)
        step[place] = 1e-7
        change = parts.outputs(vector + step, inputs) - parts.outputs(vector - step, inputs)
        expected = (change * slopes).sum(dim=2) / 2e-7
        np.testing.assert_allclose(found[:, :, place], expected, atol=1e-5)


def test_a_part_worked_out_by_hand() -> None:
    # Unit 1 of two reads input 2 of three and is read by one output: 2 relu(3 x + 1) + 5.
    spec = PerceptronSpec(widths=(3, 2, 1))
    deviations = standard_deviations(spec)
    place = np.zeros((1, 1), dtype=np.intp)

    def layer(number: int, units: int, source: int) -> Layer:
        return Layer(
            shape=(1, 1),
            rows=place,
            columns=place,
            units=place + units,
            sources=place + source,
            weights=slice(2 * number, 2 * number + 1),
            biases=slice(2 * number + 1, 2 * number + 2),
            weight_unit=deviations[f"layers.{number}.weight"],
            bias_unit=deviations[f"layers.{number}.bias"],
        )

    parts = Parts(spec, [layer(0, 1, 2), layer(1, 0, 1)])
    values = {name: np.full(shape, 9.0) for name, shape in spec.shapes.items()}
    values["layers.0.weight"][1, 2], values["layers.0.bias"][1] = 3.0, 1.0
    values["layers.1.weight"][0, 1], values["layers.1.bias"][0] = 2.0, 5.0
    inputs = torch.tensor([[[7.0, 7.0, 1.0], [7.0, 7.0, -1.0]]], dtype=torch.float64)
    outputs = parts.outputs(parts.read(values), inputs)
    np.testing.assert_allclose(outputs[0, :, 0], [2 * 4 + 5, 5])
