"""Gem-Miner: round learnt scores to a mask, and freeze the lowest at zero for good, bit by bit.

Weights are frozen. Every parameter has a score in [0, 1], uniform at first. The forward pass
keeps the parameters whose score rounds to 1; gradients go straight through the rounding.

    p ← clip(p - η ∇(L(round(p) ⊙ a ⊙ θ) + λ ‖p‖²), 0, 1)

After every part of the search the lowest scores among the parameters that are still
available (a = 1) are frozen: these parameters never come back. After part r of n the share
density^(r/n) is left; after the last one, the budget. A parameter that is available at the end
is kept even if its score rounds to 0.

References:
    arXiv 2202.12002.

Differs from the paper: scores for biases too, and the kit's batches. The paper searches for 150
epochs and freezes after every 5 or 8; here the search is of `epochs` epochs in `parts` parts of
equal numbers of steps, and the last freezing ends it. λ is 20 times the paper's, for about a
twentieth of its steps: over the whole search scores are pulled down as far. The loss does not
depend on the scale of the outputs, in place of the paper's batch normalisation. Initial weights
are the challenge's; the paper draws them as signed constants.
"""

import math
from dataclasses import dataclass

import torch

from plantkit import FrozenNetwork, Mask, Problem, hookimpl, select

MOMENTUM = 0.9


def rounded(scores: torch.Tensor, available: torch.Tensor) -> torch.Tensor:
    """Returns the mask (total,) as numbers, through which gradients reach available scores."""
    return ((scores > 0.5) + (scores - scores.detach())) * available


@dataclass(frozen=True, kw_only=True)
class GemMinerPruner:
    """Keeps the parameters that were never among the lowest scores."""

    name = "gem-miner"
    reference = "arXiv 2202.12002"

    epochs: int = 10
    #: Parts of the search; the lowest scores are frozen after each.
    parts: int = 25
    learning_rate: float = 0.1
    #: λ, the weight of the squared scores in the loss.
    regularization: float = 0.002

    def __post_init__(self) -> None:
        for option in ("epochs", "parts"):
            if getattr(self, option) < 1:
                raise ValueError(f"{option} is {getattr(self, option)}; expected at least 1")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate is {self.learning_rate}; expected a positive number")
        if not self.regularization >= 0:
            raise ValueError(f"regularization is {self.regularization}; expected 0 or more")

    def prune(self, problem: Problem, density: float, *, seed: int) -> Mask:
        problem = problem.at(density=density, seed=seed)
        network, generator = FrozenNetwork(problem), problem.generator
        scores = torch.rand(problem.network.total, generator=generator).requires_grad_()
        optimizer = torch.optim.SGD([scores], lr=self.learning_rate, momentum=MOMENTUM)
        mask = problem.full_mask()
        steps = self.epochs * -(-len(problem.train) // problem.recipe.batch_size)
        frozen = 0
        batches = network.batches(steps, problem.recipe.batch_size, generator)
        for step, batch in enumerate(batches, start=1):
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate * (1 + math.cos(math.pi * (step - 1) / steps)) / 2
            available = mask.vector(problem.network)
            loss = network.loss(rounded(scores, available), batch)
            loss = loss + self.regularization * scores.square().sum()
            (scores.grad,) = torch.autograd.grad(loss, scores)
            optimizer.step()
            with torch.no_grad():
                scores.clamp_(0, 1)
            if step * self.parts // steps > frozen:
                frozen = step * self.parts // steps
                share = density ** (frozen / self.parts)
                budget = max(problem.budget, problem.at(density=share, seed=seed).budget)
                mask = self._lowest_frozen(network, scores.detach(), available, budget)
        return mask

    def _lowest_frozen(
        self,
        network: FrozenNetwork,
        scores: torch.Tensor,
        available: torch.Tensor,
        budget: int,
    ) -> Mask:
        """Returns which `budget` parameters stay available; those that were not, never do."""
        return select(network.named(torch.where(available, scores, -1.0)), budget)


@hookimpl
def plantkit_pruners() -> list[GemMinerPruner]:
    return [GemMinerPruner()]
