"""ProsPr and NTK-SAP against finite differences of their own definitions."""

from __future__ import annotations

import pytest
import torch
from builders import tiny_problem
from plantkit_baselines.ntk_sap import NtkSapPruner, response_sensitivity
from plantkit_baselines.prospr import ProsprPruner, meta_gradient
from plantkit_baselines.snip import SnipPruner

from plantkit import PerceptronSpec, Problem, Samples
from plantkit.networks.tasks import make_task

WIDTHS = (2, 5, 4, 3)


def line_problem():
    """y = w x with w = 2 on the sample (1, 3): the loss is (w - 3)²."""
    spec = PerceptronSpec(widths=(1, 1))
    return Problem(
        name="line",
        network=spec,
        task=make_task("regression", 1),
        weights={"layers.0.weight": torch.tensor([[2.0]]), "layers.0.bias": torch.zeros(1)},
        train=Samples(inputs=torch.ones(1, 1), targets=torch.full((1, 1), 3.0)),
        density=0.5,
    )


def test_prospr_by_hand():
    """Through w and b the output is w + b, and one step of rate η moves it by -4 η (out - 3).

    So out_1 - 3 = (1 - 4 η)(2 c - 3), L = its square, and ∂L/∂c at 1 is
    2 (1 - 4 η)² (-1) 2 = -4 (1 - 4 η)²: for η = 0.1 that is -1.44.
    """
    problem = line_problem()
    found = meta_gradient(problem, [problem.train, problem.train], 0.1)
    assert float(found["layers.0.weight"]) == pytest.approx(-1.44)
    assert float(found["layers.0.bias"]) == 0.0  # a factor on zero changes nothing
    assert float(ProsprPruner(steps=1).saliency(problem, seed=0)["layers.0.weight"]) == (
        pytest.approx(1.44)
    )


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_prospr_without_a_step_is_snip(kind):
    problem = tiny_problem(kind, widths=WIDTHS)
    found = ProsprPruner(steps=0).saliency(problem, seed=0)
    expected = SnipPruner().saliency(problem, seed=0)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_ntk_sap_by_hand():
    """y = m w x: the outputs move by m ε δ x, so Σ of squares is (m ε δ x)² and half its slope
    by m is (ε δ x)²."""
    problem = line_problem()
    weights = {"layers.0.weight": torch.tensor([[5.0]]), "layers.0.bias": torch.zeros(1)}
    changes = {"layers.0.weight": torch.tensor([[0.5]]), "layers.0.bias": torch.zeros(1)}
    mask = {name: torch.ones(value.shape) for name, value in weights.items()}
    found = response_sensitivity(problem.module(), weights, changes, mask, torch.tensor([[3.0]]))
    assert float(found["layers.0.weight"]) == pytest.approx(2 * (0.5 * 3) ** 2)
    assert float(found["layers.0.bias"]) == 0.0


@pytest.mark.slow
def test_ntk_sap_uses_neither_data_nor_weights():
    problem = tiny_problem(widths=WIDTHS, count=20)
    negated = {name: -value for name, value in problem.weights.items()}
    other = tiny_problem(widths=WIDTHS, count=7, weights=negated)
    masks = [
        NtkSapPruner(iterations=5).prune(each, 0.3, seed=2).vector(problem.network)
        for each in (problem, other)
    ]
    assert torch.equal(*masks)


def test_ntk_sap_drops_nothing_that_it_needs_later():
    problem = tiny_problem(widths=WIDTHS)
    mask = NtkSapPruner(iterations=9, scope="layerwise").prune(problem, 0.3, seed=0)
    assert mask.kept == 16
    saliency = torch.cat([value.flatten() for value in mask.saliency.values()])
    assert int((saliency == -1).sum()) < 54 - 16  # the last round still had a choice
    assert float(saliency[mask.vector(problem.network)].min()) >= 0


@pytest.mark.parametrize(
    ("pruner", "options", "message"),
    [
        (ProsprPruner, {"steps": -1}, "steps is -1; expected 0 or more"),
        (ProsprPruner, {"learning_rate": 0.0}, "expected a positive number"),
        (NtkSapPruner, {"iterations": 0}, "iterations is 0; expected at least 1"),
        (NtkSapPruner, {"draws": 0}, "draws is 0; expected at least 1"),
        (NtkSapPruner, {"epsilon": 0.0}, "expected a positive number"),
    ],
)
def test_impossible_options_are_refused(pruner, options, message):
    with pytest.raises(ValueError, match=message):
        pruner(**options)
