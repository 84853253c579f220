"""Masks: the contract's messages, budgets, overlap and average precision."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from builders import random_mask
from hypothesis import given
from hypothesis import strategies as st

from plantkit.errors import MaskError
from plantkit.networks import PerceptronSpec
from plantkit.networks.budget import budget_of
from plantkit.networks.masks import Mask, average_precision, overlap, validate_mask

SPEC = PerceptronSpec(widths=(2, 3, 1))  # 13 parameters


def ones():
    return {name: torch.ones(shape) for name, shape in SPEC.shapes.items()}


def mask_of(entries):
    return Mask.from_vector(SPEC, torch.tensor(entries, dtype=torch.bool))


# --- the mask itself


def test_counts_by_hand():
    mask = mask_of([1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1])
    assert (mask.kept, mask.total) == (4, 13)
    assert mask.density == 4 / 13
    assert mask.sparsity == 1 - 4 / 13
    assert repr(mask) == "Mask(kept=4, total=13, density=0.3077)"
    assert mask["layers.0.weight"].tolist() == [[True, False], [False, True], [False, False]]
    assert mask["layers.1.bias"].tolist() == [True]


def test_full_mask_keeps_everything_and_vector_is_the_inverse_of_from_vector():
    assert Mask.full(SPEC).density == 1.0
    assert all(value.dtype == torch.bool for value in Mask.full(SPEC).values())
    entries = torch.tensor([index % 3 == 0 for index in range(13)])
    assert torch.equal(Mask.from_vector(SPEC, entries).vector(SPEC), entries)


@pytest.mark.parametrize(
    "convert",
    [
        lambda value: value,
        lambda value: value.to(torch.int64),
        lambda value: value.to(torch.uint8),
        lambda value: value.to(torch.float32),
        lambda value: value.numpy(),
        lambda value: value.numpy().astype(np.float64),
        lambda value: value.tolist(),
        lambda value: value.float().requires_grad_(),
    ],
    ids=["bool", "int64", "uint8", "float32", "numpy bool", "numpy float", "list", "gradient"],
)
def test_every_kind_of_zero_and_one_is_taken(convert):
    expected = random_mask(SPEC, 0.5)
    mask = validate_mask({name: convert(value) for name, value in expected.items()}, SPEC, 13)
    assert all(value.dtype == torch.bool for value in mask.values())
    assert mask.digest() == expected.digest()


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float32])
def test_a_mask_copies_what_it_is_given(dtype):
    values = {name: value.to(dtype) for name, value in ones().items()}
    saliency = ones()
    mask = Mask(values, saliency=saliency)
    for value in (*values.values(), *saliency.values()):
        value.zero_()
    assert mask.kept == 13
    assert mask.saliency is not None
    assert all(bool(value.all()) for value in mask.saliency.values())


def test_digest_tells_entries_names_and_shapes_apart_but_not_their_order():
    mask = random_mask(SPEC, 0.5)
    assert mask.digest() == Mask(dict(reversed(list(mask.items())))).digest()
    for position in range(13):
        entries = mask.vector(SPEC)
        entries[position] = ~entries[position]
        assert Mask.from_vector(SPEC, entries).digest() != mask.digest()
    row, column = Mask({"a": torch.ones(1, 2)}), Mask({"a": torch.ones(2, 1)})
    assert len({row.digest(), column.digest(), Mask({"b": torch.ones(1, 2)}).digest()}) == 3


# --- validation


def refuse(values, budget=13):
    with pytest.raises(MaskError) as caught:
        validate_mask(values, SPEC, budget)
    return caught.value


def test_not_a_mapping():
    error = refuse([1, 0, 1])
    assert str(error) == (
        "prune() returned list; expected a mapping from parameter names to 0/1 tensors"
    )
    assert error.parameter is None
    assert "returned NoneType; expected" in str(refuse(None))
    assert str(refuse(None)).endswith("; is its 'return' missing?")


def test_unknown_name_gets_a_suggestion_and_the_names():
    error = refuse(ones() | {"layer.0.weight": torch.ones(3, 2)})
    assert str(error).startswith(
        "mask has an entry 'layer.0.weight', which is not a parameter; did you mean "
        "'layers.0.weight'"
    )
    assert str(error).endswith(
        "; expected layers.0.weight, layers.0.bias, layers.1.weight, layers.1.bias"
    )
    assert error.parameter == "layer.0.weight"


def test_a_name_that_is_no_string():
    error = refuse(ones() | {0: torch.ones(3, 2)})
    assert str(error).startswith("mask has an entry 0, which is not a parameter; expected layers.0")


def test_missing_name():
    values = ones()
    del values["layers.1.bias"]
    error = refuse(values)
    assert str(error) == (
        "mask has no entry for 'layers.1.bias'; expected a 0/1 tensor of shape (1,)"
    )
    assert error.parameter == "layers.1.bias"


def test_wrong_shape():
    error = refuse(ones() | {"layers.0.weight": torch.ones(2, 3)})
    assert str(error) == "mask for 'layers.0.weight' has shape (2, 3); expected (3, 2)"
    assert error.parameter == "layers.0.weight"


def test_a_scalar_does_not_broadcast():
    assert "has shape (); expected (3,)" in str(refuse(ones() | {"layers.0.bias": True}))


@pytest.mark.parametrize(
    ("value", "kind"),
    [([[1, 0], [1], [1, 1]], "list"), ("kept", "str"), (None, "NoneType"), (object(), "object")],
)
def test_what_is_no_array(value, kind):
    expected = f"mask for 'layers.0.weight' is {kind}; expected a tensor or array of 0/1"
    error = refuse(ones() | {"layers.0.weight": value})
    assert str(error) == expected
    assert error.parameter == "layers.0.weight"
    with pytest.raises(MaskError) as caught:
        Mask({"layers.0.weight": value})
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("wrong", "shown"), [(0.5, "0.5"), (-1.0, "-1.0"), (2.0, "2.0"), (math.nan, "nan")]
)
def test_values_other_than_zero_and_one(wrong, shown):
    values = ones()
    values["layers.0.weight"][1, 0] = wrong
    values["layers.0.weight"][2, 1] = wrong
    error = refuse(values)
    assert str(error) == (
        "mask for 'layers.0.weight' holds 2 values other than 0 and 1, the first at (1, 0): "
        f"{shown}; expected only 0 and 1"
    )
    assert error.parameter == "layers.0.weight"


def test_a_mask_whose_opposite_would_fit_may_be_inverted():
    values = ones()
    values["layers.0.weight"][:] = 0
    assert str(refuse(values, budget=6)).endswith("of 13); is it inverted? 1 means keep")
    assert str(refuse(values, budget=5)).endswith("of 13)")


def test_a_tensor_without_values_is_named_with_its_device():
    values = ones() | {"layers.0.weight": torch.zeros(3, 2, device="meta")}
    assert "'layers.0.weight' is Tensor on device meta; expected" in str(refuse(values))


def test_too_many_kept():
    error = refuse(ones(), budget=5)
    assert str(error) == ("mask keeps 13 parameters; expected at most 5 (density 0.384615 of 13)")
    assert error.parameter is None


def test_fewer_than_the_budget_and_none_at_all_are_valid():
    values = {name: torch.zeros(shape) for name, shape in SPEC.shapes.items()}
    assert validate_mask(values, SPEC, 5).kept == 0


def test_validation_orders_the_names_and_keeps_the_saliency():
    saliency = ones()
    given_mask = Mask(dict(reversed(ones().items())), saliency=saliency)
    mask = validate_mask(given_mask, SPEC, 13)
    assert list(mask) == list(SPEC.shapes)
    assert mask.saliency is not None
    assert mask.saliency.keys() == saliency.keys()


# --- budgets


@pytest.mark.parametrize("density", [0, 0.0, -0.1, 1.5, math.nan, math.inf, -math.inf])
def test_density_out_of_range_is_refused(density):
    with pytest.raises(ValueError, match=rf"density is {density}; expected a number in \(0, 1\]"):
        budget_of(density, 13)


@pytest.mark.parametrize(
    ("density", "total", "budget"),
    [(1.0, 13, 13), (0.5, 13, 6), (0.1, 13, 1), (0.01, 13, 0), (0.1, 30, 3), (0.7, 10, 7)],
)
def test_budget_rounds_down(density, total, budget):
    assert budget_of(density, total) == budget


def test_a_budget_is_not_rounded_up_for_a_density_that_is_a_little_too_low():
    """The density lies 5e-10 below one half; a float's own error is a million times smaller."""
    assert budget_of(0.5 * (1 - 5e-10), 10) == 4


