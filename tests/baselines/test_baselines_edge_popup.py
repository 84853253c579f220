"""Edge-popup against one step written out and a network whose answer is plain."""

from __future__ import annotations

import pytest
import torch
from builders import plain_problem, tiny_problem
from plantkit_baselines.edge_popup import EdgePopupPruner, initial_scores, popped

from plantkit import FrozenNetwork, Samples

WIDTHS = (2, 5, 4, 3)


def test_gates_are_the_mask_and_pass_gradients_to_all_scores():
    scores = torch.tensor([0.5, -2.0, 1.0], requires_grad=True)
    mask = torch.tensor([False, True, True])
    gates = popped(scores, mask)
    assert gates.tolist() == [0.0, 1.0, 1.0]
    (gates * torch.tensor([3.0, 5.0, -7.0])).sum().backward()
    assert scores.grad.tolist() == [3.0, -5.0, -7.0]  # d|s|/ds is the sign


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_one_step_by_hand(kind):
    """One step of SGD from the initial scores, its gradient by finite differences of the gates."""
    problem = tiny_problem(kind, widths=WIDTHS, density=0.5, count=20)
    scores = initial_scores(problem)
    kept = scores.abs() >= scores.abs().sort(descending=True).values[26]  # 27 of 54
    network = FrozenNetwork(problem)
    network.weights = network.weights.double()
    data = problem.train
    targets = data.targets.double() if kind == "regression" else data.targets
    exact = Samples(inputs=data.inputs.double(), targets=targets)
    here = float(network.loss(kept.double(), exact).detach())
    sides = torch.zeros(2, 54, dtype=torch.float64)
    for index in range(54):
        for side, size in enumerate((1e-7, -1e-7)):
            gates = kept.double()
            gates[index] += size
            sides[side, index] = (float(network.loss(gates, exact).detach()) - here) / size
    # A unit without any kept input sits in the corner of its ReLU, and an output that is zero
    # has no scale: torch takes the slope 0 there.
    smooth = (sides[0] - sides[1]).abs() < 1e-4
    assert int(smooth.sum()) >= 47
    gradient = torch.where(smooth, sides.mean(dim=0), 0.0)
    expected = scores - 0.1 * (gradient * scores.sign() + 0.0005 * scores)
    mask = EdgePopupPruner(epochs=1, annealed=False).prune(problem, 0.5, seed=0)
    found = torch.cat([value.flatten() for value in mask.saliency.values()])
    torch.testing.assert_close(found, expected.abs().float(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("annealed", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_finds_the_one_parameter_that_is_right(annealed, seed):
    mask = EdgePopupPruner(annealed=annealed).prune(plain_problem(), 0.25, seed=seed)
    assert mask["layers.0.weight"].tolist() == [[False, True, False]]
    assert mask["layers.0.bias"].tolist() == [False]


def test_annealing_lowers_the_density_from_epoch_to_epoch(monkeypatch):
    problem = tiny_problem(widths=WIDTHS, density=0.25, count=64)
    counts = []
    choose = EdgePopupPruner._select

    def spy(self, network, scores, budget):
        counts.append(budget)
        return choose(self, network, scores, budget)

    monkeypatch.setattr(EdgePopupPruner, "_select", spy)
    EdgePopupPruner(epochs=2).prune(problem, 0.25, seed=0)
    assert counts == [27, 27, 13, 13, 13]  # two steps an epoch, then the answer


def test_layers_keep_the_published_share():
    problem = tiny_problem(widths=WIDTHS, density=0.5)
    mask = EdgePopupPruner(scope="layerwise").prune(problem, 0.5, seed=0)
    kept = [sum(int(mask[f"layers.{i}.{k}"].sum()) for k in ("weight", "bias")) for i in range(3)]
    assert kept == [8, 12, 7]  # half of 15, 24 and 15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scope": "local"}, "local"),
        ({"epochs": 0}, "epochs is 0; expected at least 1"),
        ({"learning_rate": 0.0}, r"learning_rate is 0\.0; expected a positive number"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EdgePopupPruner(**options)
