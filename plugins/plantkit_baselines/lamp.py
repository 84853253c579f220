"""LAMP: magnitudes made comparable between layers, from what pruning a layer would distort.

A parameter's squared magnitude is set against the sum of the squares of all parameters of its
tensor that are not smaller, itself included: the largest of each has saliency 1, so that no
tensor is dropped before every other is down to one parameter.

    saliency(θ_i) = θ_i² / Σ θ_j²,    the sum over all j of the same tensor with |θ_j| >= |θ_i|,
                                      among equal ones those that come first

References:
    arXiv 2010.07611.

Differs from the paper: the paper scores the weights of trained networks; by default this
scores the initial network, and biases too, each layer's as a tensor of their own.
`schedule=multishot` scores trained networks: one round of it is the paper's method without
its fine-tuning.
"""

from dataclasses import dataclass

import torch

from plantkit import Problem, SaliencyPruner, hookimpl


def adaptive_magnitude(values: torch.Tensor) -> torch.Tensor:
    """Returns the saliencies (same shape, float64, in [0, 1]) of one tensor's parameters."""
    squares = values.double().square().reshape(-1)
    order = torch.sort(squares, stable=True, descending=True).indices
    # The sum of a parameter's own square and of all that come before it in this order.
    sums = squares[order].cumsum(dim=0)
    found = torch.zeros_like(squares)
    found[order] = torch.where(sums > 0, squares[order] / sums, torch.zeros_like(sums))
    return found.reshape(values.shape)


@dataclass(frozen=True, kw_only=True)
class LampPruner(SaliencyPruner):
    """Keeps the parameters of largest layer-adaptive magnitude."""

    name = "lamp"
    reference = "arXiv 2010.07611"
    saliency_is_seeded = False

    def saliency(self, problem: Problem, *, seed: int) -> dict[str, torch.Tensor]:
        return {name: adaptive_magnitude(value) for name, value in problem.weights.items()}


@hookimpl
def plantkit_pruners() -> list[SaliencyPruner]:
    return [LampPruner()]
