"""The joint attacker's parts: neighbours, beliefs about units, degrees."""

from __future__ import annotations

import numpy as np
import pytest

from plantkit.networks import PerceptronSpec
from plantkit.planting.lines import Lines
from plantkit.research.audit.joint import (
    Degrees,
    _others,
    joint_tables,
    ticket_degrees,
    unit_beliefs,
)

SPEC = PerceptronSpec(widths=(2, 20, 20, 2))


@pytest.mark.parametrize("width", [2, 3, 4, 9])
def test_others_leave_the_entry_itself_out(width):
    grid = np.random.default_rng(width).standard_normal((5, width))
    largest, few = _others(grid)
    for row, column in np.ndindex(grid.shape):
        rest = np.sort(np.delete(grid[row], column))[::-1]
        assert largest[row, column] == pytest.approx(rest[0])
        assert few[row, column] == pytest.approx(rest[:3].mean())


def test_others_of_a_single_column_are_zero():
    assert not np.any(_others(np.ones((3, 1))))


def planted_log_odds(strength):
    """Noise, raised by `strength` at a subnetwork of units 0 to 3 in both hidden layers."""
    rng = np.random.default_rng(0)
    ticket = {name: np.zeros(shape, dtype=bool) for name, shape in SPEC.shapes.items()}
    ticket["layers.0.weight"][:4] = True
    ticket["layers.1.weight"][:4, :4] = True
    ticket["layers.2.weight"][:, :4] = True
    odds = {
        name: (rng.standard_normal(mask.shape) + strength * mask).ravel()
        for name, mask in ticket.items()
    }
    return {name: mask.ravel() for name, mask in ticket.items()}, odds


def test_degrees_are_means_over_units_in_the_ticket():
    ticket, _ = planted_log_odds(0)
    found = ticket_degrees(SPEC, [ticket])
    assert found == Degrees(incoming=(2, 4, 4), outgoing=(4, 4, 2))
    empty = {name: np.zeros_like(mask) for name, mask in ticket.items()}
    assert ticket_degrees(SPEC, [empty]) == Degrees(incoming=(1, 1, 1), outgoing=(1, 1, 1))


def test_weak_evidence_on_entries_adds_up_to_beliefs_about_units():
    ticket, odds = planted_log_odds(2.5)
    degrees = ticket_degrees(SPEC, [ticket])
    shaped = {name: odds[name].reshape(shape) for name, shape in SPEC.shapes.items()}
    beliefs = unit_beliefs(Lines.of(SPEC, shaped), degrees)
    assert set(np.argsort(beliefs[1])[-4:]) == set(np.argsort(beliefs[2])[-4:]) == {0, 1, 2, 3}
    assert not beliefs[0].any()
    assert not beliefs[3].any()


def test_the_sum_of_evidence_beats_the_entry_alone():
    ticket, odds = planted_log_odds(1.5)
    codes = {name: np.zeros((size, 1), dtype=np.uint8) for name, size in SPEC.sizes.items()}
    tables = joint_tables(SPEC, odds, codes, ticket_degrees(SPEC, [ticket]))
    for name, size in SPEC.sizes.items():
        assert len(tables[name]) == size
    name = "layers.1.weight"
    labels = ticket[name]
    alone, together = tables[name][:, 0], tables[name][:, -2]
    misses = [np.sum(score[~labels] > score[labels].min()) for score in (alone, together)]
    assert misses[1] < misses[0] / 4
