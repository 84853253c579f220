"""Learning a balance: a law that is known, and what must come out of it."""

from __future__ import annotations

import numpy as np
import pytest
from entropy_balancing import Reference, learn_coefficients, squared_distances

from plantkit.planting.surroundings import ENTRY, ticket_odds

SHIFT = 0.2
ENTRIES = 10


def draw_networks(rng: np.random.Generator, count: int, candidates: int = 12):
    """Tickets of ten entries whose values `a` are drawn around SHIFT, `b` around 0."""
    networks = []
    for _ in range(count):
        values = rng.normal((SHIFT, 0.0), 1.0, (candidates, ENTRIES, 2)).sum(axis=1)
        networks.append([{"role": {ENTRY: float(ENTRIES), "a": a, "b": b}} for a, b in values])
    return networks


@pytest.fixture(scope="module")
def reference() -> Reference:
    values = np.random.default_rng(0).normal((5.0, -2.0), (1.0, 3.0), (4000, 2))
    values -= values.mean(axis=0)  # terms elsewhere: mean 0, deviations 1 and 3
    return Reference(names=("a", "b"), values=values / (1.0, 3.0))


def test_what_is_off_gets_the_coefficient_of_its_likelihood_ratio(reference) -> None:
    # Of normals of variance 1 around 0.2 and 0, the log likelihood ratio is 0.2 x + constant.
    # Few candidates ask for more than that, many do not.
    networks = draw_networks(np.random.default_rng(1), 100, candidates=200)
    found = learn_coefficients(networks, {"role": reference}, penalty=1e-4)["role"]
    assert found["a"] == pytest.approx(SHIFT, abs=0.04)
    assert found["b"] == pytest.approx(0.0, abs=0.05)


def test_a_penalty_makes_the_coefficients_smaller(reference) -> None:
    networks = draw_networks(np.random.default_rng(2), 60)
    found = [
        learn_coefficients(networks, {"role": reference}, penalty=penalty)["role"]["a"]
        for penalty in (1e-3, 1.0, 100.0)
    ]
    assert found[0] > found[1] > found[2] > 0


def test_the_balance_brings_the_mean_to_where_it_is_elsewhere(reference) -> None:
    rng = np.random.default_rng(3)
    references = {"role": reference}
    coefficients = learn_coefficients(draw_networks(rng, 200), references, penalty=0.05)
    fresh = draw_networks(rng, 200)
    before = squared_distances(fresh, references, {})["role"]
    after = squared_distances(fresh, references, coefficients)["role"]
    assert before == pytest.approx(ENTRIES * SHIFT**2, rel=0.25)  # in deviations of a ticket
    assert abs(after) < 0.15 * before


def test_a_mean_elsewhere_that_is_not_0_is_taken_off(reference) -> None:
    moved = Reference(names=("a", "b"), values=reference.values + np.array([7.0, -3.0]))
    rng = np.random.default_rng(4)
    networks = [
        [
            {"role": {ENTRY: 4.0, "a": 28.0 + noise, "b": -12.0 - noise}}
            for noise in rng.normal(0, 2, 6)
        ]
        for _ in range(100)
    ]
    distances = squared_distances(networks, {"role": moved}, {})
    assert distances["role"] == pytest.approx(0, abs=0.1)
    coefficients = learn_coefficients(networks, {"role": moved}, penalty=0.1)
    odds = [ticket_odds(one, coefficients) for one in networks[0]]
    assert np.abs(odds).max() < 1.0  # the term `entry` takes back what 7 and -3 add


def test_a_role_that_a_candidate_lacks_counts_nothing(reference) -> None:
    networks = draw_networks(np.random.default_rng(5), 30)
    networks[0][0] = {}
    found = learn_coefficients(networks, {"role": reference}, penalty=0.1)
    assert set(found["role"]) == {ENTRY, "a", "b"}
