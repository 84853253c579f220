"""Paths through masks, by hand and by enumeration."""

from __future__ import annotations

import itertools

import pytest
import torch
from builders import random_mask, random_weights
from hypothesis import given, settings
from hypothesis import strategies as st

from plantkit.networks import Network, PerceptronSpec, build_module
from plantkit.networks.connectivity import Connectivity, connectivity
from plantkit.networks.idle import trainable_units
from plantkit.networks.masks import Mask

CHAIN = PerceptronSpec(widths=(1, 2, 2, 1))  # 2+2, 4+2, 2+1 = 13 parameters


def keep(spec, *places):
    """Returns the mask that keeps the named entries only: (name, *index)."""
    values = {name: torch.zeros(shape, dtype=torch.bool) for name, shape in spec.shapes.items()}
    for name, *index in places:
        values[f"layers.{name}"][tuple(index)] = True
    return Mask(values)


PATH = [("0.weight", 0, 0), ("1.weight", 1, 0), ("2.weight", 0, 1)]  # through units 0 and 1


def test_full_mask():
    assert connectivity(CHAIN, Mask.full(CHAIN)) == Connectivity(
        effective_density=1.0, collapsed_layers=0
    )


def test_empty_mask_has_no_collapsed_layer():
    assert connectivity(CHAIN, keep(CHAIN)) == Connectivity(
        effective_density=0.0, collapsed_layers=0
    )


def test_one_path_by_hand():
    assert connectivity(CHAIN, keep(CHAIN, *PATH)).effective_density == 3 / 13


def test_a_bias_counts_when_its_unit_is_on_a_path():
    on_path = keep(CHAIN, *PATH, ("0.bias", 0), ("1.bias", 1), ("2.bias", 0))
    assert connectivity(CHAIN, on_path).effective_density == 6 / 13
    off_path = keep(CHAIN, *PATH, ("0.bias", 1), ("1.bias", 0))
    assert connectivity(CHAIN, off_path).effective_density == 3 / 13


@pytest.mark.parametrize("missing", range(3))
def test_a_broken_path_counts_nothing_and_collapses_one_layer(missing):
    rest = [place for index, place in enumerate(PATH) if index != missing]
    assert connectivity(CHAIN, keep(CHAIN, *rest)) == Connectivity(
        effective_density=0.0, collapsed_layers=1
    )


def test_a_bias_alone_keeps_a_layer_from_collapsing_but_makes_no_path():
    mask = keep(CHAIN, *PATH[:1], *PATH[2:], ("1.bias", 1))
    assert connectivity(CHAIN, mask) == Connectivity(effective_density=0.0, collapsed_layers=0)


def test_kept_weights_that_do_not_meet_count_nothing():
    mask = keep(CHAIN, ("0.weight", 0, 0), ("1.weight", 1, 1), ("2.weight", 0, 1))
    assert connectivity(CHAIN, mask) == Connectivity(effective_density=0.0, collapsed_layers=0)


def test_dead_ends_do_not_count():
    mask = keep(CHAIN, *PATH, ("1.weight", 0, 0), ("0.weight", 1, 0), ("1.weight", 0, 1))
    assert connectivity(CHAIN, mask).effective_density == 3 / 13


def test_two_collapsed_layers():
    assert connectivity(CHAIN, keep(CHAIN, ("0.bias", 1))).collapsed_layers == 2


small_networks = st.lists(st.integers(1, 3), min_size=2, max_size=5).map(
    lambda widths: PerceptronSpec(widths=tuple(widths))
)


def kept_paths(spec, mask):
    """All tuples of units, input to output, whose weights are all kept."""
    return [
        path
        for path in itertools.product(*(range(width) for width in spec.widths))
        if all(bool(mask[f"layers.{i}.weight"][path[i + 1], path[i]]) for i in spec.layers)
    ]


