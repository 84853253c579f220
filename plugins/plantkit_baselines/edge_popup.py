"""Edge-popup: learn a score for every parameter and keep those of highest score, weights frozen.

In the forward pass the network keeps the parameters of highest |score|; in the backward pass
every score, kept or not, gets the gradient that its gate would get, so that a dropped parameter
can pop up again.

    mask = top_k(|s|),    s ← s - η ∂L/∂m · sign(s),    L = loss(f(x; m ⊙ θ), y)

The optimizer is SGD with momentum 0.9, weight decay 0.0005 and a cosine rate over all steps.
Annealed, epoch i of n keeps the share density^(i/n), else all epochs keep the density.

References:
    arXiv 1911.13299 (edge-popup), arXiv 2111.11153 (annealing, scores for biases).

Differs from the paper: scores for biases too. By default all parameters compete
(`scope=layerwise` is the published rule: every layer keeps the same share). The loss does not
depend on the scale of the outputs, as the untrained network's accuracy does not: cross
entropy of outputs of unit mean square, or what the best factor of each output leaves of the
squared error; the published code of arXiv 2111.11153 takes a softmax of regression outputs too.
"""

import math
from dataclasses import dataclass

import torch

from plantkit import FrozenNetwork, Mask, Problem, Scope, hookimpl, select

MOMENTUM = 0.9
WEIGHT_DECAY = 0.0005


def initial_scores(problem: Problem) -> torch.Tensor:
    """Returns scores (total,), uniform within 1/sqrt(inputs of the layer) either way."""
    generator = problem.generator
    pieces = []
    for layer in problem.network.layers:
        bound = math.prod(problem.network.shapes[f"layers.{layer}.weight"][1:]) ** -0.5
        for kind in ("weight", "bias"):
            size = problem.network.sizes[f"layers.{layer}.{kind}"]
            pieces.append((2 * torch.rand(size, generator=generator) - 1) * bound)
    return torch.cat(pieces)


def popped(scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Returns `mask` as numbers, through which gradients reach |scores| as they are."""
    magnitudes = scores.abs()
    return mask + (magnitudes - magnitudes.detach())


@dataclass(frozen=True, kw_only=True)
class EdgePopupPruner:
    """Keeps the parameters of highest learnt score."""

    name = "edge-popup"
    reference = "arXiv 1911.13299"

    #: Where scores compete; "layerwise" is the published rule.
    scope: str = Scope.GLOBAL.value
    #: Whether the density falls from epoch to epoch.
    annealed: bool = True
    epochs: int = 10
    learning_rate: float = 0.1

    def __post_init__(self) -> None:
        Scope(self.scope)
        if self.epochs < 1:
            raise ValueError(f"epochs is {self.epochs}; expected at least 1")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate is {self.learning_rate}; expected a positive number")

    def prune(self, problem: Problem, density: float, *, seed: int) -> Mask:
        problem = problem.at(density=density, seed=seed)
        network = FrozenNetwork(problem)
        scores = initial_scores(problem).requires_grad_()
        optimizer = torch.optim.SGD(
            [scores], lr=self.learning_rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
        )
        steps = self.epochs * -(-len(problem.train) // problem.recipe.batch_size)
        batches = network.batches(steps, problem.recipe.batch_size, problem.generator)
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
            epoch = 1 + step * self.epochs // steps
            share = density ** (epoch / self.epochs) if self.annealed else density
            budget = max(problem.budget, problem.at(density=share, seed=seed).budget)
            mask = self._select(network, scores, budget).vector(problem.network)
            (scores.grad,) = torch.autograd.grad(network.loss(popped(scores, mask), batch), scores)
            optimizer.step()
        return self._select(network, scores, problem.budget)

    def _select(self, network: FrozenNetwork, scores: torch.Tensor, budget: int) -> Mask:
        return select(network.named(scores.detach().abs()), budget, scope=self.scope)


@hookimpl
def plantkit_pruners() -> list[EdgePopupPruner]:
    return [EdgePopupPruner()]
