"""The protocol: what a suite states, and densities of a challenge."""

from __future__ import annotations

import pytest

from plantkit.challenges.catalog import Suite
from plantkit.errors import UsageError
from plantkit.scoring.protocol import Protocol, resolve_densities


def test_a_suite_states_its_protocol():
    suite = Suite(
        name="s",
        title="S",
        challenges=("a",),
        densities=("planted", 0.3),
        seeds=7,
        weights={"strong": 2.0, "f1": 0.5},
    )
    assert Protocol.of(suite) == Protocol(
        densities=("planted", 0.3), seeds=7, strong_weight=2.0, weak_weight=1.0, f1_weight=0.5
    )


def test_densities_ascend_and_the_planted_one_is_known(circle):
    planted = circle.planted_density
    assert planted > 0.001
    found = resolve_densities(circle, Protocol(densities=(1.0, "planted", 0.001 * 5, planted)))
    expected = {1.0: False, 0.005: False, planted: True}
    assert found == sorted(expected.items())


def test_a_density_that_keeps_nothing_is_refused(circle):
    total = circle.network.total
    assert resolve_densities(circle, Protocol(densities=(1 / total,)))
    with pytest.raises(UsageError) as caught:
        resolve_densities(circle, Protocol(densities=(0.99 / total,)))
    assert str(caught.value) == (
        f"density {0.99 / total:g} keeps none of the {total} parameters of circle-3x60; "
        f"expected at least {1 / total:.2g}"
    )
