"""The two streams of an anchored relu: sizes by hand, sides, and the counterweight."""

from __future__ import annotations

import numpy as np
import pytest

from plantkit.networks import NetworkSpec
from plantkit.planting import METHODS, find_family
from plantkit.planting.anchors.relu import (
    MOST_ENTRIES,
    ReluAnchor,
    count_entries,
    draw_streams,
    layer_sides,
)
from plantkit.planting.families.relu import ReluFamily
from plantkit.planting.initialization import draw_parameters, standard_deviations


def test_entries_are_counted_by_hand() -> None:
    # 3 + 3 inputs are read, 2 * 3 * 3 weights between, 1 * 3 + 3 * 3 after, 4 outputs.
    assert count_entries(((3, 3), (3, 3), (1, 3))) == 6 + 18 + 12 + 4
    assert count_entries(((1, 3),)) == 4 + 4


@pytest.mark.parametrize("hidden", range(1, 20))
def test_there_are_never_more_entries_than_allowed(hidden: int) -> None:
    sides = layer_sides(hidden)
    assert len(sides) == hidden
    assert count_entries(sides) <= MOST_ENTRIES * (hidden + 1)
    assert ReluAnchor().units(hidden) == tuple(positive + negative for positive, negative in sides)


@pytest.mark.parametrize("seed", range(5))
def test_units_are_active_on_one_side_and_read_their_own_stream(seed: int) -> None:
    spec = NetworkSpec(widths=(1, 30, 30, 30, 1))
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
    spec = NetworkSpec(widths=(1, 100, 100, 100, 1))
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
    spec = NetworkSpec(widths=(1, 6, 6, 6, 1))
    rng = np.random.default_rng(0)
    parameters = draw_parameters(spec, rng)
    parameters["layers.0.weight"][:] = 1.0  # nothing is active for x < 0
    assert draw_streams(spec, parameters, rng) is None


def test_ten_layers_can_be_planted() -> None:
    planted = METHODS["anchored"].plant(
        ReluFamily(), NetworkSpec.uniform(depth=10, width=100, inputs=1, outputs=1), seed=b"deep"
    )
    assert planted.count.total == 90


@pytest.mark.parametrize(("depth", "hidden"), [(4, True), (5, True), (8, False)])
def test_deep_networks_with_narrow_streams_are_not_called_hidden(depth: int, hidden: bool) -> None:
    family = find_family("relu")
    spec = NetworkSpec.uniform(depth=depth, width=60, inputs=1, outputs=1)
    assert METHODS["anchored"].plant(family, spec, seed=b"1").hidden is hidden
