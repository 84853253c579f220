"""The controls keep of another method's mask what they say, and nothing else."""

from __future__ import annotations

import pytest
import torch
from builders import tiny_problem
from plantkit_baselines.inverted import InvertedPruner
from plantkit_baselines.magnitude import MagnitudePruner
from plantkit_baselines.reinitialised import ReinitialisedPruner, other_weights
from plantkit_baselines.shuffled import ShuffledPruner
from plantkit_baselines.snip import SnipPruner

from plantkit import PerceptronSpec

WIDTHS = (2, 30, 20, 3)
SPEC = PerceptronSpec(widths=WIDTHS)


def vector(mask):
    return torch.cat([mask[name].flatten() for name in SPEC.shapes])


def test_inverted_magnitude_keeps_the_smallest():
    problem = tiny_problem(widths=WIDTHS)
    kept = vector(InvertedPruner().prune(problem, 0.3, seed=0))
    values = torch.cat([value.flatten().abs() for value in problem.weights.values()])
    assert float(values[kept].max()) <= float(values[~kept].min())


def test_half_and_inverted_half_are_the_whole():
    problem = tiny_problem(widths=WIDTHS, density=0.5)  # 90 + 620 + 63 = 773, 386 of them kept
    own = vector(SnipPruner().prune(problem, 0.5, seed=0))
    other = vector(InvertedPruner(method="snip").prune(problem, 0.5, seed=0))
    dead = SnipPruner().saliency(problem, seed=0)
    ties = int((torch.cat([v.flatten() for v in dead.values()]) == 0).sum())
    assert ties < 300
    assert not bool((own & other).any())


def test_a_shuffled_mask_keeps_as_much_of_every_tensor_elsewhere():
    problem = tiny_problem(widths=WIDTHS)
    found = SnipPruner().prune(problem, 0.3, seed=0)
    masks = [ShuffledPruner(method="snip").prune(problem, 0.3, seed=seed) for seed in (0, 1)]
    for mask in masks:
        assert {name: int(value.sum()) for name, value in mask.items()} == {
            name: int(value.sum()) for name, value in found.items()
        }
        # A random 30% of what the method keeps is kept again, give or take.
        assert float((vector(mask) & vector(found)).sum()) < 0.6 * found.kept
    assert not torch.equal(vector(masks[0]), vector(masks[1]))


def test_the_mask_is_found_on_another_draw():
    problem = tiny_problem(widths=WIDTHS)
    mask = ReinitialisedPruner(method="magnitude").prune(problem, 0.3, seed=0)
    drawn = other_weights(problem.at(density=0.3, seed=0))
    expected = MagnitudePruner().prune(problem.with_weights(drawn), 0.3, seed=0)
    assert torch.equal(vector(mask), vector(expected))
    assert not torch.equal(vector(mask), vector(MagnitudePruner().prune(problem, 0.3, seed=0)))


def test_the_other_draw_has_the_scale_of_every_tensor():
    problem = tiny_problem(widths=(2, 300, 300, 3))
    for name, value in other_weights(problem).items():
        if value.numel() > 500:
            expected = float(problem.weights[name].square().mean().sqrt())
            assert float(value.square().mean().sqrt()) == pytest.approx(expected, rel=0.1)
            assert abs(float(value.mean())) < 0.15 * expected
    again = other_weights(problem)
    assert all(torch.equal(value, again[name]) for name, value in other_weights(problem).items())


@pytest.mark.parametrize("control", [InvertedPruner, ReinitialisedPruner, ShuffledPruner])
def test_an_unknown_method_is_refused(control):
    with pytest.raises(ValueError, match="method is 'magnitud'; expected a reference pruner"):
        control(method="magnitud")
    with pytest.raises(ValueError, match="expected a reference pruner"):
        control(method="__init__")


def test_a_method_without_saliency_cannot_be_inverted():
    with pytest.raises(ValueError, match="method is 'imp', which has no saliency"):
        InvertedPruner(method="imp")
