"""Gates: the law of the hard concrete distribution, the threshold, and plain answers."""

from __future__ import annotations

import math

import pytest
import torch
from builders import plain_problem, tiny_problem
from hypothesis import given, settings
from hypothesis import strategies as st
from plantkit_baselines.continuous_sparsification import ContinuousSparsificationPruner
from plantkit_baselines.gates import GatesPruner, hard_gates, threshold
from plantkit_baselines.supermask import SupermaskPruner

from plantkit import FrozenNetwork


@settings(max_examples=60, deadline=None)
@given(
    share=st.floats(0.001, 0.999),
    sharpness=st.sampled_from([1.0, 5.0, 30.0]),
    start=st.floats(-100, 100),
    seed=st.integers(0, 99),
)
def test_the_threshold_meets_the_budget_from_anywhere(share, sharpness, start, seed):
    logits = torch.randn(500, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    cut = threshold(logits, 500 * share, sharpness, start)
    assert float(torch.sigmoid(sharpness * (logits - cut)).sum()) == pytest.approx(
        500 * share, rel=1e-3
    )


def test_the_threshold_by_hand():
    # Two logits at 0 and 2: by symmetry the cut 1 opens one of them in expectation.
    assert threshold(torch.tensor([0.0, 2.0]), 1.0, 5.0, 0.0) == pytest.approx(1.0, abs=0.01)


def test_shares_of_gates_that_are_shut_and_open():
    """At distance 0 a gate is 0, or 1, with probability σ(0.67 ln(0.1 / 1.1)) each."""
    noise = torch.rand(200_000, generator=torch.Generator().manual_seed(0))
    gates = hard_gates(torch.zeros(200_000), noise.clamp(1e-6, 1 - 1e-6))
    expected = 1 / (1 + math.exp(-0.67 * math.log(0.1 / 1.1)))  # 0.1671
    assert float((gates == 0).double().mean()) == pytest.approx(expected, abs=0.004)
    assert float((gates == 1).double().mean()) == pytest.approx(expected, abs=0.004)
    assert float(gates.double().mean()) == pytest.approx(0.5, abs=0.004)
    assert hard_gates(torch.tensor([9.0, -9.0]), torch.tensor([0.5, 0.5])).tolist() == [1.0, 0.0]


def test_a_supermask_is_drawn_and_passes_the_gradient_of_its_chances():
    distances = torch.tensor([0.0, 2.0, -1.0]).repeat_interleave(50_000).requires_grad_()
    noise = torch.rand(150_000, generator=torch.Generator().manual_seed(0))
    gates = SupermaskPruner().open_gates(distances, noise, 0.5)
    chances = torch.sigmoid(torch.tensor([0.0, 2.0, -1.0]))
    assert set(gates.tolist()) == {0.0, 1.0}
    torch.testing.assert_close(gates.detach().view(3, -1).mean(dim=1), chances, atol=0.01, rtol=0)
    (slopes,) = torch.autograd.grad(gates.sum(), distances)
    torch.testing.assert_close(slopes.view(3, -1)[:, 0], chances * (1 - chances))


def test_gates_of_continuous_sparsification_by_hand():
    pruner = ContinuousSparsificationPruner(hardness=16.0)
    distances, noise = torch.tensor([math.log(3), -1.0]), torch.tensor([0.1, 0.9])
    assert float(pruner.open_gates(distances, noise, 0.0)[0]) == pytest.approx(0.75)
    # Half of the way the slope is 4: odds of 3 to the fourth, 81 to 1.
    assert float(pruner.open_gates(distances, noise, 0.5)[0]) == pytest.approx(81 / 82)
    assert float(pruner.open_gates(distances, noise, 1.0)[1]) < 1e-6
    with pytest.raises(ValueError, match=r"hardness is 0\.5; expected at least 1"):
        ContinuousSparsificationPruner(hardness=0.5)


@pytest.mark.parametrize("kind", [GatesPruner, SupermaskPruner, ContinuousSparsificationPruner])
@pytest.mark.parametrize("seed", range(2))
def test_finds_the_one_parameter_that_is_right(kind, seed):
    mask = kind(effort=4.0).prune(plain_problem(), 0.25, seed=seed)
    assert mask["layers.0.weight"].tolist() == [[False, True, False]]
    assert mask["layers.0.bias"].tolist() == [False]


@pytest.mark.slow
def test_a_longer_search_fits_the_training_data_better_than_chance():
    problem = tiny_problem("classification", widths=(2, 20, 20, 3), density=0.15, count=200)
    network = FrozenNetwork(problem)
    found = GatesPruner(effort=8.0).prune(problem, 0.15, seed=0)
    reached = network.accuracy(found.vector(problem.network))
    generator = torch.Generator().manual_seed(1)
    by_chance = max(
        network.accuracy(torch.rand(problem.network.total, generator=generator) < 0.15)
        for _ in range(20)
    )
    assert reached > by_chance + 0.1


@pytest.mark.parametrize("option", ["effort", "learning_rate", "sharpness", "batch_size"])
def test_impossible_options_are_refused(option):
    with pytest.raises(ValueError, match=f"{option} is 0; expected more than 0"):
        GatesPruner(**{option: 0})
