"""ProsPr: keep what the loss after a few steps of training is most sensitive to.

A factor of one is put on every initial parameter, a few steps of gradient descent are taken,
and the loss that they end with is differentiated by the factors, through the steps.

    saliency(θ_i) = |∂L(θ_T) / ∂c_i| at c = 1,    θ_0 = c ⊙ θ,    θ_t+1 = θ_t - η ∇L(θ_t)

With no step at all this is SNIP.

References:
    arXiv 2202.08132.

Differs from the paper: biases are scored too; every step and the last loss see a batch of
their own, of 512 samples, by plain gradient descent without momentum. Gradients are taken in
double precision.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.func import functional_call

from plantkit import Problem, SaliencyPruner, Samples, hookimpl

BATCH_SIZE = 512


def meta_gradient(
    problem: Problem, batches: Sequence[Samples], learning_rate: float
) -> dict[str, torch.Tensor]:
    """Returns ∂L/∂c by parameter name, L the loss on the last batch after steps on the others."""
    module = problem.module().double()
    factors = {
        name: torch.ones(shape, dtype=torch.float64, requires_grad=True)
        for name, shape in problem.network.shapes.items()
    }
    weights = problem.weights
    current = {name: factors[name] * weights[name].double() for name in factors}

    def loss(parameters: dict[str, torch.Tensor], batch: Samples) -> torch.Tensor:
        targets = batch.targets
        outputs = functional_call(module, parameters, (batch.inputs.double(),))
        return problem.loss(outputs, targets.double() if targets.is_floating_point() else targets)

    for batch in batches[:-1]:
        gradients = torch.autograd.grad(
            loss(current, batch), list(current.values()), create_graph=True
        )
        current = {
            name: value - learning_rate * gradient
            for (name, value), gradient in zip(current.items(), gradients, strict=True)
        }
    found = torch.autograd.grad(loss(current, batches[-1]), list(factors.values()))
    return dict(zip(factors, found, strict=True))


@dataclass(frozen=True, kw_only=True)
class ProsprPruner(SaliencyPruner):
    """Keeps the parameters that matter to the loss some steps ahead."""

    name = "prospr"
    reference = "arXiv 2202.08132"

    #: Steps of gradient descent that are looked ahead.
    steps: int = 3
    learning_rate: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 0:
            raise ValueError(f"steps is {self.steps}; expected 0 or more")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate is {self.learning_rate}; expected a positive number")

    def saliency(self, problem: Problem, *, seed: int) -> dict[str, torch.Tensor]:
        data, generator = problem.train, problem.generator
        batches = []
        for _ in range(self.steps + 1):
            places = torch.randperm(len(data), generator=generator)[:BATCH_SIZE]
            batches.append(Samples(inputs=data.inputs[places], targets=data.targets[places]))
        found = meta_gradient(problem, batches, self.learning_rate)
        return {name: value.abs() for name, value in found.items()}


@hookimpl
def plantkit_pruners() -> list[SaliencyPruner]:
    return [ProsprPruner()]
