"""Random reinitialisation: a control that finds the mask on another draw of the weights.

Another pruner runs on a network of the same shape whose parameters are drawn anew, and its mask
is applied to the given network. A mask that does as well as the method's own is worth nothing
beyond its shape: it owes nothing to the weights that it is scored with.

    θ'_i of a tensor ~ N(0, mean square of that tensor's given values),    mask = method(f(x; θ'))

The draw depends on the seed and the challenge alone. The method is another reference pruner,
imported by its plugin's name: `reinitialised:method=snip`.

References:
    arXiv 1803.03635 (random reinitialisation), arXiv 2009.11094 (sanity checks).

Differs from the paper: the papers keep a method's mask and draw the weights that are trained
anew; a challenge's weights are fixed, so here the mask is found on another draw. The new draw
has each tensor's scale.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from plantkit import Problem, Pruner, hookimpl

#: Far from the seeds that evaluations use.
OTHER_SEED = 2**32


def other_weights(problem: Problem) -> dict[str, torch.Tensor]:
    """Returns normal draws of the same root mean squares, name to float32 tensor."""
    # Of another seed, so that these draws and the method's own are independent.
    generator = problem.at(density=problem.density, seed=problem.seed + OTHER_SEED).generator
    return {
        name: torch.randn(value.shape, generator=generator) * value.square().mean().sqrt()
        for name, value in problem.weights.items()
    }


@dataclass(frozen=True, kw_only=True)
class ReinitialisedPruner:
    """Keeps what another pruner keeps of another initialisation."""

    name = "reinitialised"
    reference = "arXiv 1803.03635"

    #: Plugin of the reference pruner that finds the mask.
    method: str = "magnitude"

    def __post_init__(self) -> None:
        reference_pruner(self.method)

    def prune(self, problem: Problem, density: float, *, seed: int) -> Mapping[str, Any]:
        problem = problem.at(density=density, seed=seed)
        other = problem.with_weights(other_weights(problem))
        return reference_pruner(self.method).prune(other, density, seed=seed)


def reference_pruner(method: str) -> Pruner:
    """Returns the reference pruner called `method`.

    Raises:
        ValueError: there is none.
    """
    try:
        module = importlib.import_module(f"plantkit_baselines.{method.replace('-', '_')}")
        (found,) = module.plantkit_pruners()
    except (ImportError, AttributeError, TypeError):
        raise ValueError(f"method is {method!r}; expected a reference pruner") from None
    pruner: Pruner = found
    return pruner


@hookimpl
def plantkit_pruners() -> list[ReinitialisedPruner]:
    return [ReinitialisedPruner()]
