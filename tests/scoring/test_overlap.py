"""The share of a ticket that a mask found: by hand, and what holds for every mask."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from plantkit.challenges.costs import RemovalCosts
from plantkit.networks import PerceptronSpec, unflatten
from plantkit.networks.masks import Mask
from plantkit.scoring.overlap import digits_lost, found_share

SPEC = PerceptronSpec(widths=(2, 3, 1))  # parameters of 6, 3, 3 and 1 entries
#: Two of the first weights, one of the last; their costs are .2, .6 and .4.
TICKET = [1, 1, 0, 0, 0, 0, *[0, 0, 0], *[0, 0, 1], 0]
COSTS = [0.2, 0.6, 9, 9, 9, 9, *[9, 9, 9], *[9, 9, 0.4], 9]  # outside of it they do not count


def share(kept, ticket=TICKET, costs=COSTS, spec=SPEC):
    def mask(entries):
        return Mask.from_vector(spec, torch.as_tensor(entries, dtype=torch.bool))

    values = unflatten(spec, torch.as_tensor(costs, dtype=torch.float64))
    return found_share(mask(kept), mask(ticket), values)


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (TICKET, 1),
        # The ticket and a guess among the four others of the first weights: 1 - .8/1.2 x 1/4.
        ([1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0], 1 - 0.8 / 1.2 / 4),
        # The dear one of the first weights, and no guesses.
        ([0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0.6 / 1.2),
        # With one of four wrong there.
        ([0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], (0.6 - 0.8 / 4) / 1.2),
        # What is kept of parameters without ticket entries does not matter.
        ([0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1], (0.6 - 0.8 / 4) / 1.2),
        # The first weights kept whole earn nothing, whatever is known of the last ones.
        ([1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], 0),
        ([1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 0], 0.4 / 1.2),
        # Nor does keeping all but one of them.
        ([1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0], 0.8 / 1.2 / 4),
        # Worse than guessing.
        ([0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0], 0),
        ([0] * 13, 0),
        ([1] * 13, 0),
    ],
)
def test_by_hand(kept, expected):
    assert share(kept) == pytest.approx(expected)


def test_a_parameter_that_the_ticket_keeps_whole_tells_nothing():
    ticket = [*TICKET[:-1], 1]
    costs = [*COSTS[:-1], 0.8]
    assert share([0] * 12 + [1], ticket, costs) == 0
    assert share([0, 1] + [0] * 11, ticket, costs) == pytest.approx(0.5)
    assert share([1] * 13, [1] * 13) == 0


def test_entries_count_alike_where_none_costs_anything():
    assert share([0, 1] + [0] * 11, costs=[0.0] * 13) == pytest.approx(1 / 3)


def test_scale_of_the_costs_does_not_matter():
    kept = [0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert share(kept, costs=[7 * cost for cost in COSTS]) == pytest.approx(share(kept))


BITS = st.lists(st.booleans(), min_size=13, max_size=13)
AMOUNTS = st.lists(st.floats(0, 1), min_size=13, max_size=13)


@given(BITS, BITS, AMOUNTS)
def test_bounds(kept, ticket, costs):
    assert 0 <= share(kept, ticket, costs) <= 1


@given(BITS, AMOUNTS)
def test_the_ticket_itself_is_found_whole(ticket, costs):
    assume(any(costs[i] > 0.01 for i in range(6) if ticket[i]))
    assume(not all(ticket[:6]))
    assert share(ticket, ticket, costs) == pytest.approx(1)


@given(BITS, BITS, AMOUNTS, st.sampled_from([(0, 6), (6, 9), (9, 12), (12, 13)]))
def test_filling_a_parameter_never_pays(kept, ticket, costs, place):
    """Not even for who knows a part of the ticket elsewhere."""
    start, end = place
    filled, emptied = (
        [*kept[:start], *[value] * (end - start), *kept[end:]] for value in (True, False)
    )
    assert share(filled, ticket, costs) == pytest.approx(share(emptied, ticket, costs))


@given(BITS, BITS, AMOUNTS, st.data())
def test_an_entry_of_the_ticket_in_the_place_of_a_wrong_one_never_makes_it_less(
    kept, ticket, costs, data
):
    right = [i for i in range(13) if ticket[i] and not kept[i]]
    wrong = [i for i in range(13) if kept[i] and not ticket[i]]
    assume(right and wrong)
    better = list(kept)
    better[data.draw(st.sampled_from(right))] = True
    better[data.draw(st.sampled_from(wrong))] = False
    assert share(better, ticket, costs) >= share(kept, ticket, costs) - 1e-12


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0.01, 0.5))
def test_a_mask_that_knows_a_share_gets_it_less_what_it_guesses(seed, known, density):
    """Whatever is kept of each parameter: guesses are denser in the first layer than in others."""
    generator = torch.Generator().manual_seed(seed)
    spec = PerceptronSpec(widths=(4, 150, 150, 4))
    rates = unflatten(spec, torch.full((spec.total,), density))
    rates["layers.0.weight"] *= 1.9
    rates = torch.cat([value.flatten() for value in rates.values()])
    ticket = torch.rand(spec.total, generator=generator) < 0.1
    costs = torch.rand(spec.total, generator=generator)
    knows = ticket & (torch.rand(spec.total, generator=generator) < known)
    kept = knows | (torch.rand(spec.total, generator=generator) < rates)
    # Six standard deviations of the share of 2,400 entries.
    assert share(kept, ticket, costs, spec) == pytest.approx(known * (1 - density), abs=0.12)


def test_digits_lost_by_hand():
    """The ticket makes an error of 1e-4 and a constant one of 1: four digits."""
    gain = 1 - 1e-4
    shares = [0, 9e-4 / gain, 9.9e-3 / gain, (0.1 - 1e-4) / gain, (1 - 1e-4) / gain, 1e-12]
    costs = RemovalCosts(
        shares={"a": torch.tensor(shares[:3]).double(), "b": torch.tensor([shares[3:]]).double()},
        trivial=0.0,
        ticket=1 - 1e-4,
    )
    found = digits_lost(costs, resolution=1e-6)
    assert found["a"].tolist() == pytest.approx([0, 1 / 4, 2 / 4], abs=1e-6)
    assert found["b"].tolist() == [pytest.approx([3 / 4, 1, 0], abs=1e-6)]
    # Where errors below 1e-2 cannot be told from none, two digits are left.
    found = digits_lost(costs, resolution=1e-2)
    assert found["a"].tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    assert found["b"].tolist() == [pytest.approx([1 / 2, 1, 0], abs=1e-6)]


def test_a_ticket_that_loses_nothing_loses_no_digits():
    """Not even where it is no better than a constant on the training data."""
    costs = RemovalCosts(shares={"a": torch.zeros(2).double()}, trivial=0.5, ticket=0.4)
    assert digits_lost(costs, resolution=1e-6)["a"].tolist() == [0, 0]
