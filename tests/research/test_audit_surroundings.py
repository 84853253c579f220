"""Surroundings: values that a person can compute, and the law that they are scaled by."""

from __future__ import annotations

import numpy as np
import pytest

from plantkit.networks import PerceptronSpec
from plantkit.planting.exposed.surroundings import (
    LARGEST,
    look_around,
    second_order,
)
from plantkit.planting.initialization import draw_parameters, standard_deviations

SPEC = PerceptronSpec(widths=(2, 4, 6, 3))


def column(found, name):
    return found.values[:, found.names.index(name)]


@pytest.fixture
def scaled() -> dict[str, np.ndarray]:
    """Parameters in initial deviations: small whole numbers."""
    rng = np.random.default_rng(0)
    return {
        name: rng.integers(-1, 2, shape).astype(np.float64) for name, shape in SPEC.shapes.items()
    }


@pytest.fixture
def around(scaled):
    deviations = standard_deviations(SPEC)
    return look_around(SPEC, {name: value * deviations[name] for name, value in scaled.items()})


def test_an_entry_in_the_middle(scaled, around) -> None:
    weight, before, after = (scaled[f"layers.{layer}.weight"] for layer in (1, 0, 2))
    found = around["layers.1.weight"]
    row, source = 4, 2
    entry = row * 4 + source  # row-major: 4 sources a unit
    others = [weight[row, other] for other in range(4) if other != source]
    expected = {
        "value": weight[row, source],
        "row_sum": sum(others) / 2,
        "row_power": ((weight[row] ** 2).sum() - 4) / 8**0.5,
        "bias": scaled["layers.1.bias"][row],
        "out_0": after[0, row],
        "out_2": after[2, row],
        "source_bias": scaled["layers.0.bias"][source],
        "source_sum": before[source].sum() / 2**0.5,
        "column_sum": (weight[:, source].sum() - weight[row, source]) / 6**0.5,
        "column_power": ((weight[:, source] ** 2).sum() - 6) / 12**0.5,
    }
    for name, value in expected.items():
        assert column(found, name)[entry] == pytest.approx(value), name


def test_ends_of_the_network_have_no_further_ends(around) -> None:
    assert "source_bias" not in around["layers.0.weight"].names
    assert {"out_sum", "out_power"} <= set(around["layers.0.weight"].names)  # six readers
    last = around["layers.2.weight"].names
    assert "bias" not in last  # the outputs' biases belong to no hidden unit
    assert {"column_0", "column_1", "column_2"} <= set(last)


def test_every_value_has_mean_0_and_variance_1_in_an_untouched_network() -> None:
    spec = PerceptronSpec(widths=(40, 60, 60, 60, 3))
    rng = np.random.default_rng(3)
    tables = [look_around(spec, draw_parameters(spec, rng)) for _ in range(40)]
    for stratum in ("layers.1.weight", "layers.2.bias", "layers.3.weight"):
        names = tables[0][stratum].names
        values = np.concatenate([table[stratum].values for table in tables])
        np.testing.assert_allclose(values.mean(axis=0), 0, atol=0.1, err_msg=str(names))
        np.testing.assert_allclose(values.var(axis=0), 1, atol=0.15, err_msg=str(names))


def test_a_huge_value_counts_as_the_largest(scaled) -> None:
    huge = {name: np.full(shape, 1e6) for name, shape in SPEC.shapes.items()}
    for found in look_around(SPEC, huge).values():
        assert np.abs(found.values).max() <= LARGEST


def test_second_order_is_values_magnitudes_and_products() -> None:
    values = np.array([[2.0, -3.0]])
    np.testing.assert_array_equal(second_order(values), [[2, -3, 2, 3, 4, -6, 9]])
    assert second_order(values.astype(np.float32)).dtype == np.float32
