"""Concrete Ticket Search against its paper's statements and hand-made examples."""

from __future__ import annotations

import math
from statistics import median

import pytest
import torch
from builders import plain_problem, tiny_problem
from plantkit_baselines import concrete_tickets
from plantkit_baselines.concrete_tickets import (
    ConcreteTicketsPruner,
    balanced,
    reverse_divergence,
)

from plantkit import FrozenNetwork, Samples

WIDTHS = (2, 5, 4, 3)  # 54 parameters


def watch(monkeypatch):
    """Returns a list to which every step of a search adds its logits."""
    seen = []

    def spy(pull, logits, budget, balance):
        seen.append(logits.clone())
        return balanced(pull, logits, budget, balance)

    monkeypatch.setattr(concrete_tickets, "balanced", spy)
    return seen


def test_the_divergence_is_the_reverse_one():
    """The mean over samples of Σ p ln(p / q), p of the pruned network and q of the dense one."""
    generator = torch.Generator().manual_seed(0)
    pruned, dense = torch.randn(2, 6, 3, generator=generator, dtype=torch.float64)
    p, q = (torch.softmax(each / each.square().mean().sqrt(), dim=1) for each in (pruned, dense))
    expected = (p * (p / q).log()).sum(dim=1).mean()
    assert float(reverse_divergence(pruned, dense)) == pytest.approx(float(expected))
    assert float(expected) != pytest.approx(float((q * (q / p).log()).sum(dim=1).mean()), rel=0.01)
    assert float(reverse_divergence(dense, dense)) == pytest.approx(0, abs=1e-12)


def test_the_divergence_does_not_depend_on_the_scale_of_the_outputs():
    generator = torch.Generator().manual_seed(1)
    pruned, dense = torch.randn(2, 6, 3, generator=generator)
    found = float(reverse_divergence(pruned, dense))
    assert float(reverse_divergence(1e-20 * pruned, 50 * dense)) == pytest.approx(found, rel=1e-4)


def test_while_there_are_too_many_the_penalty_is_as_long_as_the_objective():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(40, generator=generator, dtype=torch.float64).requires_grad_()
    pull = torch.randn(40, generator=generator, dtype=torch.float64)
    penalty = torch.sigmoid(logits).sum() / (1.1 * 5) - 1  # about 20 of 5 parameters
    (slope,) = torch.autograd.grad(penalty, logits)
    gradient, balance = balanced(pull, logits.detach(), 5, None)
    assert balance == pytest.approx(float(pull.norm() / slope.norm()))
    torch.testing.assert_close(gradient, pull + slope / slope.norm() * pull.norm())
    # λ follows by a hundredth of the way, to 0 where there are too few.
    _, later = balanced(3 * pull, logits.detach(), 5, balance)
    assert later == pytest.approx(1.02 * balance)
    _, less = balanced(pull, logits.detach() - 9, 5, balance)
    assert less == pytest.approx(0.99 * balance)
    gradient, none = balanced(pull, logits.detach() - 9, 5, None)
    assert none == 0
    assert torch.equal(gradient, pull)


def test_logits_start_at_those_of_the_density(monkeypatch):
    seen = watch(monkeypatch)
    ConcreteTicketsPruner(effort=0.1).prune(tiny_problem(widths=WIDTHS), 0.25, seed=0)
    torch.testing.assert_close(seen[0], torch.full((54,), math.log(0.25 / 0.75)))


def test_the_expected_number_of_parameters_stays_near_the_budget(monkeypatch):
    seen = watch(monkeypatch)
    problem = tiny_problem(widths=WIDTHS, density=0.2, count=320)
    ConcreteTicketsPruner(objective="loss", effort=4.0).prune(problem, 0.2, seed=0)
    end = seen[-1]
    aim = 1.1 * problem.budget
    assert float(torch.sigmoid(end).sum()) == pytest.approx(aim, rel=0.3)
    # Without the penalty it would not.
    seen.clear()
    monkeypatch.setattr(concrete_tickets, "MARGIN", 100.0)
    ConcreteTicketsPruner(objective="loss", effort=4.0).prune(problem, 0.2, seed=0)
    assert float(torch.sigmoid(seen[-1]).sum()) > 1.5 * aim


@pytest.mark.parametrize("seed", range(3))
def test_finds_the_one_parameter_that_is_right(seed):
    pruner = ConcreteTicketsPruner(objective="loss", effort=4.0)
    mask = pruner.prune(plain_problem(), 0.25, seed=seed)
    assert mask["layers.0.weight"].tolist() == [[False, True, False]]
    assert mask["layers.0.bias"].tolist() == [False]


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_the_divergence_keeps_what_the_dense_network_computes(kind):
    """A dense network in which half of the parameters do nothing: the other half are found."""
    problem = tiny_problem(kind, widths=(2, 8, 3), count=320)
    idle = {name: value.clone() for name, value in problem.weights.items()}
    idle["layers.0.weight"][4:] *= 1e-3
    idle["layers.0.bias"][4:] *= 1e-3
    problem = problem.with_weights(idle)
    density = 27.5 / problem.network.total  # 4 x 3 + 3 x 4 + 3 parameters do something
    network, total = FrozenNetwork(problem), problem.network.total
    inputs = problem.train.inputs
    whole = network.outputs(torch.ones(total), inputs)

    def distance(kept):
        if kind == "classification":
            return float(reverse_divergence(network.outputs(kept, inputs), whole))
        return float(network.loss(kept, Samples(inputs=inputs, targets=whole)).detach())

    mask = ConcreteTicketsPruner(effort=4.0).prune(problem, density, seed=0)
    generator = torch.Generator().manual_seed(0)
    by_chance = median(
        distance((torch.rand(total, generator=generator) < density).float()) for _ in range(50)
    )
    assert distance(mask.vector(problem.network).float()) < by_chance / 5


def test_the_dense_network_is_pruned_at_the_step_it_is_rewound_to(monkeypatch):
    problem = tiny_problem(widths=WIDTHS, density=0.2, count=64)
    weights = []
    judged = ConcreteTicketsPruner._judged

    def spy(self, problem, network, gates, batch):
        assert problem.is_trained
        weights.append(network.weights.clone())
        return judged(self, problem, network, gates, batch)

    monkeypatch.setattr(ConcreteTicketsPruner, "_judged", spy)
    ConcreteTicketsPruner(effort=0.1, rewind=5).prune(problem, 0.2, seed=3)
    early = problem.at(density=0.2, seed=3).fit(problem.full_mask(), last_step=5)
    expected = torch.cat([early[name].flatten() for name in problem.network.shapes])
    assert torch.equal(weights[0], expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "forward"}, "objective is 'forward'; expected one of kl, loss"),
        ({"effort": 0}, "effort is 0; expected more than 0"),
        ({"learning_rate": 0}, "learning_rate is 0; expected more than 0"),
        ({"rewind": -1}, "rewind is -1; expected 0 or more"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ConcreteTicketsPruner(**options)
