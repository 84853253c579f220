"""Exact selection by saliency: counts, ties, infinities, shares of layers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from plantkit.networks.masks import Mask
from plantkit.pruners.budgets import Scope, apportion
from plantkit.pruners.selection import narrow, select

NAMES = ("layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias")


def saliency_of(values, shapes=((2, 3), (2,), (1, 2), (1,))):
    """Splits a list of numbers into named tensors, the first parameters first."""
    pieces, start = {}, 0
    for name, shape in zip(NAMES, shapes, strict=True):
        size = math.prod(shape)
        pieces[name] = torch.tensor(values[start : start + size], dtype=torch.float64).reshape(
            shape
        )
        start += size
    assert start == len(values)
    return pieces


def flat(mask):
    return [bool(entry) for value in mask.values() for entry in value.flatten()]


def test_keeps_the_highest_by_hand():
    values = [0.1, 0.9, 0.2, 0.3, 0.8, 0.4, 0.7, 0.0, 0.6, 0.5, -1.0]
    mask = select(saliency_of(values), 4)
    assert [index for index, kept in enumerate(flat(mask)) if kept] == [1, 4, 6, 8]
    assert {name: tuple(value.shape) for name, value in mask.items()} == {
        "layers.0.weight": (2, 3),
        "layers.0.bias": (2,),
        "layers.1.weight": (1, 2),
        "layers.1.bias": (1,),
    }


@pytest.mark.parametrize("budget", range(12))
@pytest.mark.parametrize("value", [0.0, 1.0, -math.inf, math.inf])
def test_equal_saliencies_keep_the_first_and_exactly_the_budget(budget, value):
    mask = select(saliency_of([value] * 11), budget)
    assert flat(mask) == [True] * budget + [False] * (11 - budget)


def test_ties_at_the_threshold_go_to_the_first():
    values = [1, 2, 2, 3, 2, 0, 2, 2, 3, 1, 2]
    mask = select(saliency_of(values), 5)
    assert [index for index, kept in enumerate(flat(mask)) if kept] == [1, 2, 3, 4, 8]


def test_ties_among_many_parameters_go_to_the_first():
    values = torch.arange(50_000) % 5
    (kept,) = select({"a": values.reshape(100, 500)}, 25_000).values()
    # All of 4 and 3, 10,000 each, and the first 5,000 of 2.
    expected = (values > 2) | ((values == 2) & (torch.arange(50_000) < 25_000))
    assert torch.equal(kept.flatten(), expected)


def test_zeros_are_kept_when_the_budget_asks_for_them():
    values = [0.0] * 9 + [1.0, 1.0]
    mask = select(saliency_of(values), 4)
    assert [index for index, kept in enumerate(flat(mask)) if kept] == [0, 1, 9, 10]


def test_layerwise_gives_every_layer_its_share_with_its_bias():
    # Layer 0 has 8 parameters, layer 1 has 3: of 5, 3.64 and 1.36, so 4 and 1.
    mask = select(saliency_of([9.0] * 8 + [1.0] * 3), 5, scope="layerwise")
    assert flat(mask) == [True] * 4 + [False] * 4 + [True] + [False] * 2


def test_layerwise_weights_and_biases_of_a_layer_compete():
    mask = select(saliency_of([0, 0, 0, 0, 0, 0, 5, 6, 0, 0, 7]), 3, scope=Scope.LAYERWISE)
    assert [index for index, kept in enumerate(flat(mask)) if kept] == [6, 7, 10]


def test_mask_carries_the_saliency_it_was_chosen_by():
    saliency = saliency_of([float(value) for value in range(11)])
    mask = select(saliency, 3)
    assert mask.saliency is not None
    assert all(torch.equal(mask.saliency[name], saliency[name]) for name in NAMES)


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize("name", NAMES)
def test_nan_is_refused_by_parameter_name(scope, name):
    saliency = saliency_of([1.0] * 11)
    saliency[name].view(-1)[0] = math.nan
    with pytest.raises(ValueError, match=f"saliency of '{name}' holds NaN; expected numbers"):
        select(saliency, 3, scope=scope)


@pytest.mark.parametrize("budget", [-1, 12])
def test_budget_out_of_range_is_refused(budget):
    with pytest.raises(ValueError, match=f"budget is {budget}; expected 0 to 11"):
        select(saliency_of([1.0] * 11), budget)


def test_unknown_scope_is_refused():
    with pytest.raises(ValueError, match="local"):
        select(saliency_of([1.0] * 11), 3, scope="local")


def test_arguments_are_left_alone():
    saliency = saliency_of([float(value % 3) for value in range(11)])
    before = {name: value.clone() for name, value in saliency.items()}
    select(saliency, 4, scope="layerwise")
    assert all(torch.equal(saliency[name], before[name]) for name in NAMES)


# Few distinct values, so that ties are common.
few_values = st.one_of(st.sampled_from([0.0, 1.0, -1.0, math.inf, -math.inf]), st.floats(-9, 9))


@given(
    st.lists(few_values, min_size=11, max_size=11), st.integers(0, 11), st.sampled_from(list(Scope))
)
def test_kept_are_never_below_dropped_ones(values, budget, scope):
    mask = select(saliency_of(values), budget, scope=scope)
    kept = flat(mask)
    assert sum(kept) == budget
    layers = [range(11)] if scope is Scope.GLOBAL else [range(8), range(8, 11)]
    for layer in layers:
        chosen = [(-values[index], index) for index in layer if kept[index]]
        dropped = [(-values[index], index) for index in layer if not kept[index]]
        if chosen and dropped:
            assert max(chosen) < min(dropped)  # by saliency, then by index


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.data())
def test_parts_sum_to_the_budget_and_stay_within_one_of_their_quota(sizes, data):
    budget = data.draw(st.integers(0, sum(sizes)))
    parts = apportion(budget, sizes)
    assert sum(parts) == budget
    for part, size in zip(parts, sizes, strict=True):
        assert 0 <= part <= size
        assert abs(part * sum(sizes) - budget * size) < sum(sizes)


@pytest.mark.parametrize(
    ("budget", "sizes", "expected"),
    [
        (5, [8, 3], [4, 1]),
        (1, [5, 5], [1, 0]),  # equal remainders: the first
        (1, [1, 9], [0, 1]),
        (0, [3, 4], [0, 0]),
        (7, [3, 4], [3, 4]),
    ],
)
def test_parts_by_hand(budget, sizes, expected):
    assert apportion(budget, sizes) == expected


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.uint8, torch.int64, torch.half, torch.bfloat16]
)
def test_saliencies_of_any_type_are_ranked(dtype):
    mask = select({"a": torch.tensor([0, 1, 0, 1]).to(dtype)}, 3)
    assert mask["a"].tolist() == [True, True, False, True]


# --- rounds

LAYERS = {"layers.0.weight": 6, "layers.1.weight": 6, "layers.2.weight": 2}


def layered(values):
    """Splits 14 numbers into three layers of 6, 6 and 2 parameters."""
    pieces = torch.tensor(values, dtype=torch.float32).split(list(LAYERS.values()))
    return dict(zip(LAYERS, pieces, strict=True))


def kept_of(mask):
    return {name: value.nonzero().flatten().tolist() for name, value in mask.items()}


EVERYTHING = layered([1.0] * 14)
RISING = layered([float(value) for value in range(14)])


def test_a_round_keeps_the_highest_of_those_that_are_left():
    before = Mask(layered([0, 1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 1]))
    mask = narrow(before, RISING, 4, final=2)
    assert kept_of(mask) == {
        "layers.0.weight": [4],
        "layers.1.weight": [0, 1],
        "layers.2.weight": [1],
    }
    assert list(mask) == list(LAYERS)
    assert mask.saliency is not None
    assert torch.equal(mask.saliency["layers.1.weight"], RISING["layers.1.weight"])


def test_a_layer_keeps_what_it_will_keep_at_the_end():
    """Of 4 the last layer has none, and one of 3 (by largest remainder): it keeps one of both."""
    first = narrow(EVERYTHING, RISING, 4, final=3, scope="layerwise")
    assert kept_of(first) == {
        "layers.0.weight": [4, 5],
        "layers.1.weight": [4, 5],
        "layers.2.weight": [1],
    }
    last = narrow(first, RISING, 3, final=3, scope="layerwise")
    assert kept_of(last) == {
        "layers.0.weight": [5],
        "layers.1.weight": [5],
        "layers.2.weight": [1],
    }


def test_a_layer_keeps_all_that_is_left_where_its_share_is_more():
    """Of 7 each layer may keep 3, 3 and 1; the first has 2 left, and needs 1 at the end."""
    before = Mask(layered([1, 1, 0, 0, 0, 0] + [1] * 6 + [1, 1]))
    mask = narrow(before, RISING, 7, final=3, scope="layerwise")
    assert [len(places) for places in kept_of(mask).values()] == [2, 3, 1]


def test_a_mask_may_hold_exactly_what_the_end_needs():
    before = Mask(layered([0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0]))
    for budget in (3, 7):
        mask = narrow(before, RISING, budget, final=3, scope="layerwise")
        assert kept_of(mask) == kept_of(before)


def test_a_mask_that_holds_less_than_the_end_needs_is_refused():
    before = Mask(layered([1] * 6 + [0] * 6 + [1, 1]))
    expected = "the mask keeps 0 of layers.1.weight; expected at least 1"
    with pytest.raises(ValueError, match=f"^{expected}$"):
        narrow(before, RISING, 7, final=3, scope="layerwise")
    names = "layers.0.weight, layers.1.weight, layers.2.weight"
    with pytest.raises(ValueError, match=f"^the mask keeps 8 of {names}; expected at least 9$"):
        narrow(before, RISING, 10, final=9)
    assert narrow(before, RISING, 10, final=8).kept == 8


@pytest.mark.parametrize("final", [-1, 5])
def test_what_is_left_at_the_end_is_at_most_the_budget(final):
    expected = f"^final is {final}; expected 0 to the budget, 4$"
    with pytest.raises(ValueError, match=expected):
        narrow(EVERYTHING, RISING, 4, final=final)
    assert narrow(EVERYTHING, RISING, 4, final=4).kept == 4
    assert narrow(EVERYTHING, RISING, 4, final=0).kept == 4


def test_a_saliency_with_a_gradient_is_taken():
    saliency = {name: value.clone().requires_grad_() for name, value in RISING.items()}
    assert select(saliency, 3).kept == 3
