"""SNIP against a worked example and finite differences."""

from __future__ import annotations

import pytest
import torch
from builders import tiny_problem
from plantkit_baselines.snip import SnipPruner, connection_sensitivity

KINDS = ("classification", "regression")


def exact_parts(problem):
    """Returns module, inputs and targets in double precision."""
    data = problem.train
    targets = data.targets.double() if data.targets.is_floating_point() else data.targets
    return problem.module().double(), data.inputs.double(), targets


def test_one_linear_unit_by_hand():
    # f(x) = w x + b, one sample: |w dL/dw| = |w 2 (w x + b - y) x| and |b dL/db| likewise.
    module = torch.nn.Linear(1, 1).double()
    with torch.no_grad():
        module.weight.fill_(-3.0)
        module.bias.fill_(0.5)
    x, y = torch.tensor([[2.0]]).double(), torch.tensor([[1.0]]).double()
    sensitivity = connection_sensitivity(module, torch.nn.functional.mse_loss, x, y)
    residual = -3.0 * 2.0 + 0.5 - 1.0  # -6.5
    assert sensitivity["weight"].item() == pytest.approx(abs(-3.0 * 2 * residual * 2.0))
    assert sensitivity["bias"].item() == pytest.approx(abs(0.5 * 2 * residual))


@pytest.mark.parametrize("kind", KINDS)
def test_sensitivities_equal_finite_differences_of_a_factor_on_each_parameter(kind):
    problem = tiny_problem(kind)
    module, inputs, targets = exact_parts(problem)
    sensitivity = connection_sensitivity(module, problem.loss, inputs, targets)
    step = 1e-5
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            for index in range(parameter.numel()):
                entry = parameter.view(-1)[index]
                start = entry.item()
                losses = []
                for factor in (1 + step, 1 - step):
                    entry.fill_(start * factor)
                    losses.append(problem.loss(module(inputs), targets).item())
                entry.fill_(start)
                slope = (losses[0] - losses[1]) / (2 * step)
                found = sensitivity[name].view(-1)[index].item()
                assert found == pytest.approx(abs(slope), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_pruner_scores_all_training_data_as_one_batch(kind):
    problem = tiny_problem(kind)
    saliency = SnipPruner().saliency(problem, seed=0)
    module, inputs, targets = exact_parts(problem)
    expected = connection_sensitivity(module, problem.loss, inputs, targets)
    assert all(torch.equal(saliency[name], expected[name]) for name in expected)
    # The mean over samples of the signed slopes: halves of the data average to the whole.
    slopes = [
        torch.autograd.grad(
            problem.loss(module(inputs[part]), targets[part]), list(module.parameters())
        )
        for part in (slice(0, 10), slice(10, 20))
    ]
    for (name, parameter), first, second in zip(module.named_parameters(), *slopes, strict=True):
        mean = (parameter.detach() * (first + second) / 2).abs()
        torch.testing.assert_close(saliency[name], mean)


def test_a_parameter_that_the_loss_does_not_see_has_no_saliency():
    problem = tiny_problem()
    weights = problem.weights
    weights["layers.0.bias"][1] = -100.0  # the unit never fires
    saliency = SnipPruner().saliency(tiny_problem(weights=weights), seed=0)
    assert not bool(saliency["layers.0.weight"][1].any())
    assert saliency["layers.0.bias"][1] == 0
    assert not bool(saliency["layers.1.weight"][:, 1].any())
