"""Gates: every one of them can fail."""

from __future__ import annotations

import numpy as np
import pytest

from plantkit.errors import PlantingError
from plantkit.networks import PerceptronSpec
from plantkit.networks.tasks import TaskKind
from plantkit.planting.gates import (
    assess,
    check_entries,
    check_float32,
    check_function,
    check_ticket,
    check_units,
)
from plantkit.planting.targets import Floats, Target, subnetwork

LINE = np.linspace(-1, 1, 201)[:, None]
ONE = np.ones(1)


def absolute(slope: float = 1.0, extra: float = 0.0) -> Target:
    """|x| for slope 1, by two units; `extra` is the output's bias."""
    return Target(
        weights=(np.array([[1.0], [-1]]), np.array([[1.0, slope]])),
        biases=(np.zeros(2), np.array([extra])),
    )


def test_a_good_ticket_passes_and_checks_return_what_they_measured() -> None:
    doubled = Target(
        weights=(absolute().weights[0], 2 * absolute().weights[1]), biases=absolute().biases
    )
    check_ticket(doubled, 2 * ONE, absolute(), LINE)
    assert check_function(doubled, 2 * ONE, absolute(), LINE) == 0
    assert check_float32(doubled, 2 * ONE, absolute(), LINE) < 1e-6
    assert check_entries(doubled, LINE) == 1


def test_another_function_fails() -> None:
    with pytest.raises(PlantingError, match=r"differs from the target by .*at most 1e-09"):
        check_function(absolute(1 + 1e-8), ONE, absolute(), LINE)
    assert check_function(absolute(1 + 1e-10), ONE, absolute(), LINE) < 1e-9


def test_a_wrong_or_undefined_scale_fails() -> None:
    for scale in (2.0, np.nan):
        with pytest.raises(PlantingError, match="differs from the target"):
            check_function(absolute(), np.array([scale]), absolute(), LINE)


def test_a_function_that_float32_cannot_hold_fails() -> None:
    big = 1e6

    def fragile(offset: float) -> Target:  # (relu(x + 1 + big) - big) needs the lost digits
        return Target(
            weights=(np.ones((1, 1)), np.ones((1, 1))),
            biases=(np.array([1 + offset]), np.array([-offset])),
        )

    assert check_function(fragile(big), ONE, fragile(0), LINE) < 1e-9
    with pytest.raises(PlantingError, match="in float32 differs"):
        check_float32(fragile(big), ONE, fragile(0), LINE)


def test_a_dead_unit_fails() -> None:
    dead = Target(
        weights=(np.ones((2, 1)), np.ones((1, 2))), biases=(np.array([0.0, -1]), np.zeros(1))
    )
    with pytest.raises(PlantingError, match="hidden layer 1 of the ticket has 1 dead units"):
        check_units(dead, LINE)
    assert check_units(absolute(), LINE) == pytest.approx(0.5, abs=0.01)
    with pytest.raises(
        PlantingError, match=r"active on 49\.8% of the domain; expected at least 60"
    ):
        check_units(absolute(), LINE, least_activity=0.6)


@pytest.mark.parametrize(
    ("network", "options", "fault"),
    [
        (absolute(1 + 1e-8), {}, "the ticket's function differs"),
        (absolute(), {"least_activity": 0.6}, "active on 49"),
        (absolute(), {"least_effect": 2.0}, "every ticket entry must change them by at least 2"),
    ],
)
def test_a_ticket_must_pass_every_gate(
    network: Target, options: dict[str, float], fault: str
) -> None:
    with pytest.raises(PlantingError, match=fault):
        check_ticket(network, ONE, absolute(), LINE, **options)


def test_an_entry_without_effect_fails() -> None:
    with pytest.raises(PlantingError, match=r"entry of 'layers.1.bias' changes .* 1\.0e-07"):
        check_entries(absolute(extra=1e-7), LINE)
    assert check_entries(absolute(extra=1e-3), LINE) == pytest.approx(1e-3, rel=1e-2)


def test_the_subnetwork_is_the_masked_network_without_untouched_units() -> None:
    spec = PerceptronSpec(widths=(2, 6, 5, 3))
    rng = np.random.default_rng(0)
    parameters = {name: rng.standard_normal(shape) for name, shape in spec.shapes.items()}
    ticket = {name: rng.random(shape) < 0.2 for name, shape in spec.shapes.items()}
    ticket["layers.0.weight"][4] = ticket["layers.0.bias"][4] = False
    ticket["layers.1.weight"][:, 4] = False
    network = subnetwork(spec, parameters, ticket)
    assert network.widths[1] < 6
    assert network.count.total == sum(int(mask.sum()) for mask in ticket.values())
    inputs: Floats = rng.uniform(-1, 1, (30, 2))
    hidden = inputs
    for layer in range(3):
        hidden = np.maximum(hidden, 0) if layer else hidden
        weight, bias = f"layers.{layer}.weight", f"layers.{layer}.bias"
        hidden = hidden @ (parameters[weight] * ticket[weight]).T + parameters[bias] * ticket[bias]
    np.testing.assert_allclose(network.forward(inputs), hidden, atol=1e-12)


DENSE_LINE: Floats = np.linspace(-1, 1, 2001)[:, None]
PLANE: Floats = np.random.default_rng(0).uniform(-1, 1, (4000, 2))


def values(outputs: Floats) -> tuple[str, ...]:
    return assess(outputs, DENSE_LINE, TaskKind.REGRESSION).faults


def classes(outputs: Floats) -> tuple[str, ...]:
    return assess(outputs, PLANE, TaskKind.CLASSIFICATION).faults


def test_values() -> None:
    assert values(np.abs(DENSE_LINE)) == ()
    assert values(DENSE_LINE) == ("nonlinear",)
    assert values(np.column_stack([np.abs(DENSE_LINE), DENSE_LINE])) == ("nonlinear",)
    assert values(np.abs(DENSE_LINE) + 50) == ("spread",)
    assert values(np.zeros_like(DENSE_LINE)) == ("spread",)
    assert values(np.maximum(np.abs(DENSE_LINE) - 0.9, 0)) == ("kurtosis",)


def test_the_nonlinear_share_is_the_least_over_outputs() -> None:
    outputs = np.column_stack([np.abs(DENSE_LINE), np.abs(DENSE_LINE) + DENSE_LINE])
    share = assess(outputs, DENSE_LINE, TaskKind.REGRESSION).nonlinear
    assert share == pytest.approx((1 / 12) / (1 / 12 + 1 / 3), abs=0.01)


def test_classes() -> None:
    radius = np.square(PLANE).sum(axis=1)
    ring = np.column_stack([radius, 1.2 - radius])
    assert classes(ring) == ()
    assert classes(np.column_stack([PLANE[:, 0], -PLANE[:, 0]])) == ("nonlinear",)
    assert "class share" in classes(np.column_stack([radius, 0.05 - radius]))
    assert classes(np.sign(ring) * np.abs(ring) ** 6) == ("close calls",)
