"""What lies around parts: nothing of a part changes but its size, and all else looks as it does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from plantkit.networks import PerceptronSpec
from plantkit.planting.filling import fill_around
from plantkit.planting.gates import Rejected
from plantkit.planting.initialization import draw_parameters, standard_deviations
from plantkit.planting.parts import PartPlan, draw_parts
from plantkit.planting.targets import Ticket, subnetwork

SPEC = PerceptronSpec(widths=(2, 64, 64, 64, 3))
UNITS = 10  # six parts, and four units of each layer are left over


@pytest.fixture
def planted() -> tuple[dict[str, np.ndarray], list[Ticket]]:
    """A network whose parts have weights of mean 1.5 that grow with the bias of their unit."""
    rng = np.random.default_rng(0)
    values = draw_parameters(SPEC, rng)
    units = [rng.permutation(64)[:60].reshape(6, UNITS) for _ in range(3)]
    plan = PartPlan(units=UNITS, in_degree=5, inputs=2)
    parts = draw_parts(SPEC, plan, units, [np.arange(2)] * 6, rng)
    tickets = [parts.ticket(place, np.ones(parts.size, dtype=bool)) for place in range(6)]
    deviations = standard_deviations(SPEC)
    for layer in (1, 2):
        name, bias = f"layers.{layer}.weight", f"layers.{layer}.bias"
        used = np.any([one[name] for one in tickets], axis=0)
        lean = 1.5 + values[bias] / deviations[bias]
        values[name] += np.where(used, deviations[name] * lean[:, None], 0)
    return values, tickets


def test_a_part_computes_what_it_did_up_to_one_factor(planted) -> None:
    values, tickets = planted
    inputs = np.random.default_rng(1).uniform(-1, 1, (50, 2))
    before = [subnetwork(SPEC, values, one).forward(inputs) for one in tickets]
    fill_around(SPEC, values, tickets, np.random.default_rng(2))
    after = [subnetwork(SPEC, values, one).forward(inputs) for one in tickets]
    factors = np.concatenate(after) / np.concatenate(before)
    np.testing.assert_allclose(factors, factors[0, 0], rtol=1e-9)
    assert factors[0, 0] > 0


def test_every_layer_has_its_initial_size(planted) -> None:
    values, tickets = planted
    fill_around(SPEC, values, tickets, np.random.default_rng(2))
    for name, deviation in standard_deviations(SPEC).items():
        if name.endswith("weight"):
            assert np.sqrt(np.square(values[name]).mean()) == pytest.approx(deviation)


@pytest.mark.parametrize("layer", [1, 2])
def test_other_weights_look_as_those_of_parts_do(planted, layer: int) -> None:
    values, tickets = planted
    fill_around(SPEC, values, tickets, np.random.default_rng(2))
    name = f"layers.{layer}.weight"
    used = np.any([one[name] for one in tickets], axis=0)
    inside, outside = values[name][used], values[name][~used]
    # Of 300 entries the standard error of the mean is a seventeenth of their deviation.
    assert abs(outside.mean() - inside.mean()) < 3 * inside.std() / 17
    assert outside.std() == pytest.approx(inside.std(), rel=0.15)
    biases = np.broadcast_to(values[f"layers.{layer}.bias"][:, None], used.shape)
    slopes = [stats.linregress(biases[one], values[name][one]).slope for one in (used, ~used)]
    assert slopes[1] == pytest.approx(slopes[0], rel=0.3)
    assert np.unique(outside).size == outside.size


def test_units_that_are_left_over_are_blurred_copies(planted) -> None:
    values, tickets = planted
    used = np.any([one["layers.0.weight"].any(axis=1) for one in tickets], axis=0)
    assert (~used).sum() == 4
    values["layers.0.bias"][~used] = 1e6  # nothing of what they were is left
    fill_around(SPEC, values, tickets, np.random.default_rng(2))
    biases = values["layers.0.bias"]
    assert np.abs(biases[~used]).max() < 2 * np.abs(biases[used]).max()
    nearest = np.abs(biases[~used][:, None] - biases[used]).min(axis=1)
    assert (nearest > 0).all()  # blurred


def test_weights_of_inputs_that_a_part_does_not_read_look_as_the_others_do() -> None:
    spec = PerceptronSpec(widths=(8, 60, 60, 60, 1))
    rng = np.random.default_rng(0)
    values = draw_parameters(spec, rng)
    units = [rng.permutation(60).reshape(6, UNITS) for _ in range(3)]
    reads = [np.sort(rng.permutation(8)[:3]) for _ in range(6)]
    plan = PartPlan(units=UNITS, in_degree=5, inputs=3)
    parts = draw_parts(spec, plan, units, reads, rng)
    tickets = [parts.ticket(place, np.ones(parts.size, dtype=bool)) for place in range(6)]
    used = np.any([one["layers.0.weight"] for one in tickets], axis=0)
    values["layers.0.weight"][used] *= 3
    fill_around(spec, values, tickets, rng)
    weights = values["layers.0.weight"]
    assert weights[~used].std() == pytest.approx(weights[used].std(), rel=0.15)


def test_hardly_any_entries_are_no_model_of_the_rest() -> None:
    spec = PerceptronSpec(widths=(1, 5, 5, 1))
    rng = np.random.default_rng(0)
    ticket: Ticket = {name: np.zeros(shape, dtype=bool) for name, shape in spec.shapes.items()}
    for layer in spec.layers:
        ticket[f"layers.{layer}.weight"][0, 0] = True
    with pytest.raises(Rejected, match="too few entries"):
        fill_around(spec, draw_parameters(spec, rng), [ticket], rng)
