"""Which of several tickets is kept: sums by hand, odds, draws, and what comes of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from plantkit.networks import PerceptronSpec
from plantkit.planting import FAMILIES, METHODS, generator
from plantkit.planting.family import AnchoredFamily
from plantkit.planting.initialization import draw_parameters, standard_deviations
from plantkit.planting.methods.anchored import AnchoredMethod, choose
from plantkit.planting.surroundings import (
    ENTRY,
    load_learned,
    look_around,
    sum_terms,
    ticket_odds,
)

ANCHORED = {name: one for name, one in FAMILIES.items() if isinstance(one, AnchoredFamily)}

SPEC = PerceptronSpec(widths=(2, 6, 6, 1))
ROLES = {"layers.1.weight": "middle", "layers.1.bias": "shift", "layers.2.bias": "outputs"}


@dataclass
class Ticketed:
    spec: PerceptronSpec
    parameters: dict[str, np.ndarray]
    ticket: dict[str, np.ndarray]


@pytest.fixture
def candidate() -> Ticketed:
    parameters = draw_parameters(SPEC, np.random.default_rng(0))
    ticket = {name: np.zeros(shape, dtype=bool) for name, shape in SPEC.shapes.items()}
    ticket["layers.1.weight"][[1, 4], [0, 3]] = True
    ticket["layers.2.bias"][:] = True
    return Ticketed(SPEC, parameters, ticket)


def test_sums_are_taken_over_the_entries_of_the_ticket(candidate) -> None:
    found = sum_terms(SPEC, candidate.parameters, candidate.ticket, ROLES)
    assert set(found) == {"middle"}  # no bias of layer 1, and all of layer 2
    weight = candidate.parameters["layers.1.weight"] / standard_deviations(SPEC)["layers.1.weight"]
    first, second = weight[1, 0], weight[4, 3]
    assert found["middle"][ENTRY] == 2
    assert found["middle"]["value"] == pytest.approx(first + second)
    assert found["middle"]["|value|"] == pytest.approx(abs(first) + abs(second))
    assert found["middle"]["value*value"] == pytest.approx(first**2 + second**2)


def test_strata_of_one_role_are_added_up(candidate) -> None:
    spec = PerceptronSpec(widths=(2, 6, 6, 6, 6, 6, 1))
    parameters = draw_parameters(spec, np.random.default_rng(1))
    ticket = {name: np.zeros(shape, dtype=bool) for name, shape in spec.shapes.items()}
    ticket["layers.2.weight"][0, 0] = ticket["layers.3.weight"][5, 2] = True
    roles = {"layers.2.weight": "middle", "layers.3.weight": "middle"}
    one = sum_terms(spec, parameters, ticket, roles)["middle"]
    values = [parameters["layers.2.weight"][0, 0], parameters["layers.3.weight"][5, 2]]
    assert one[ENTRY] == 2
    deviation = standard_deviations(spec)["layers.2.weight"]
    assert one["value"] == pytest.approx(sum(values) / deviation)


def test_odds_are_against_what_has_coefficients(candidate) -> None:
    sums = {"middle": {ENTRY: 3.0, "value": 2.0, "bias": -1.0}, "other": {ENTRY: 1.0}}
    balance = {"middle": {ENTRY: 0.5, "value": 0.25}}
    assert ticket_odds(sums, balance) == pytest.approx(-(3 * 0.5 + 2 * 0.25))
    with pytest.raises(ValueError, match=r"no terms \['nothing'\] in 'middle'"):
        ticket_odds(sums, {"middle": {"nothing": 1.0}})


def test_a_candidate_is_drawn_by_its_odds(candidate) -> None:
    # One entry each, of value a and b: odds of a over b are exp(b - a).
    pair = []
    for value in (0.5, -0.6):
        parameters = {name: np.array(kept) for name, kept in candidate.parameters.items()}
        ticket = {name: np.zeros(shape, dtype=bool) for name, shape in SPEC.shapes.items()}
        ticket["layers.1.weight"][2, 2] = True
        parameters["layers.1.weight"][2, 2] = value * standard_deviations(SPEC)["layers.1.weight"]
        pair.append(Ticketed(SPEC, parameters, ticket))
    balance = {"middle": {"value": 1.0}}
    rng = np.random.default_rng(2)
    kept = Counter(choose(pair, balance, ROLES, rng) for _ in range(700))
    assert kept[1] / 700 == pytest.approx(np.exp(0.6) / (np.exp(0.6) + np.exp(-0.5)), abs=0.05)


@pytest.mark.parametrize(
    ("family", "depth"),
    [
        (family, depth)
        for family in sorted(ANCHORED)
        for depth in (3, 4, 5, 8, 12)
        if depth >= ANCHORED[family].anchored_depth
    ],
)
def test_the_coefficients_that_are_kept_fit_the_roles(family: str, depth: int) -> None:
    found = ANCHORED[family]
    spec = PerceptronSpec.uniform(depth=depth, width=50, inputs=found.inputs, outputs=found.outputs)
    roles = found.roles(len(spec.layers) - 1)
    assert set(roles) == set(spec.shapes)
    balance = load_learned(family)["balance"]
    assert (found.candidates(len(spec.layers) - 1) > 1) == bool(balance)
    around = look_around(spec, draw_parameters(spec, np.random.default_rng(3)))
    for name, role in roles.items():
        assert set(balance.get(role, {})) <= {ENTRY, *around[name].terms}, role


def test_planting_keeps_the_candidate_that_the_balance_draws() -> None:
    family = ANCHORED["relu"]
    spec = PerceptronSpec.uniform(depth=5, width=60, inputs=1, outputs=1)
    method = METHODS["anchored"]
    assert isinstance(method, AnchoredMethod)
    candidates = method.candidates(family, spec, b"7", family.candidates(3))
    assert len({one.masked_forward(np.ones((1, 1))).item() for one in candidates}) > 1
    balance = load_learned("relu")["balance"]
    kept = choose(candidates, balance, family.roles(3), generator(b"7", "balancing"))
    planted = method.plant(family, spec, seed=b"7")
    for name, mask in candidates[kept].ticket.items():
        np.testing.assert_array_equal(planted.ticket[name], mask)


def test_nothing_is_learned_for_a_family_without_a_file() -> None:
    assert load_learned("relu")["balance"]
    assert load_learned("nothing") == {"preferences": {}, "balance": {}}
