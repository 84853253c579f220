"""SynFlow against sums over paths, its conserved sums, and its schedule."""

from __future__ import annotations

import itertools
import math

import plantkit_baselines.synflow as plugin
import pytest
import torch
from builders import random_mask, random_weights, tiny_problem
from plantkit_baselines.synflow import SynflowPruner, synaptic_flow

from plantkit import Mask, PerceptronSpec
from plantkit.networks import build_module
from plantkit.networks.connectivity import connectivity
from plantkit.pruners.budgets import apportion

SPEC = PerceptronSpec(widths=(2, 4, 3, 2))


def flow_of(spec, weights, mask=None):
    kept = Mask.full(spec) if mask is None else mask
    return synaptic_flow(build_module(spec, weights).double(), kept, spec.inputs)


def without_biases(weights):
    return {
        name: torch.zeros_like(value) if name.endswith("bias") else value
        for name, value in weights.items()
    }


def test_by_hand():
    weights = {
        "layers.0.weight": torch.tensor([[2.0], [-3.0]]),
        "layers.0.bias": torch.tensor([-1.0, 0.0]),
        "layers.1.weight": torch.tensor([[-5.0, 7.0]]),
        "layers.1.bias": torch.tensor([0.5]),
    }
    # R = 5 (2 + 1) + 7 (3 + 0) + 0.5, signs dropped.
    flow = flow_of(PerceptronSpec(widths=(1, 2, 1)), weights)
    assert flow["layers.0.weight"].tolist() == [[10.0], [21.0]]
    assert flow["layers.0.bias"].tolist() == [5.0, 0.0]
    assert flow["layers.1.weight"].tolist() == [[15.0, 21.0]]
    assert flow["layers.1.bias"].tolist() == [0.5]


@pytest.mark.parametrize("density", [1.0, 0.6, 0.3])
def test_saliency_is_the_sum_over_all_paths_through_a_parameter(density):
    weights, mask = random_weights(SPEC), random_mask(SPEC, density)
    size = {name: (value.abs() * mask[name]).double() for name, value in weights.items()}
    expected = {name: torch.zeros_like(value) for name, value in size.items()}
    # A path starts at an input (first = 0) or at a bias of neuron layer `first`.
    for first in range(SPEC.depth):
        for units in itertools.product(*(range(width) for width in SPEC.widths[first:])):
            steps = [
                (f"layers.{first + step}.weight", (end, start))
                for step, (start, end) in enumerate(itertools.pairwise(units))
            ]
            if first:
                steps.insert(0, (f"layers.{first - 1}.bias", (units[0],)))
            product = math.prod(size[name][place].item() for name, place in steps)
            for name, place in steps:
                expected[name][place] += product
    flow = flow_of(SPEC, weights, mask)
    for name in SPEC.shapes:
        torch.testing.assert_close(flow[name], expected[name])


@pytest.mark.parametrize("density", [1.0, 0.6])
@pytest.mark.parametrize("biases", [True, False])
def test_every_hidden_unit_passes_on_what_comes_in(biases, density):
    weights = random_weights(SPEC) if biases else without_biases(random_weights(SPEC))
    flow = flow_of(SPEC, weights, random_mask(SPEC, density))
    for layer in SPEC.layers[:-1]:
        incoming = flow[f"layers.{layer}.weight"].sum(dim=1) + flow[f"layers.{layer}.bias"]
        outgoing = flow[f"layers.{layer + 1}.weight"].sum(dim=0)
        torch.testing.assert_close(incoming, outgoing)


@pytest.mark.parametrize("density", [1.0, 0.6])
def test_all_layers_have_the_same_sum_without_biases(density):
    weights = without_biases(random_weights(SPEC))
    flow = flow_of(SPEC, weights, random_mask(SPEC, density))
    sums = torch.stack([flow[f"layers.{layer}.weight"].sum() for layer in SPEC.layers])
    torch.testing.assert_close(sums, sums[:1].expand(3))
    assert sums[0] > 0


def test_with_biases_a_layer_and_the_biases_from_it_on_have_the_sum_of_the_outputs():
    # Every path crosses the weights of layer l or starts at a bias of layer l or later.
    weights = random_weights(SPEC)
    flow = flow_of(SPEC, weights)
    hidden = torch.ones(SPEC.inputs, dtype=torch.float64)
    for layer in SPEC.layers:
        weight, bias = weights[f"layers.{layer}.weight"], weights[f"layers.{layer}.bias"]
        hidden = weight.abs().double() @ hidden + bias.abs().double()
    for layer in SPEC.layers:
        later = sum(flow[f"layers.{index}.bias"].sum() for index in SPEC.layers[layer:])
        torch.testing.assert_close(flow[f"layers.{layer}.weight"].sum() + later, hidden.sum())