def test_every_count_comes_back_from_its_density():
    for total in (1, 7, 13, 49, 1000, 20_904):
        assert all(budget_of(kept / total, total) == kept for kept in range(1, total + 1))


@given(st.integers(1, 10**8), st.data())
def test_count_comes_back_from_its_density(total, data):
    kept = data.draw(st.integers(1, total))
    assert budget_of(kept / total, total) == kept


@given(st.floats(0, 1, exclude_min=True), st.integers(1, 10**6))
def test_budget_never_exceeds_the_density(density, total):
    budget = budget_of(density, total)
    assert 0 <= budget <= total
    assert budget <= density * total * (1 + 1e-12)
    assert budget + 1 > density * total


# --- overlap


def test_overlap_by_hand():
    mask = mask_of([1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    ticket = mask_of([0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1])
    found = overlap(mask, ticket)
    assert found.true_positives == 2
    assert found.precision == 2 / 4
    assert found.recall == 2 / 4
    assert found.f1 == 0.5
    assert found.iou == 2 / 6
    assert found.lift == pytest.approx(0.5 / (4 / 13))


def test_overlap_with_itself_and_of_the_full_mask():
    ticket = mask_of([0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1])
    same = overlap(ticket, ticket)
    assert (same.precision, same.recall, same.f1, same.iou) == (1, 1, 1, 1)
    full = overlap(Mask.full(SPEC), ticket)
    assert full.lift == pytest.approx(1.0)
    assert (full.recall, full.f1) == (1.0, pytest.approx(2 * 4 / 17))


def test_masks_that_share_half_or_nothing():
    one, other = mask_of([1] + [0] * 12), mask_of([0, 1] + [0] * 11)
    both = mask_of([1, 1] + [0] * 11)
    assert overlap(one, other).iou == 0.0
    assert overlap(both, one).iou == overlap(one, both).iou == 0.5


def test_overlap_without_kept_parameters_is_zero():
    empty, ticket = mask_of([0] * 13), mask_of([1] + [0] * 12)
    for found in (overlap(empty, ticket), overlap(ticket, empty), overlap(empty, empty)):
        assert (found.precision, found.recall, found.f1, found.iou, found.lift) == (0,) * 5


# --- average precision


def precision_of(scores, labels):
    saliency = {"a": torch.tensor(scores, dtype=torch.float64)}
    return average_precision(saliency, Mask({"a": torch.tensor(labels, dtype=torch.bool)}))


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        ([4, 3, 2, 1], [1, 1, 0, 0], 1.0),
        ([4, 3, 2, 1], [0, 0, 1, 1], (1 / 3 + 2 / 4) / 2),
        ([4, 3, 2, 1], [1, 0, 1, 0], (1 + 2 / 3) / 2),
        ([1, 1, 1, 1], [1, 0, 0, 0], 1 / 4),  # one tie: the base rate
        ([2, 2, 1, 1], [1, 0, 1, 0], (1 / 2 + 2 / 4) / 2),
        ([math.inf, math.inf, 0, -math.inf], [1, 0, 1, 0], (1 / 2 + 2 / 3) / 2),
        ([1, -math.inf, -math.inf, -math.inf], [1, 1, 0, 0], (1 + 2 / 4) / 2),
    ],
)
def test_average_precision_by_hand(scores, labels, expected):
    assert precision_of(scores, labels) == pytest.approx(expected)


