"""GraSP: keep the parameters whose removal would reduce the gradient flow most.

The gradient flow g'g is the rate at which gradient descent lowers the loss at the start of
training. Each parameter is judged by the first-order change of g'g when it alone is removed.

    saliency(θ_i) = θ_i (H g)_i,    g = ∇L,  H = ∇²L,  L = loss(f(x) / temperature, y)

The sign: a step δ changes g'g by 2 δ'H g to first order, and removing θ_i is the step
-θ_i e_i, so it changes g'g by -2 θ_i (H g)_i. A parameter of large positive θ_i (H g)_i
carries gradient flow and is kept; one of large negative value obstructs it and goes first. The
paper gives each parameter the score -θ ⊙ H g and removes the highest, which is the same.

L is the mean loss over all training data, taken as one batch. It is differentiated in double
precision, so that rounding hardly ever decides what is kept. The temperature divides the
outputs in regression as in classification.

References:
    arXiv 2002.07376.

Differs from the paper: the paper scores weights only, on ten samples per class; this scores all
training data and biases too. The paper's division by the sum of all scores is left out: it
does not change their order.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from plantkit import Problem, SaliencyPruner, hookimpl

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def hessian_gradient(
    module: torch.nn.Module,
    loss: Loss,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    *,
    temperature: float,
) -> dict[str, torch.Tensor]:
    """Returns H g by parameter name, for L = loss(module(inputs) / temperature, targets)."""
    parameters = dict(module.named_parameters())
    values = list(parameters.values())
    gradients = torch.autograd.grad(
        loss(module(inputs) / temperature, targets), values, create_graph=True
    )
    # H g is the gradient of g'v by the parameters, with v = g held constant.
    flow = torch.stack([(gradient * gradient.detach()).sum() for gradient in gradients]).sum()
    return dict(zip(parameters, torch.autograd.grad(flow, values), strict=True))


@dataclass(frozen=True, kw_only=True)
class GraspPruner(SaliencyPruner):
    """Keeps the parameters that carry the gradient flow."""

    name = "grasp"
    reference = "arXiv 2002.07376"
    saliency_is_seeded = False

    #: What the network's outputs are divided by before the loss.
    temperature: float = 200.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}; expected a positive number")

    def saliency(self, problem: Problem, *, seed: int) -> dict[str, torch.Tensor]:
        data = problem.train
        targets = data.targets.double() if data.targets.is_floating_point() else data.targets
        products = hessian_gradient(
            problem.module().double(),
            problem.loss,
            data.inputs.double(),
            targets,
            temperature=self.temperature,
        )
        return {name: value * products[name] for name, value in problem.weights.items()}


@hookimpl
def plantkit_pruners() -> list[SaliencyPruner]:
    return [GraspPruner()]
