"""Faithful planting: the masked network computes the target, and nothing else was touched."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from plantkit.errors import UsageError, WidthError
from plantkit.networks import PerceptronSpec
from plantkit.planting import METHODS, Planted
from plantkit.planting.families import TARGETS
from plantkit.planting.family import Family
from plantkit.planting.gates import check_entries
from plantkit.planting.initialization import draw_parameters, generator
from plantkit.planting.methods.faithful import Placement, place
from plantkit.planting.simplify import simplify
from plantkit.planting.targets import Floats, Target, subnetwork

DEPTHS = range(3, 11)
SEED = b"\x07" * 32


@functools.cache
def simplified(name: str, depth: int) -> Target:
    family = TARGETS[name]
    return simplify(family.build(depth), family.domain())


def uniform(name: str, depth: int, width: int) -> PerceptronSpec:
    family = TARGETS[name]
    return PerceptronSpec.uniform(
        depth=depth, width=width, inputs=family.inputs, outputs=family.outputs
    )


def placed(name: str, spec: PerceptronSpec, seed: int) -> Placement:
    rng = np.random.default_rng(seed)
    return place(
        simplified(name, spec.depth),
        spec,
        draw_parameters(spec, rng),
        rng,
        common_scale=name == "circle",
    )


def plant(family: Family, spec: PerceptronSpec, *, seed: bytes) -> Planted:
    return METHODS["faithful"].plant(family, spec, seed=seed)


@functools.cache
def planted_network(name: str, depth: int, width: int) -> Planted:
    return plant(TARGETS[name], uniform(name, depth, width), seed=SEED)


def dense_forward(
    parameters: Mapping[str, Floats],
    ticket: Mapping[str, NDArray[np.bool_]],
    inputs: Floats,
    dtype: type[np.floating] = np.float64,
) -> Floats:
    """The masked network with all its units, in the stated precision."""
    layers = len(parameters) // 2
    hidden = inputs.astype(dtype)
    for layer in range(layers):
        if layer:
            hidden = np.maximum(hidden, 0)
        weight = (parameters[f"layers.{layer}.weight"] * ticket[f"layers.{layer}.weight"]).T
        bias = parameters[f"layers.{layer}.bias"] * ticket[f"layers.{layer}.bias"]
        hidden = hidden @ weight.astype(dtype) + bias.astype(dtype)
    return hidden.astype(np.float64)


def target_forward(target: Target, inputs: Floats) -> Floats:
    hidden = inputs
    for layer, (weight, bias) in enumerate(zip(target.weights, target.biases, strict=True)):
        hidden = (np.maximum(hidden, 0) if layer else hidden) @ weight.T + bias
    return hidden


def relative_error(outputs: Floats, expected: Floats) -> float:
    return float((np.abs(outputs - expected).max(axis=0) / np.abs(expected).max(axis=0)).max())


@pytest.mark.no_cover
@settings(max_examples=80, deadline=None)
@given(
    name=st.sampled_from(sorted(TARGETS)),
    depth=st.integers(3, 10),
    spare=st.lists(st.integers(0, 40), min_size=8, max_size=8),
    seed=st.integers(0, 2**32),
)
def test_masked_networks_compute_the_target_up_to_a_positive_scale(
    name: str, depth: int, spare: list[int], seed: int
) -> None:
    nominal = TARGETS[name].build(depth)
    least = simplified(name, depth).widths
    spec = PerceptronSpec(
        widths=(
            least[0],
            *(width + more for width, more in zip(least[1:-1], spare, strict=False)),
            least[-1],
        )
    )
    placement = placed(name, spec, seed)
    inputs = np.random.default_rng(seed).uniform(-1, 1, (300, spec.inputs))
    outputs = dense_forward(placement.parameters, placement.ticket, inputs)
    assert (placement.output_scales > 0).all()
    if name == "circle":
        assert np.unique(placement.output_scales).size == 1
    expected = target_forward(nominal, inputs)
    assert relative_error(outputs / placement.output_scales, expected) < 1e-12


@pytest.mark.no_cover
@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_planted_networks_hold_in_float64_and_float32(name: str, depth: int) -> None:
    planted = planted_network(name, depth, 40)
    inputs = np.random.default_rng(5).uniform(-1, 1, (4000, TARGETS[name].inputs))
    expected = target_forward(TARGETS[name].build(depth), inputs)
    outputs = dense_forward(planted.parameters, planted.ticket, inputs)
    np.testing.assert_allclose(planted.masked_forward(inputs), outputs, rtol=1e-9, atol=1e-300)
    assert relative_error(outputs / planted.output_scales, expected) < 1e-12
    single = dense_forward(planted.parameters, planted.ticket, inputs, np.float32)
    assert relative_error(single / planted.output_scales, expected) < 1e-5
    network = subnetwork(planted.spec, planted.parameters, planted.ticket)
    assert check_entries(network, TARGETS[name].domain()) > 1e-5


@pytest.mark.no_cover
@pytest.mark.parametrize("depth", DEPTHS)
def test_the_circle_tickets_raw_argmax_classifies(depth: int) -> None:
    planted = planted_network("circle", depth, 40)
    inputs = np.random.default_rng(6).uniform(-1, 1, (20_000, 2))
    outputs = dense_forward(planted.parameters, planted.ticket, inputs, np.float32)
    agreement = (outputs.argmax(axis=1) == TARGETS["circle"].truth(inputs)).mean()
    assert agreement >= (0.955 if depth == 3 else 0.98)


@pytest.mark.no_cover
def test_a_circle_of_depth_10_and_width_100_is_planted() -> None:
    planted = planted_network("circle", 10, 100)
    inputs = np.random.default_rng(6).uniform(-1, 1, (10_000, 2))
    classes = planted.masked_forward(inputs).argmax(axis=1)
    assert (classes == TARGETS["circle"].truth(inputs)).mean() > 0.995
    assert planted.count.total == 169


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("depth", [3, 5, 8])
def test_the_minimal_network_is_planted_and_one_unit_less_is_an_error(
    name: str, depth: int
) -> None:
    family = TARGETS[name]
    widths = simplified(name, depth).widths
    planted = plant(family, PerceptronSpec(widths=widths), seed=SEED)
    assert planted.count == simplified(name, depth).count
    for layer in range(1, depth - 1):
        if widths[layer] == 1:
            continue
        narrow = (*widths[:layer], widths[layer] - 1, *widths[layer + 1 :])
        with pytest.raises(WidthError) as caught:
            plant(family, PerceptronSpec(widths=narrow), seed=SEED)
        assert caught.value.layer == layer
        assert str(caught.value) == (
            f"hidden layer {layer} has {widths[layer] - 1} units; target {name!r} needs "
            f"{widths[layer]} there: use a width of at least {widths[layer]}"
        )


def test_minimal_widths() -> None:
    assert simplified("circle", 5).widths == (2, 4, 2, 18, 4)
    assert simplified("circle", 7).widths == (2, 4, 2, 3, 3, 19, 4)
    assert simplified("helix", 6).widths == (1, 1, 30, 3, 3, 3)
    assert simplified("relu", 4).widths == (1, 1, 1, 1)


@pytest.mark.parametrize("widths", [(2, 20, 20, 3), (1, 20, 20, 4)])
def test_a_network_with_other_ends_is_a_usage_error(widths: tuple[int, ...]) -> None:
    message = f"has {widths[0]} inputs and {widths[-1]} outputs; target 'circle' needs 2 and 4"
    with pytest.raises(UsageError, match=message):
        plant(TARGETS["circle"], PerceptronSpec(widths=widths), seed=SEED)


def test_too_shallow_a_network_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="at least 3 layers"):
        plant(TARGETS["relu"], PerceptronSpec(widths=(1, 1)), seed=SEED)


@pytest.mark.parametrize("name", TARGETS)
def test_the_ticket_has_the_targets_entries_and_the_rest_is_the_pure_draw(name: str) -> None:
    spec = uniform(name, 5, 40)
    planted = planted_network(name, 5, 40)
    draw = draw_parameters(spec, generator(SEED, "initialization"))
    assert {key: value.shape for key, value in planted.parameters.items()} == spec.shapes
    assert {key: value.shape for key, value in planted.ticket.items()} == spec.shapes
    for key, entries in simplified(name, 5).entries.items():
        inside = planted.ticket[key]
        assert inside.dtype == np.bool_
        assert inside.sum() == entries.sum()
        np.testing.assert_array_equal(planted.parameters[key][~inside], draw[key][~inside])
    # Planted units without a target bias keep their random one, outside of the ticket.
    assert all((value != 0).all() for value in planted.parameters.values())
    assert sum(int(mask.sum()) for mask in planted.ticket.values()) == planted.count.total


def as_bytes(planted: Planted) -> bytes:
    return b"".join(
        mapping[name].tobytes()
        for mapping in (planted.parameters, planted.ticket)
        for name in mapping
    )


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    spec = uniform("helix", 5, 40)
    first, again, other = (
        as_bytes(plant(TARGETS["helix"], spec, seed=seed)) for seed in (SEED, SEED, b"other")
    )
    assert first == again
    assert first != other


@pytest.mark.no_cover
@pytest.mark.parametrize("name", TARGETS)
def test_every_entry_is_functional_by_brute_force(name: str) -> None:
    planted = planted_network(name, 4, 40)
    inputs = np.random.default_rng(8).uniform(-1, 1, (2000, TARGETS[name].inputs))
    expected = planted.masked_forward(inputs)
    for key, mask in planted.ticket.items():
        for index in np.argwhere(mask):
            ticket = {other: value.copy() for other, value in planted.ticket.items()}
            ticket[key][tuple(index)] = False
            changed = dense_forward(planted.parameters, ticket, inputs)
            assert relative_error(changed, expected) > 1e-3


def planted_units(name: str, depth: int, width: int, count: int) -> Floats:
    """Whether each hidden unit has ticket weights (networks, hidden layers, width)."""
    spec = uniform(name, depth, width)
    rows = []
    for seed in range(count):
        ticket = placed(name, spec, seed).ticket
        rows.append([ticket[f"layers.{layer}.weight"].any(axis=1) for layer in spec.layers[:-1]])
    return np.array(rows, dtype=float)


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("name", "depth", "width"), [("relu", 4, 8), ("circle", 5, 40), ("helix", 5, 40)]
)
def test_the_position_of_a_unit_says_nothing(name: str, depth: int, width: int) -> None:
    units = planted_units(name, depth, width, 200)
    share = units.mean(axis=(0, 2))  # planted share of each hidden layer
    deviation = np.sqrt(share * (1 - share) / len(units))
    frequencies = units.mean(axis=0)  # (hidden layers, width)
    assert (frequencies[:, 0] > 0).all()
    assert (np.abs(frequencies[:, 0] - share) < 4 * deviation).all()
    # Frequencies spread as chance has it: for independent draws the sum is a chi-square.
    spread = (((frequencies - share[:, None]) / deviation[:, None]) ** 2).sum(axis=1)
    assert (spread < width + 4 * np.sqrt(2 * width)).all()
    # Learned on one half, position ranks the units of the other half no better than chance.
    prior = units[:100].mean(axis=0)
    for layer in range(units.shape[1]):
        scores = np.broadcast_to(prior[layer], (100, width)).ravel()
        labels = units[100:, layer].ravel().astype(bool)
        wins = scores[labels][:, None] - scores[~labels][None, :]
        area = (wins > 0).mean() + (wins == 0).mean() / 2
        assert abs(area - 0.5) < 0.06
