"""The protocol: what a suite states, and densities of a challenge."""

from __future__ import annotations

import pytest

from plantkit.challenges.suites import Suite
from plantkit.errors import UsageError
from plantkit.scoring.protocol import Protocol, resolve_densities


def test_a_suite_states_its_protocol():
    suite = Suite(
        name="s",
        title="S",
        challenges=("a",),
        densities=("planted", 0.3),
        seeds=7,
        weights={"strong": 2.0, "overlap": 0.5},
        family_weights={"relu": 0.5},
    )
    assert Protocol.of(suite) == Protocol(
        densities=("planted", 0.3),
        seeds=7,
        strong_weight=2.0,
        weak_weight=1.0,
        overlap_weight=0.5,
        family_weights={"relu": 0.5},
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


def test_multiples_are_of_the_planted_density_and_end_at_one(circle):
    kept, total = circle.ticket_kept, circle.network.total
    most = total // kept
    asked = ("1x", f"{most}x", f"{most + 1}x", "planted", "2x")
    found = resolve_densities(circle, Protocol(densities=asked))
    assert found == [
        (kept / total, True),
        (2 * kept / total, False),
        (most * kept / total, False),
    ]


def test_nothing_but_multiples_above_one_is_refused(circle):
    with pytest.raises(UsageError, match=r"all densities asked for are above 1 on circle-3x60, "):
        resolve_densities(circle, Protocol(densities=("9999x",)))
