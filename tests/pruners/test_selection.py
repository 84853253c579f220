"""Exact selection by saliency: counts, ties, infinities, shares of layers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from plantkit.pruners.budgets import Scope, apportion
from plantkit.pruners.selection import select

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