@settings(deadline=None)
@given(small_networks, st.sampled_from([0.2, 0.4, 0.6, 0.8]), st.integers(0, 10**6))
def test_effective_density_equals_enumeration_of_paths(spec, density, seed):
    mask = random_mask(spec, density, seed)
    on_path = set()
    for path in kept_paths(spec, mask):
        for layer in spec.layers:
            on_path.add((layer, "weight", path[layer + 1], path[layer]))
            if bool(mask[f"layers.{layer}.bias"][path[layer + 1]]):
                on_path.add((layer, "bias", path[layer + 1]))
    found = connectivity(spec, mask)
    assert found.effective_density == len(on_path) / spec.total
    assert found.effective_density <= mask.density


@settings(deadline=None)
@given(small_networks, st.sampled_from([0.2, 0.4, 0.6, 0.8]), st.integers(0, 10**6))
def test_perceptrons_find_the_paths_that_any_kind_finds_by_default(spec, density, seed):
    mask = random_mask(spec, density, seed)
    found, default = spec.connected(mask), Network.connected(spec, mask)
    assert list(default) == list(spec.shapes)
    assert all(torch.equal(found[name], default[name]) for name in spec.shapes)


def batch_of_one(mask):
    return {name: value.unsqueeze(0) for name, value in mask.items()}


def test_trainable_units_by_hand():
    # Layer 1: unit 0 is fed by the input, unit 1 by its bias only. Layer 2: unit 0 is fed by
    # unit 1 but leads nowhere, unit 1 leads to the output.
    mask = keep(CHAIN, *PATH, ("0.bias", 1), ("1.weight", 0, 1), ("1.bias", 0))
    first, second = trainable_units(CHAIN, batch_of_one(mask))
    assert first.tolist() == [[True, False]]
    assert second.tolist() == [[False, True]]


def test_a_unit_fed_by_a_bias_alone_is_trainable():
    mask = keep(CHAIN, ("1.bias", 0), ("2.weight", 0, 0))
    first, second = trainable_units(CHAIN, batch_of_one(mask))
    assert first.tolist() == [[False, False]]
    assert second.tolist() == [[True, False]]


def test_trainable_units_of_many_runs_are_each_run_by_itself():
    masks = [random_mask(CHAIN, 0.5, seed) for seed in range(5)]
    stacked = {name: torch.stack([mask[name] for mask in masks]) for name in CHAIN.shapes}
    together = trainable_units(CHAIN, stacked)
    for run, mask in enumerate(masks):
        for layer, alone in zip(together, trainable_units(CHAIN, batch_of_one(mask)), strict=True):
            assert torch.equal(layer[run], alone[0])


def test_a_network_without_hidden_layer_has_no_hidden_units():
    spec = PerceptronSpec(widths=(2, 3))
    assert trainable_units(spec, batch_of_one(Mask.full(spec))) == []


@settings(deadline=None)
@given(small_networks, st.integers(0, 10**6))
def test_cutting_idle_units_changes_neither_function_nor_gradient(spec, seed):
    mask = random_mask(spec, 0.5, seed)
    weights = {name: value * mask[name] for name, value in random_weights(spec, seed).items()}
    units = [torch.ones(spec.inputs, dtype=torch.bool)]
    units += [layer[0] for layer in trainable_units(spec, batch_of_one(mask))]
    units += [torch.ones(spec.outputs, dtype=torch.bool)]
    cut = {}
    for layer in spec.layers:
        ends, starts = units[layer + 1], units[layer]
        cut[f"layers.{layer}.weight"] = ends.unsqueeze(1) & starts
        cut[f"layers.{layer}.bias"] = ends
    inputs = torch.randn(6, spec.inputs, generator=torch.Generator().manual_seed(seed))
    whole = build_module(spec, weights)
    trimmed = build_module(spec, {name: value * cut[name] for name, value in weights.items()})
    outputs = whole(inputs)
    torch.testing.assert_close(trimmed(inputs), outputs)
    outputs.square().sum().backward()
    for name, parameter in whole.named_parameters():
        assert parameter.grad is not None
        assert not bool((parameter.grad * mask[name] * ~cut[name]).any())
