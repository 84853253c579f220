"""Magnitude pruning: keep the parameters of largest absolute value.

The saliency of a parameter is its magnitude, here at initialisation and without any data.
With global scope, layers of large initial scale keep more of their parameters.

    saliency(θ_i) = |θ_i|

References:
    arXiv 1506.02626 (magnitude pruning), arXiv 1803.03635 (lottery tickets by magnitude).

Differs from the paper: the papers prune trained networks, in several rounds; this prunes the
initial network once.
"""

from dataclasses import dataclass

import torch

from plantkit import Problem, SaliencyPruner, hookimpl


@dataclass(frozen=True, kw_only=True)
class MagnitudePruner(SaliencyPruner):
    """Keeps the parameters of largest absolute value."""

    name = "magnitude"
    reference = "arXiv 1506.02626"
    saliency_is_seeded = False

    def saliency(self, problem: Problem, *, seed: int) -> dict[str, torch.Tensor]:
        return {name: value.abs() for name, value in problem.weights.items()}


@hookimpl
def plantkit_pruners() -> list[SaliencyPruner]:
    return [MagnitudePruner()]
