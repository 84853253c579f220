"""GraSP against a worked example, finite differences, and removal by brute force."""

from __future__ import annotations

import pytest
import torch
from builders import tiny_problem
from plantkit_baselines.grasp import GraspPruner, hessian_gradient

KINDS = ("classification", "regression")


class ExactNetwork:
    """A problem's network and data in double precision, with its gradient and gradient flow."""

    def __init__(self, problem, temperature):
        self.problem, self.temperature = problem, temperature
        self.module = problem.module().double()
        self.inputs = problem.train.inputs.double()
        targets = problem.train.targets
        self.targets = targets.double() if targets.is_floating_point() else targets
        self.parameters = list(self.module.parameters())

    def loss(self):
        return self.problem.loss(self.module(self.inputs) / self.temperature, self.targets)

    def gradient(self):
        pieces = torch.autograd.grad(self.loss(), self.parameters)
        return torch.cat([piece.flatten() for piece in pieces])

    def flow(self):
        return self.gradient().square().sum().item()

    def start(self):
        return torch.nn.utils.parameters_to_vector(self.parameters).detach().clone()

    def set(self, vector):
        with torch.no_grad():
            torch.nn.utils.vector_to_parameters(vector.clone(), self.parameters)

    def hessian_gradient(self):
        products = hessian_gradient(
            self.module,
            self.problem.loss,
            self.inputs,
            self.targets,
            temperature=self.temperature,
        )
        return torch.cat([piece.flatten() for piece in products.values()])

    def flow_slopes(self, step=1e-5):
        """The change of the gradient flow per unit of removal, for every parameter.

        Parameter i is scaled by 1 - step and by 1 + step, all others stay.
        """
        start, slopes = self.start(), []
        for index in range(len(start)):
            flows = []
            for factor in (1 - step, 1 + step):
                moved = start.clone()
                moved[index] *= factor
                self.set(moved)
                flows.append(self.flow())
            slopes.append((flows[0] - flows[1]) / (2 * step))
        self.set(start)
        return torch.tensor(slopes, dtype=torch.float64)


def test_one_linear_unit_by_hand():
    # L = ((w x + b)/T - y)² with x = 2, y = 1, T = 4. With a = (x, 1)/T and the residual
    # r = (w x + b)/T - y: g = 2 r a, H = 2 a a', so H g = 4 r (a'a) a.
    module = torch.nn.Linear(1, 1).double()
    with torch.no_grad():
        module.weight.fill_(6.0)
        module.bias.fill_(0.5)
    x, y = torch.tensor([[2.0]]).double(), torch.tensor([[1.0]]).double()
    product = hessian_gradient(module, torch.nn.functional.mse_loss, x, y, temperature=4.0)
    residual = 12.5 / 4 - 1
    norm = (2 / 4) ** 2 + (1 / 4) ** 2
    assert product["weight"].item() == pytest.approx(4 * residual * norm * 2 / 4)
    assert product["bias"].item() == pytest.approx(4 * residual * norm / 4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [1.0, 5.0, 200.0])
def test_hessian_gradient_equals_finite_differences_of_the_gradient(kind, temperature):
    network = ExactNetwork(tiny_problem(kind), temperature)
    gradient, start = network.gradient(), network.start()
    step = 1e-5 / gradient.norm().item()
    ends = []
    for sign in (1, -1):
        network.set(start + sign * step * gradient)
        ends.append(network.gradient())
    network.set(start)
    expected = (ends[0] - ends[1]) / (2 * step)
    scale = expected.abs().max().item()
    torch.testing.assert_close(network.hessian_gradient(), expected, rtol=1e-4, atol=1e-6 * scale)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [1.0, 5.0, 200.0])
def test_saliency_predicts_how_removal_changes_the_gradient_flow(kind, temperature):
    problem = tiny_problem(kind)
    network = ExactNetwork(problem, temperature)
    saliency = GraspPruner(temperature=temperature).saliency(problem, seed=0)
    values = torch.cat([value.flatten() for value in saliency.values()])
    slopes = network.flow_slopes()
    scale = slopes.abs().max().item()
    torch.testing.assert_close(-2 * values, slopes, rtol=1e-4, atol=1e-6 * scale)


@pytest.mark.parametrize("kind", KINDS)
def test_keeps_what_carries_the_gradient_flow_and_drops_what_obstructs_it(kind):
    problem = tiny_problem(kind)
    total = problem.network.total
    slopes = ExactNetwork(problem, 200.0).flow_slopes()
    carrier, obstacle = int(slopes.argmin()), int(slopes.argmax())
    assert slopes[carrier] < 0 < slopes[obstacle]

    def kept(budget):
        mask = GraspPruner().prune(problem, budget / total, seed=0)
        return set(mask.vector(problem.network).nonzero().flatten().tolist())

    assert kept(1) == {carrier}
    assert kept(total - 1) == set(range(total)) - {obstacle}


def test_a_whole_weight_removed_lowers_or_raises_the_flow_as_its_sign_says():
    # A regression with one linear layer is quadratic, so the prediction needs only one more
    # term for a removal at full size: with a step δ = -θ_i e_i, g(θ + δ) = g + H δ exactly.
    problem = tiny_problem("regression", widths=(2, 2))
    network = ExactNetwork(problem, 1.0)
    start, before = network.start(), network.flow()
    saliency = GraspPruner(temperature=1.0).saliency(problem, seed=0)
    values = torch.cat([value.flatten() for value in saliency.values()])
    for index in range(len(start)):
        removed = start.clone()
        gradient = network.gradient()
        removed[index] = 0.0
        network.set(removed)
        second_order = (network.gradient() - gradient).square().sum().item()
        change = network.flow() - before
        network.set(start)
        assert change == pytest.approx(-2 * values[index].item() + second_order, rel=1e-6)


def test_the_temperature_is_an_option():
    problem = tiny_problem()
    assert GraspPruner().temperature == 200.0
    hot = GraspPruner().saliency(problem, seed=0)
    cold = GraspPruner(temperature=1.0).saliency(problem, seed=0)
    name = "layers.0.weight"
    assert not torch.allclose(hot[name] / hot[name].norm(), cold[name] / cold[name].norm())
