"""Layerwise shuffle: a control that keeps a method's layer sizes and nothing else of its mask.

Another pruner finds a mask, and the kept entries of every tensor are moved to random places of
the same tensor. What the shuffled mask still reaches, the method owes to how many parameters it
keeps in each layer, not to which.

    mask'[tensor] = mask[tensor] in a random order

The order depends on the seed and the challenge alone. The method is another reference pruner,
imported by its plugin's name: `shuffled:method=snip`.

References:
    arXiv 2009.08576 (missing the mark), arXiv 2009.11094 (sanity checks).

Differs from the paper: biases are shuffled among themselves, since they are pruned too.
"""

from dataclasses import dataclass

import torch

from plantkit import Mask, Problem, hookimpl
from plantkit_baselines.reinitialised import reference_pruner

#: Far from the seeds that evaluations use.
OTHER_SEED = 2**32


@dataclass(frozen=True, kw_only=True)
class ShuffledPruner:
    """Keeps as much of every tensor as another pruner, at random places."""

    name = "shuffled"
    reference = "arXiv 2009.08576"

    #: Plugin of the reference pruner that finds the mask.
    method: str = "magnitude"

    def __post_init__(self) -> None:
        reference_pruner(self.method)

    def prune(self, problem: Problem, density: float, *, seed: int) -> Mask:
        problem = problem.at(density=density, seed=seed)
        found = reference_pruner(self.method).prune(problem, density, seed=seed)
        # Of another seed, so that the order and the method's own draws are independent.
        generator = problem.at(density=density, seed=seed + OTHER_SEED).generator
        shuffled = {}
        for name, value in found.items():
            order = torch.randperm(value.numel(), generator=generator)
            shuffled[name] = value.reshape(-1)[order].reshape(value.shape)
        return Mask(shuffled)


@hookimpl
def plantkit_pruners() -> list[ShuffledPruner]:
    return [ShuffledPruner()]
