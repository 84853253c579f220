"""PHEW's walks: their chances by hand, and what is left of paths in its masks."""

from __future__ import annotations

import pytest
import torch
from builders import tiny_problem
from plantkit_baselines.phew import PhewPruner, by_channels, entries_walked, walk

from plantkit.networks.connectivity import connectivity
from plantkit.testing.problems import make_problem


def test_chances_are_proportional_to_magnitudes():
    """Unit 0 goes on to units 0, 1, 2 with chances 0.6, 0.3, 0.1; unit 1 always to unit 2."""
    weights = torch.tensor([[6.0, 0.0], [3.0, 0.0], [1.0, 7.0]])
    first, second = walk([weights], 40_000, torch.Generator().manual_seed(0))
    assert float((first == 0).double().mean()) == pytest.approx(0.5, abs=0.01)
    for unit, chance in enumerate((0.6, 0.3, 0.1)):
        share = float((second[first == 0] == unit).double().mean())
        assert share == pytest.approx(chance, abs=0.012)
    assert bool((second[first == 1] == 2).all())


def test_a_unit_that_only_zeros_leave_goes_on_anywhere():
    _, second = walk([torch.zeros(3, 1)], 3000, torch.Generator().manual_seed(0))
    assert sorted(second.unique().tolist()) == [0, 1, 2]


@pytest.mark.parametrize("seed", range(3))
def test_all_but_the_last_walk_lie_on_paths(seed):
    problem = tiny_problem(widths=(3, 30, 30, 30, 4), density=0.02)
    mask = PhewPruner(biases=False).prune(problem, 0.02, seed=seed)
    assert mask.kept == problem.budget
    effective = connectivity(problem.network, mask).effective_density * problem.network.total
    assert round(effective) > problem.budget - 4  # a walk takes four steps
    assert not any(bool(mask[f"layers.{layer}.bias"].any()) for layer in range(4))


def test_a_network_of_one_path_is_walked_along_it():
    """All weights but one a layer are zero: walks cannot leave the path."""
    problem = tiny_problem("regression", widths=(1, 5, 5, 1), density=3 / 46)
    weights = {name: torch.zeros_like(value) for name, value in problem.weights.items()}
    weights["layers.0.weight"][2, 0] = -1.0
    weights["layers.1.weight"][4, 2] = 0.5
    weights["layers.2.weight"][0, 4] = 3.0
    mask = PhewPruner(biases=False).prune(problem.with_weights(weights), 3 / 46, seed=0)
    assert all(torch.equal(mask[name], value != 0) for name, value in weights.items())


def test_walks_take_the_biases_of_the_units_that_they_reach_along():
    problem = tiny_problem("regression", widths=(1, 5, 5, 1), density=6 / 46)
    weights = {name: torch.zeros_like(value) for name, value in problem.weights.items()}
    weights["layers.0.weight"][2, 0] = weights["layers.1.weight"][4, 2] = 1.0
    weights["layers.2.weight"][0, 4] = 1.0
    mask = PhewPruner().prune(problem.with_weights(weights), 6 / 46, seed=0)
    for layer, unit in enumerate((2, 4, 0)):
        name = f"layers.{layer}"
        assert torch.equal(mask[f"{name}.weight"], weights[f"{name}.weight"] != 0)
        assert mask[f"{name}.bias"].nonzero().tolist() == [[unit]]


def test_walks_in_kernels_go_along_one_entry_by_hand():
    """Kernel of channel 0 to 1: entries 0 and 3, with chances 0.75 and 0.25."""
    kernels = torch.zeros(2, 1, 9)
    kernels[1, 0, 0], kernels[1, 0, 3] = 3.0, 1.0
    visited = [torch.zeros(10_000, dtype=torch.int64), torch.ones(10_000, dtype=torch.int64)]
    (places,) = entries_walked([kernels], visited, torch.Generator().manual_seed(0))
    assert sorted(places.unique().tolist()) == [9, 12]  # behind the nine entries to channel 0
    assert float((places == 9).double().mean()) == pytest.approx(0.75, abs=0.02)


def test_a_channel_stands_for_its_pixels():
    weights = [torch.ones(4, 2, 3, 3), torch.ones(5, 4 * 6), torch.ones(3, 5)]
    assert [tuple(kernel.shape) for kernel in by_channels(weights)] == [
        (4, 2, 9),
        (5, 4, 6),
        (3, 5, 1),
    ]


def test_walks_through_convolutions_lie_on_paths():
    problem = make_problem("convolution")
    budget = 40
    mask = PhewPruner(biases=False).prune(problem, budget / problem.network.total, seed=0)
    assert mask.kept == budget
    assert all(bool(mask[f"layers.{layer}.weight"].any()) for layer in problem.network.layers)
    assert not any(bool(mask[f"layers.{layer}.bias"].any()) for layer in problem.network.layers)


def test_walks_through_shortcuts_take_their_weights_along():
    problem = make_problem("residual")
    network, budget = problem.network, 30
    mask = PhewPruner(biases=False).prune(problem, budget / network.total, seed=0)
    assert mask.kept == budget
    effective = connectivity(network, mask).effective_density * network.total
    assert round(effective) > budget - 7  # a walk takes seven steps, one of them a shortcut's
    # Whatever channels the shortcut leads from and to, walks have been there.
    for end, start in mask["layers.5.weight"][:, :, 0, 0].nonzero().tolist():
        assert bool(mask["layers.4.weight"][end].any())
        assert bool(mask["layers.3.weight"][:, start].any())
