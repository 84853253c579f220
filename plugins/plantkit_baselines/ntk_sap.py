"""NTK-SAP: keep what the network's response to small changes of its weights depends on most.

How far random changes of the weights move the outputs estimates the trace of the neural tangent
kernel; a parameter is scored by how much a factor on it would change that. Inputs are random,
and weights are drawn anew in every round, so that neither data nor weights are used.

    saliency(θ_i) = |∂/∂m_i Σ ‖f(x; m ⊙ θ) - f(x; m ⊙ (θ + ε δ))‖²|,    δ, x ~ N(0, 1)

Round r of n leaves the share density^(r/n); nothing comes back.

References:
    arXiv 2304.02840.

Differs from the paper: biases are scored too, and drawn like the weights, normal with the given
tensor's root mean square. A round sums over 10 draws of weights on 256 inputs each, where the
paper goes through the training data once or more; of a single draw so much is chance that whole
layers are lost. 100 rounds by default. With all parameters zero there is nothing to draw, and
the first are kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.func import functional_call

from plantkit import Problem, SaliencyPruner, hookimpl, narrow

INPUTS = 256


def response_sensitivity(
    module: torch.nn.Module,
    weights: Mapping[str, torch.Tensor],
    changes: Mapping[str, torch.Tensor],
    mask: Mapping[str, torch.Tensor],
    inputs: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """Returns ∂/∂m of the summed squared change of the outputs, by parameter name."""
    factors = {name: value.to(inputs.dtype).requires_grad_() for name, value in mask.items()}
    before = {name: factors[name] * value for name, value in weights.items()}
    after = {name: factors[name] * (value + changes[name]) for name, value in weights.items()}
    moved = functional_call(module, before, (inputs,)) - functional_call(module, after, (inputs,))
    found = torch.autograd.grad(moved.square().sum(), list(factors.values()))
    return dict(zip(factors, found, strict=True))


@dataclass(frozen=True, kw_only=True)
class NtkSapPruner(SaliencyPruner):
    """Keeps the parameters that the outputs' response to changes depends on."""

    name = "ntk-sap"
    reference = "arXiv 2304.02840"

    #: Rounds of drawing, scoring and dropping.
    iterations: int = 100
    #: Draws of weights, changes and inputs that a round sums over.
    draws: int = 10
    #: ε: standard deviation of the changes of the weights.
    epsilon: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        for option in ("iterations", "draws"):
            if getattr(self, option) < 1:
                raise ValueError(f"{option} is {getattr(self, option)}; expected at least 1")
        if not self.epsilon > 0:
            raise ValueError(f"epsilon is {self.epsilon}; expected a positive number")

    def saliency(self, problem: Problem, *, seed: int) -> dict[str, torch.Tensor]:
        """Returns the saliencies of the last round; -1 for what was dropped before."""
        generator, module, mask = problem.generator, problem.module(), problem.full_mask()
        scales = {name: value.square().mean().sqrt() for name, value in problem.weights.items()}
        saliency: dict[str, torch.Tensor] = {}
        for finished in range(1, self.iterations + 1):
            sums = {name: torch.zeros(shape) for name, shape in problem.network.shapes.items()}
            for _ in range(self.draws):
                drawn = {
                    name: scales[name] * torch.randn(shape, generator=generator)
                    for name, shape in problem.network.shapes.items()
                }
                changes = {
                    name: self.epsilon * torch.randn(shape, generator=generator)
                    for name, shape in problem.network.shapes.items()
                }
                inputs = torch.randn(INPUTS, problem.network.inputs, generator=generator)
                found = response_sensitivity(module, drawn, changes, mask, inputs)
                sums = {name: value + found[name] for name, value in sums.items()}
            saliency = {
                name: torch.where(mask[name], value.abs(), -1.0) for name, value in sums.items()
            }
            share = problem.density ** (finished / self.iterations)
            budget = max(problem.budget, problem.at(density=share, seed=seed).budget)
            if finished < self.iterations:
                mask = narrow(mask, saliency, budget, final=problem.budget, scope=self.scope)
        return saliency


@hookimpl
def plantkit_pruners() -> list[SaliencyPruner]:
    return [NtkSapPruner()]
