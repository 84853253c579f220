"""Gem-Miner against its paper's statements, one step written out, and a network of plain answer."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from builders import plain_problem, tiny_problem
from plantkit_baselines.gem_miner import GemMinerPruner, rounded

from plantkit import FrozenNetwork

WIDTHS = (2, 5, 4, 3)  # 54 parameters


def search(monkeypatch, problem, density, **options):
    """Returns the scores, what was available, and the answer of every freezing, in order."""
    seen = []
    freeze = GemMinerPruner._lowest_frozen

    def spy(self, network, scores, available, budget):
        mask = freeze(self, network, scores, available, budget)
        seen.append((scores.clone(), available, mask.vector(problem.network)))
        return mask

    monkeypatch.setattr(GemMinerPruner, "_lowest_frozen", spy)
    GemMinerPruner(**options).prune(problem, density, seed=0)
    return seen


def test_scores_round_to_the_mask_and_gradients_go_straight_through():
    scores = torch.tensor([0.0, 0.49, 0.51, 1.0, 0.9], requires_grad=True)
    available = torch.tensor([True, True, True, True, False])
    mask = rounded(scores, available)
    assert mask.tolist() == [0, 0, 1, 1, 0]
    (mask * torch.tensor([2.0, 3.0, 5.0, 7.0, 11.0])).sum().backward()
    assert scores.grad.tolist() == [2, 3, 5, 7, 0]  # what is frozen learns nothing


def test_scores_start_uniform_and_stay_between_zero_and_one(monkeypatch):
    problem = tiny_problem(widths=(2, 60, 60, 3), density=0.2, count=64)
    # A step that moves no score by much, then steps that would throw them out of the interval.
    ((start, _, _),) = search(monkeypatch, problem, 0.2, epochs=1, parts=1, learning_rate=1e-9)
    counts = torch.histc(start, bins=4, min=0, max=1)
    expected, spread = len(start) / 4, (len(start) * 3 / 16) ** 0.5
    assert bool(((counts - expected).abs() < 5 * spread).all())
    ((end, _, _),) = search(monkeypatch, problem, 0.2, epochs=1, parts=1, learning_rate=1e4)
    assert 0 == float(end.min()) < float(end.max()) == 1


def test_shares_fall_exponentially_and_what_is_frozen_never_returns(monkeypatch):
    problem = tiny_problem(widths=WIDTHS, density=0.25, count=64)
    seen = search(monkeypatch, problem, 0.25, epochs=4, parts=4, learning_rate=1.0)
    # 54 x 0.25^(r/4), rounded down
    assert [int(mask.sum()) for _, _, mask in seen] == [38, 27, 19, 13]
    for (scores, available, mask), (_, later, _) in pairwise(seen):
        assert torch.equal(later, mask)
        assert bool((mask <= available).all())
        # The lowest of those that were left are frozen.
        assert float(scores[available & ~mask].max()) <= float(scores[mask].min())


def test_one_step_by_hand():
    """One step from the initial scores, its gradient by finite differences of the gates."""
    problem = tiny_problem("regression", widths=(2, 3, 1), density=0.5, count=20)
    total = problem.network.total
    scores = torch.rand(total, generator=problem.generator)
    network = FrozenNetwork(problem)
    network.weights = network.weights.double()
    data = problem.train
    exact = type(data)(inputs=data.inputs.double(), targets=data.targets.double())
    gates = (scores > 0.5).double()

    def loss(index, size):
        moved = gates.clone()
        moved[index] += size
        return float(network.loss(moved, exact).detach())

    ahead = torch.tensor([loss(i, 1e-6) - loss(i, 0) for i in range(total)]) / 1e-6
    behind = torch.tensor([loss(i, 0) - loss(i, -1e-6) for i in range(total)]) / 1e-6
    smooth = (ahead - behind).abs() < 1e-4  # elsewhere a unit sits in the corner of its ReLU
    assert int(smooth.sum()) >= total - 5
    expected = (scores - 0.01 * ((ahead + behind) / 2 + 2 * 0.3 * scores)).clamp(0, 1)
    mask = GemMinerPruner(epochs=1, parts=1, learning_rate=0.01, regularization=0.3).prune(
        problem, 0.5, seed=0
    )
    found = torch.cat([value.flatten() for value in mask.saliency.values()])
    torch.testing.assert_close(found[smooth], expected[smooth].float(), atol=1e-5, rtol=1e-4)


def test_the_penalty_on_scores_pulls_them_all_down(monkeypatch):
    problem = tiny_problem(widths=WIDTHS, density=0.25, count=64)
    ends = [
        search(monkeypatch, problem, 0.25, parts=1, regularization=weight)[0][0]
        for weight in (0.0, 0.1)
    ]
    assert float(ends[1].mean()) < float(ends[0].mean()) / 2


# In these draws some of the four scores round to 1: an empty network has no gradient.
@pytest.mark.parametrize("seed", [0, 3, 5, 6])
def test_finds_the_one_parameter_that_is_right(seed):
    # Two long parts: a short one would freeze what the draw of the scores happens to put last.
    mask = GemMinerPruner(epochs=40, parts=2).prune(plain_problem(), 0.25, seed=seed)
    assert mask["layers.0.weight"].tolist() == [[False, True, False]]
    assert mask["layers.0.bias"].tolist() == [False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs is 0; expected at least 1"),
        ({"parts": 0}, "parts is 0; expected at least 1"),
        ({"learning_rate": 0.0}, r"learning_rate is 0\.0; expected a positive number"),
        ({"regularization": -1.0}, r"regularization is -1\.0; expected 0 or more"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GemMinerPruner(**options)
