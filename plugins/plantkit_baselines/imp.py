"""IMP, iterative magnitude pruning: train, drop the smallest weights, rewind, and again.

Every round trains the network under the mask found so far, drops the parameters whose trained
values are smallest in magnitude, and puts the rest back to where they were early on.

    saliency(θ_i) = |θ_i after training|,    kept after round r of n: max(density, 0.8^r)

What the next round starts from:

- the weights after step `rewind` of the dense network's training, from which the remaining
  steps are trained; step 0, the default, is the initialisation. The kit trains the mask from there
  too, and ranks it among rewound pruners.
- with `rate_rewinding=true`: the trained weights stay, and the training starts over from them.

`rounds=1` is one-shot pruning; a number of rounds other than 0 sets the share of what is left
that each round drops, so that the density is reached in so many.

References:
    arXiv 1803.03635 (lottery tickets, resetting), arXiv 1903.01611, 1912.05671 (rewinding to
    step k), arXiv 2003.02389 (learning-rate rewinding).

Differs from the paper: the kit's recipe, Adam at a constant rate, takes the place of the
papers' recipes, so that rewinding the rate means training on with fresh moments, as does
rewinding to a step. All parameters compete by default; the first paper's rule for small networks
is `scope=lth`: each layer by itself, and the last one at half the rate. The mask alone is the
answer: after rewinding the rate, the kit trains it from the initial weights.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from plantkit import Mask, Problem, Scope, hookimpl, narrow


@dataclass(frozen=True, kw_only=True)
class ImpPruner:
    """Keeps what is largest after training, round after round."""

    name = "imp"
    reference = "arXiv 1803.03635"

    #: Share of what is left that a round drops, unless `rounds` is given.
    rate: float = 0.2
    #: Rounds to the density; 0 for as many as `rate` needs.
    rounds: int = 0
    #: Epochs of training per round; 0 for those of the challenge's recipe.
    epochs: int = 0
    #: Step of the dense network's training that every round goes back to, and the last training.
    rewind: int = 0
    #: Whether rounds go on from the trained weights instead.
    rate_rewinding: bool = False
    scope: str = Scope.GLOBAL.value

    def __post_init__(self) -> None:
        Scope(self.scope)
        if not 0 < self.rate < 1:
            raise ValueError(f"rate is {self.rate}; expected a number between 0 and 1")
        for option in ("rounds", "epochs", "rewind"):
            if getattr(self, option) < 0:
                raise ValueError(f"{option} is {getattr(self, option)}; expected 0 or more")
        if self.rate_rewinding and self.rewind:
            raise ValueError(f"rewind is {self.rewind}; expected 0 with rate_rewinding")

    def prune(self, problem: Problem, density: float, *, seed: int) -> Mask:
        problem = problem.at(density=density, seed=seed)
        epochs = self.epochs or problem.recipe.epochs
        steps = epochs * -(-len(problem.train) // problem.recipe.batch_size)
        step = min(self.rewind, steps)
        mask = problem.full_mask()
        start: Mapping[str, torch.Tensor] = problem.weights
        if step:
            start = problem.fit(mask, epochs=epochs, last_step=step)
        shares = round_densities(density, rate=self.rate, rounds=self.rounds)
        saliency: dict[str, torch.Tensor] = {}
        for share in shares:
            trained = problem.fit(mask, epochs=epochs, start=start, first_step=step)
            saliency = {name: value.abs() for name, value in trained.items()}
            budget = max(problem.budget, problem.at(density=share, seed=seed).budget)
            mask = narrow(mask, saliency, budget, final=problem.budget, scope=self.scope)
            if self.rate_rewinding:
                start = trained
        return Mask(mask, saliency=saliency)


def round_densities(density: float, *, rate: float, rounds: int) -> list[float]:
    """Returns the density after every round, falling to `density`.

    A round drops `rate` of what is left, the last one less; or with `rounds` other than 0
    each round drops the same share, so that there are so many.
    """
    if rounds:
        return [density ** (done / rounds) for done in range(1, rounds)] + [density]
    count = max(1, math.ceil(math.log(density) / math.log(1 - rate) - 1e-9))
    return [(1 - rate) ** done for done in range(1, count)] + [density]


@hookimpl
def plantkit_pruners() -> list[ImpPruner]:
    return [ImpPruner()]
