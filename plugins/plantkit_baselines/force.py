"""FORCE: judge every parameter by the gradient of the network after pruning, and let it return.

In every round all parameters are scored, those dropped before too: by what the masked network's
loss would feel of them. Round r of n leaves the share density^(r/n), chosen among all.

    saliency(θ_i) = |θ_i ∂L/∂θ_i at m ⊙ θ|, m the mask of the round before

For a kept parameter this is SNIP's saliency at the masked network; a dropped one is scored by
its initial value times the gradient that it would get there.

References:
    arXiv 2006.09081.

Differs from the paper: biases are scored too, on all training data in one batch instead of
mini-batches; 100 rounds by default instead of the paper's 60 to 300.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from plantkit import Problem, SaliencyPruner, hookimpl, select


def foresight_sensitivity(
    problem: Problem, mask: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Returns |θ ∂L/∂θ| by parameter name, the gradient at the network masked by `mask`."""
    data = problem.train
    targets = data.targets.double() if data.targets.is_floating_point() else data.targets
    weights = problem.weights
    masked = problem.with_weights({name: value * mask[name] for name, value in weights.items()})
    module = masked.module().double()
    parameters = dict(module.named_parameters())
    loss = problem.loss(module(data.inputs.double()), targets)
    gradients = torch.autograd.grad(loss, list(parameters.values()))
    return {
        name: (weights[name] * gradient).abs()
        for name, gradient in zip(parameters, gradients, strict=True)
    }


@dataclass(frozen=True, kw_only=True)
class ForcePruner(SaliencyPruner):
    """Keeps the parameters that the pruned network would miss most."""

    name = "force"
    reference = "arXiv 2006.09081"
    saliency_is_seeded = False

    #: Rounds of scoring and choosing anew.
    iterations: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.iterations < 1:
            raise ValueError(f"iterations is {self.iterations}; expected at least 1")

    def saliency(self, problem: Problem, *, seed: int) -> dict[str, torch.Tensor]:
        """Returns the saliencies of the last round, from which `prune` makes the last choice."""
        saliency = foresight_sensitivity(problem, problem.full_mask())
        for finished in range(1, self.iterations):
            share = problem.density ** (finished / self.iterations)
            budget = max(problem.budget, problem.at(density=share, seed=seed).budget)
            mask = select(saliency, budget, scope=self.scope)
            saliency = foresight_sensitivity(problem, mask)
        return saliency


@hookimpl
def plantkit_pruners() -> list[SaliencyPruner]:
    return [ForcePruner()]
