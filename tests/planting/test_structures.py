"""Structures of an untouched network: what must hold of every draw."""

from __future__ import annotations

import numpy as np
import pytest

from plantkit.networks import PerceptronSpec
from plantkit.planting.initialization import draw_parameters
from plantkit.planting.structures import TicketLayer, draw_structure

SPEC = PerceptronSpec(widths=(2, 40, 40, 2))
INPUTS = np.random.default_rng(0).uniform(-1, 1, (300, 2))
LAYERS = (
    TicketLayer(units=8, in_degree=2, bias_share=0.0),
    TicketLayer(units=6, in_degree=4, bias_share=1.0),
)


@pytest.mark.parametrize("seed", range(5))
def test_sizes_are_kept_and_every_unit_switches(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parameters = draw_parameters(SPEC, rng)
    drawn = (draw_structure(SPEC, parameters, LAYERS, INPUTS, rng) for _ in range(50))
    ticket = next(one for one in drawn if one is not None)
    assert ticket["layers.0.weight"].sum() == 16
    assert not ticket["layers.0.bias"].any()
    read = ticket["layers.1.weight"]
    units, sources = np.flatnonzero(read.any(axis=1)), np.flatnonzero(read.any(axis=0))
    assert units.size == 6
    np.testing.assert_array_equal(sources, np.flatnonzero(ticket["layers.0.weight"].any(axis=1)))
    assert (read[units].sum(axis=1) == 4).all()
    np.testing.assert_array_equal(np.flatnonzero(ticket["layers.1.bias"]), units)
    np.testing.assert_array_equal(np.flatnonzero(ticket["layers.2.weight"].any(axis=0)), units)
    first = INPUTS @ np.where(ticket["layers.0.weight"], parameters["layers.0.weight"], 0).T
    second = np.maximum(first, 0) @ np.where(read, parameters["layers.1.weight"], 0).T
    shares = ((second + parameters["layers.1.bias"])[:, units] > 0).mean(axis=0)
    assert ((shares >= 0.08) & (shares <= 0.92)).all()


def test_no_structure_where_no_unit_switches() -> None:
    rng = np.random.default_rng(0)
    parameters = draw_parameters(SPEC, rng)
    parameters["layers.1.weight"][:] = -1.0
    parameters["layers.1.bias"][:] = -1.0
    assert draw_structure(SPEC, parameters, LAYERS, INPUTS, rng) is None
