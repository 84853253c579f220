"""Annealing: the best mask seen is kept, and no swap improves the answer."""

from __future__ import annotations

import pytest
import torch
from builders import plain_problem, tiny_problem
from plantkit_baselines.annealing import CHAINS, AnnealingPruner, Judge, annealed, better

from plantkit import FrozenNetwork

WIDTHS = (2, 4, 3)  # 27 parameters


def all_swaps(mask):
    """Returns all masks (runs, total) that are one swap away."""
    found = []
    for out in mask.nonzero().squeeze(1):
        for new in (~mask).nonzero().squeeze(1):
            swapped = mask.clone()
            swapped[out], swapped[new] = False, True
            found.append(swapped)
    return torch.stack(found)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_losses_of_many_masks_are_those_of_each(kind):
    problem = tiny_problem(kind, widths=WIDTHS)
    network, judge = FrozenNetwork(problem), Judge(problem, problem.train)
    masks = torch.rand(5, 27, generator=torch.Generator().manual_seed(0)) < 0.6
    expected = [float(network.loss(mask.float(), problem.train).detach()) for mask in masks]
    torch.testing.assert_close(judge.losses(masks), torch.tensor(expected))


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_swaps_go_down_to_a_mask_that_no_swap_improves(kind):
    problem = tiny_problem(kind, widths=WIDTHS, count=60)
    judge, generator = Judge(problem, problem.train), torch.Generator().manual_seed(1)
    mask = torch.rand(27, generator=generator) < 0.5
    loss = float(judge.losses(mask.unsqueeze(0))[0])
    seen = [loss]
    while True:
        swapped, lower = better(judge, mask, loss, generator)
        if lower == loss:
            break
        assert int((swapped != mask).sum()) == 2
        assert int(swapped.sum()) == int(mask.sum())
        mask, loss = swapped, lower
        seen.append(loss)
    assert len(seen) > 3
    assert seen == sorted(seen, reverse=True)
    neighbours = all_swaps(mask)
    assert float(judge.losses(neighbours).min()) >= loss - 1e-6


def test_annealing_keeps_the_number_of_parameters_and_gives_the_best_that_it_has_seen(monkeypatch):
    problem = tiny_problem("regression", widths=WIDTHS, count=60)
    judge, generator = Judge(problem, problem.train), torch.Generator().manual_seed(1)
    mask = torch.rand(27, generator=generator) < 0.5
    seen, compute = [], judge.losses

    def spy(masks):
        assert set(masks.sum(dim=1).tolist()) == {int(mask.sum())}
        losses = compute(masks)
        seen.append(losses)
        return losses

    monkeypatch.setattr(judge, "losses", spy)
    best, loss = annealed(judge, mask, 50, generator)
    assert len(seen) == 52  # the start, the steps, and the answer
    assert {len(losses) for losses in seen[1:-1]} == {CHAINS}
    assert loss == pytest.approx(min(float(losses.min()) for losses in seen), rel=1e-5)
    assert float(compute(best.unsqueeze(0))[0]) == loss < float(seen[0][0])
    # Hot chains accept swaps that raise the loss: they drift apart.
    assert float(seen[10].max()) > float(seen[0][0])


@pytest.mark.parametrize("seed", range(3))
def test_finds_the_one_parameter_that_is_right(seed):
    mask = AnnealingPruner(effort=0.1).prune(plain_problem(), 0.25, seed=seed)
    assert mask["layers.0.weight"].tolist() == [[False, True, False]]


def test_impossible_options_are_refused():
    with pytest.raises(ValueError, match="effort is 0; expected more than 0"):
        AnnealingPruner(effort=0)
