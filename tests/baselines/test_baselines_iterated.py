"""LAMP, iterative SNIP and FORCE against saliencies computed by hand."""

from __future__ import annotations

import pytest
import torch
from builders import tiny_problem
from plantkit_baselines.force import ForcePruner, foresight_sensitivity
from plantkit_baselines.iter_snip import IterativeSnipPruner
from plantkit_baselines.lamp import LampPruner, adaptive_magnitude
from plantkit_baselines.snip import SnipPruner

from plantkit import PerceptronSpec, Problem, Samples
from plantkit.networks.tasks import make_task

WIDTHS = (2, 5, 4, 3)
SPEC = PerceptronSpec(widths=WIDTHS)


# --- LAMP


def test_lamp_by_hand():
    # Squares 1, 9, 4, 4: 9/9; of the equal ones the first over 9 + 4, the second over 9 + 4 + 4.
    found = adaptive_magnitude(torch.tensor([[-1.0, 3.0], [2.0, -2.0]]))
    assert found.flatten().tolist() == pytest.approx([1 / 18, 1.0, 4 / 13, 4 / 17])
    assert adaptive_magnitude(torch.zeros(3)).tolist() == [0.0, 0.0, 0.0]


def test_lamp_does_not_depend_on_the_scale_of_a_layer():
    problem = tiny_problem(widths=WIDTHS)
    weights = problem.weights
    for kind in ("weight", "bias"):
        weights[f"layers.1.{kind}"] *= 1000
    scaled = tiny_problem(widths=WIDTHS, weights=weights)
    masks = [LampPruner().prune(each, 0.3, seed=0).vector(SPEC) for each in (problem, scaled)]
    assert torch.equal(*masks)


def test_lamp_drops_no_tensor_before_every_other_is_down_to_one():
    problem = tiny_problem(widths=WIDTHS)
    mask = LampPruner().prune(problem, 6 / 54, seed=0)
    assert [int(value.sum()) for value in mask.values()] == [1] * 6


# --- FORCE and iterative SNIP


def line_problem(weights, density, gain=1.0):
    """A linear network 2-1 and y = gain x1 on samples (1, 0) and (0, 1)."""
    spec = PerceptronSpec(widths=(2, 1))
    return Problem(
        name="line",
        network=spec,
        task=make_task("regression", 1),
        weights={
            "layers.0.weight": torch.tensor([weights]),
            "layers.0.bias": torch.zeros(1),
        },
        train=Samples(inputs=torch.eye(2), targets=torch.tensor([[gain], [0.0]])),
        density=density,
    )


def test_force_scores_what_was_dropped_by_hand():
    """L = ((w1 - 3)² + w2²) / 2: at w1 = 0 its slope is -3, so a dropped w1 = 2 scores 6."""
    problem = line_problem([2.0, 1.0], 1 / 3, gain=3.0)
    mask = {
        "layers.0.weight": torch.tensor([[False, True]]),
        "layers.0.bias": torch.tensor([False]),
    }
    found = foresight_sensitivity(problem, mask)
    assert found["layers.0.weight"].tolist() == [[6.0, 1.0]]
    # SNIP, at w1 = 2, sees the slope -1 only.
    assert SnipPruner().saliency(problem, seed=0)["layers.0.weight"].tolist() == [[2.0, 1.0]]


def test_a_parameter_comes_back_with_force_and_not_with_iterative_snip():
    """w = (3, 2) and y = 3 x1: at w1 = 3 the slope is 0, so the first round drops w1."""
    problem = line_problem([3.0, 2.0], 1 / 3, gain=3.0)
    assert SnipPruner().saliency(problem, seed=0)["layers.0.weight"].tolist() == [[0.0, 4.0]]
    # Round 1 of 2 keeps one of three parameters, w2. Then w1 scores 3 x 3 = 9, w2 still 4.
    assert ForcePruner(iterations=2).prune(problem, 1 / 3, seed=0)["layers.0.weight"].tolist() == [
        [True, False]
    ]
    assert IterativeSnipPruner(rounds=2).prune(problem, 1 / 3, seed=0)[
        "layers.0.weight"
    ].tolist() == [[False, True]]


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_one_round_of_either_is_snip(kind):
    problem = tiny_problem(kind, widths=WIDTHS)
    expected = SnipPruner().prune(problem, 0.3, seed=0).vector(SPEC)
    for pruner in (ForcePruner(iterations=1), IterativeSnipPruner(rounds=1)):
        assert torch.equal(pruner.prune(problem, 0.3, seed=0).vector(SPEC), expected)


def test_impossible_options_are_refused():
    with pytest.raises(ValueError, match="iterations is 0; expected at least 1"):
        ForcePruner(iterations=0)
