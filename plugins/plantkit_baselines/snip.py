"""SNIP: keep the parameters whose removal changes the loss most, to first order.

A parameter's connection sensitivity is the magnitude of the derivative of the loss by a
factor on the parameter, at the initial network. To first order this is how much the loss
changes, in either direction, when the parameter is removed.

    saliency(θ_i) = |θ_i ∂L/∂θ_i|

L is the mean loss over all training data, taken as one batch. It is differentiated in double
precision, so that rounding hardly ever decides what is kept.

References:
    arXiv 1810.02340.

Differs from the paper: the paper scores one mini-batch, scores weights only and draws the
weights anew with variance scaling first; this scores all training data, scores biases too and
takes the weights as they are. The paper's division by the sum of all saliencies is left out:
it does not change their order.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from plantkit import Problem, SaliencyPruner, hookimpl

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def connection_sensitivity(
    module: torch.nn.Module, loss: Loss, inputs: torch.Tensor, targets: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Returns |θ ∂L/∂θ| by parameter name, for L = loss(module(inputs), targets)."""
    parameters = dict(module.named_parameters())
    gradients = torch.autograd.grad(loss(module(inputs), targets), list(parameters.values()))
    return {
        name: (value.detach() * gradient).abs()
        for (name, value), gradient in zip(parameters.items(), gradients, strict=True)
    }


@dataclass(frozen=True, kw_only=True)
class SnipPruner(SaliencyPruner):
    """Keeps the parameters that the loss is most sensitive to."""

    name = "snip"
    reference = "arXiv 1810.02340"
    saliency_is_seeded = False

    def saliency(self, problem: Problem, *, seed: int) -> dict[str, torch.Tensor]:
        data = problem.train
        targets = data.targets.double() if data.targets.is_floating_point() else data.targets
        return connection_sensitivity(
            problem.module().double(), problem.loss, data.inputs.double(), targets
        )


@hookimpl
def plantkit_pruners() -> list[SaliencyPruner]:
    return [SnipPruner()]