def brute_force(scores, labels):
    """The mean over thresholds of precision, weighted by the recall that each one adds."""
    area = found = 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = [label for score, label in zip(scores, labels, strict=True) if score >= threshold]
        area += (sum(chosen) - found) / sum(labels) * sum(chosen) / len(chosen)
        found = sum(chosen)
    return area


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.5, 1.0, 2.0, -math.inf, math.inf]), st.booleans()),
        min_size=1,
        max_size=12,
    ).filter(lambda pairs: any(label for _, label in pairs))
)
def test_average_precision_equals_brute_force_in_any_order(pairs):
    scores, labels = zip(*pairs, strict=True)
    expected = brute_force(scores, labels)
    assert precision_of(scores, labels) == pytest.approx(expected)
    assert precision_of(scores[::-1], labels[::-1]) == pytest.approx(expected)


def test_average_precision_averages_to_the_base_rate_over_all_orders():
    # Over all rankings of 4 entries with one hit, precision at the hit is 1, 1/2, 1/3 or 1/4.
    areas = [precision_of(order, [1, 0, 0, 0]) for order in itertools.permutations(range(4))]
    assert np.mean(areas) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_average_precision_goes_by_parameter_name():
    ticket = Mask({"a": torch.tensor([True, False]), "b": torch.tensor([False])})
    saliency = {"b": torch.tensor([0.0]), "a": torch.tensor([2.0, 1.0])}
    assert average_precision(saliency, ticket) == 1.0