@pytest.fixture
def rounds(monkeypatch):
    """The kept parameters that each round scored, as vectors of the problem at hand."""
    seen = []

    def recording(module, kept, input_size):
        seen.append(torch.cat([value.flatten() for value in kept.values()]).clone())
        return synaptic_flow(module, kept, input_size)

    monkeypatch.setattr(plugin, "synaptic_flow", recording)
    return seen


@pytest.mark.parametrize("scope", ["global", "layerwise"])
@pytest.mark.parametrize("iterations", [1, 2, 10, 100])
@pytest.mark.parametrize("density", [0.5, 0.1, 0.02])
def test_each_round_scores_what_is_left_and_nothing_comes_back(rounds, scope, iterations, density):
    problem = tiny_problem(widths=(3, 7, 5, 6, 2), density=density)
    total = problem.network.total
    pruner = SynflowPruner(iterations=iterations, scope=scope)
    mask = pruner.prune(problem, density, seed=0)
    assert len(rounds) == iterations
    assert bool(rounds[0].all())
    for finished, kept in enumerate(rounds):
        share = density ** (finished / iterations)
        slack = 1 if scope == "global" else len(problem.network.layers)
        assert abs(int(kept.sum()) - share * total) <= slack
        assert not bool((kept & ~rounds[max(finished - 1, 0)]).any())
    final = mask.vector(problem.network)
    assert int(final.sum()) == problem.budget
    assert not bool((final & ~rounds[-1]).any())
    # The saliency of what has gone is minus the number of rounds since.
    saliency = torch.cat([value.flatten() for value in mask.saliency.values()])
    gone = torch.stack([~kept for kept in rounds]).sum(dim=0)
    assert torch.equal(saliency[gone > 0], -gone[gone > 0].double())
    assert bool((saliency[gone == 0] >= 0).all())


def test_nothing_comes_back_where_shares_by_largest_remainder_would_grow(rounds):
    # With layers of 60, 420, 420 and 84 parameters, a smaller budget can give a layer more: the
    # last layer gets none of 6 parameters and one of 5.
    assert apportion(6, [60, 420, 420, 84]) == [0, 3, 3, 0]
    assert apportion(5, [60, 420, 420, 84]) == [0, 2, 2, 1]
    problem = tiny_problem(widths=(2, 20, 20, 20, 4), density=5 / 984)
    mask = SynflowPruner(scope="layerwise").prune(problem, problem.density, seed=0)
    assert mask.kept == 5
    for before, after in itertools.pairwise([*rounds, mask.vector(problem.network)]):
        assert not bool((after & ~before).any())


@pytest.mark.parametrize("seed", range(5))
def test_keeps_one_whole_path_when_only_that_fits(seed):
    # The guarantee of the paper: as long as one weight a layer fits, no layer collapses.
    spec = PerceptronSpec(widths=(3, 6, 5, 4, 2))
    weights = without_biases(random_weights(spec, seed))
    problem = tiny_problem(widths=spec.widths, weights=weights, density=4 / spec.total)
    mask = SynflowPruner().prune(problem, problem.density, seed=0)
    found = connectivity(spec, mask)
    assert mask.kept == 4
    assert (found.effective_density, found.collapsed_layers) == (mask.density, 0)


def test_many_rounds_keep_a_network_connected_that_one_round_collapses():
    # A wide layer shares the flow among many weights, so that one round drops all of it.
    spec = PerceptronSpec(widths=(2, 3, 40, 40, 3, 2))
    weights = without_biases(random_weights(spec))
    problem = tiny_problem(widths=spec.widths, weights=weights, density=12 / spec.total)
    once = SynflowPruner(iterations=1).prune(problem, problem.density, seed=0)
    often = SynflowPruner().prune(problem, problem.density, seed=0)
    assert connectivity(spec, once).collapsed_layers > 0
    assert connectivity(spec, often).collapsed_layers == 0
    assert connectivity(spec, often).effective_density == often.density


def test_flow_beyond_single_precision():
    spec = PerceptronSpec(widths=(2, *[3] * 20, 2))
    weights = {name: value * 1e6 for name, value in random_weights(spec).items()}
    problem = tiny_problem(widths=spec.widths, weights=weights, density=0.3)
    mask = SynflowPruner().prune(problem, problem.density, seed=0)
    largest = max(value.max().item() for value in mask.saliency.values())
    assert torch.finfo(torch.float32).max < largest < math.inf
    assert mask.kept == problem.budget
    assert connectivity(spec, mask).collapsed_layers == 0


def test_needs_no_data_and_ignores_signs():
    weights = random_weights(SPEC)
    negated = {name: -value for name, value in weights.items()}
    masks = {
        SynflowPruner()
        .prune(tiny_problem(kind, widths=SPEC.widths, weights=each, count=count), 0.3, seed=0)
        .digest()
        for kind, each, count in [
            ("classification", weights, 20),
            ("regression", weights, 3),
            ("classification", negated, 20),
        ]
    }
    assert len(masks) == 1
