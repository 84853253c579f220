"""Budgets by layer: exact sums, nobody beyond its size, and the shares that the papers state."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkit.networks import PerceptronSpec
from plantkit.pruners.budgets import Scope, apportion, divide

BY_LAYER = [scope for scope in Scope if scope is not Scope.GLOBAL]


def parts(widths, budget, scope):
    return [share.budget for share in divide(PerceptronSpec(widths=widths).shapes, budget, scope)]


def sizes(widths):
    return [(fan_in + 1) * fan_out for fan_in, fan_out in itertools.pairwise(widths)]


@given(
    st.lists(st.integers(1, 30), min_size=2, max_size=6),
    st.floats(0, 1),
    st.sampled_from(list(Scope)),
)
def test_budgets_are_exact_and_fit(widths, share, scope):
    total = sum(sizes(widths))
    budget = round(share * total)
    found = parts(widths, budget, scope)
    assert sum(found) == budget
    if scope is not Scope.GLOBAL:
        assert all(0 <= part <= size for part, size in zip(found, sizes(widths), strict=True))


def test_global_is_one_group_and_the_others_one_a_layer():
    shapes = PerceptronSpec(widths=(2, 3, 1)).shapes
    (share,) = divide(shapes, 5, "global")
    assert share.names == tuple(shapes)
    assert [share.names for share in divide(shapes, 5, "erk")] == [
        ("layers.0.weight", "layers.0.bias"),
        ("layers.1.weight", "layers.1.bias"),
    ]


def test_uniform_is_another_name_of_layerwise():
    assert Scope("uniform") is Scope.LAYERWISE
    assert parts((2, 5, 4, 3), 27, "uniform") == apportion(27, [15, 24, 15])


def test_erk_by_hand():
    # Weights 4x4, 4x4 and 2x4: sums of dimensions 8, 8, 6 over products 16, 16, 8 give shares
    # 1/2, 1/2, 3/4 of sizes 20, 20, 10: 10, 10, 7.5 for a factor of 1, and 27.5 in all. So
    # 11 parameters are a factor of 0.4: 4, 4, 3.
    assert parts((4, 4, 4, 2), 11, "erk") == [4, 4, 3]
    # A factor of 4/3 fills the last layer; beyond it the others share the rest.
    assert parts((4, 4, 4, 2), 46, "erk") == [18, 18, 10]


def test_balanced_by_hand():
    assert parts((1, 2, 10, 1), 12, "balanced") == [4, 4, 4]  # sizes 4, 30, 11
    assert parts((1, 2, 10, 1), 20, "balanced") == [4, 8, 8]
    assert parts((1, 2, 10, 1), 40, "balanced") == [4, 25, 11]


def test_the_last_layer_is_pruned_at_half_the_rate():
    # Three rounds of 20 and of 10 per cent leave .512 of all layers but the last, .729 of it:
    # of sizes 10100, 10100 and 1010 that is 5171.2 + 5171.2 + 736.29 = 11078.69.
    assert parts((100, 100, 100, 10), 11078, "lth") == [5171, 5171, 736]


@pytest.mark.parametrize("scope", BY_LAYER)
def test_everything_and_nothing(scope):
    assert parts((2, 5, 4, 3), 54, scope) == [15, 24, 15]
    assert parts((2, 5, 4, 3), 0, scope) == [0, 0, 0]


@pytest.mark.parametrize(("scope", "expected"), [("erk", [1, 0]), ("balanced", [1, 0])])
def test_what_is_left_over_goes_to_the_first_layer_among_equals(scope, expected):
    assert parts((4, 4, 4), 1, scope) == expected
    assert parts((4, 4, 4), 39, scope) == [20, 19]


def test_what_is_left_over_goes_to_the_largest_remainder():
    # Shares 1/2, 1/2, 3/4 of 20, 20, 10 by ERK, so that 12 parameters are a factor of 12/27.5:
    # 4.36, 4.36 and 3.27. All round down to 11, and the first layer has the largest remainder.
    assert parts((4, 4, 4, 2), 12, "erk") == [5, 4, 3]
    # 13 are 4.73, 4.73 and 3.55: the first two have it.
    assert parts((4, 4, 4, 2), 13, "erk") == [5, 5, 3]
    # 10 are 3.64, 3.64 and 2.73: all but one of the first two, and the last one's is larger.
    assert parts((4, 4, 4, 2), 10, "erk") == [4, 3, 3]


def test_a_layer_of_biases_alone_claims_its_size():
    shapes = {"a.weight": (4, 4), "b.bias": (10,)}
    # Sums of dimensions over products: 16 x 8/16 = 8 of the weight, and 10 of the biases.
    assert [share.budget for share in divide(shapes, 9, "erk")] == [4, 5]


def test_no_network_at_all_has_nothing_to_divide():
    assert [share.budget for share in divide({}, 0, "global")] == [0]


def test_convolutions_count_all_their_dimensions():
    shapes = {"a.weight": (8, 4, 3, 3), "b.weight": (10, 8)}
    # (8 + 4 + 3 + 3) and (10 + 8) parameters for a factor of 1.
    assert [share.budget for share in divide(shapes, 36, "erk")] == [18, 18]


@pytest.mark.parametrize("scope", list(Scope))
def test_requests_out_of_range_are_refused_in_full(scope):
    shapes = PerceptronSpec(widths=(2, 3, 1)).shapes
    for budget in (-1, 14):
        with pytest.raises(ValueError, match=rf"^budget is {budget}; expected 0 to 13$"):
            divide(shapes, budget, scope)


def test_an_unknown_scope_is_refused_in_full():
    expected = "scope is 'local'; expected one of global, layerwise, erk, balanced, lth, uniform"
    with pytest.raises(ValueError, match=f"^{expected}$"):
        Scope("local")


@pytest.mark.parametrize(("budget", "scope"), [(-1, "erk"), (14, "global"), (3, "local")])
def test_impossible_requests_are_refused(budget, scope):
    with pytest.raises(ValueError, match=r"expected 0 to 13|local"):
        divide(PerceptronSpec(widths=(2, 3, 1)).shapes, budget, scope)


def test_largest_remainder_is_not_monotone():
    """Why rounds need a guard: the last layer has one of three, and none of four."""
    sizes = [6, 6, 2]
    assert apportion(3, sizes) == [1, 1, 1]
    assert apportion(4, sizes) == [2, 2, 0]
    assert math.prod(apportion(14, sizes)) == 72
