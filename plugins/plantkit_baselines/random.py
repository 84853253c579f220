"""Random pruning: keep a uniformly random set of parameters.

Every parameter draws its saliency independently from the uniform distribution on [0, 1). It is
the baseline that a method has to beat: with layerwise scope, random masks of good layer ratios
do well after training.

    saliency(θ_i) ~ U(0, 1)

The draw depends on the seed alone, so the masks of one seed are nested over densities.

References:
    arXiv 2111.11153 (baseline of Plant 'n' Seek), arXiv 2009.11094 (random tickets).

Differs from the paper: the published code draws from a normal distribution, which gives the
same distribution of masks.
"""

from dataclasses import dataclass

import torch

from plantkit import Problem, SaliencyPruner, hookimpl


@dataclass(frozen=True, kw_only=True)
class RandomPruner(SaliencyPruner):
    """Keeps parameters at random."""

    name = "random"
    reference = "arXiv 2111.11153"

    def saliency(self, problem: Problem, *, seed: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return {
            name: torch.rand(shape, generator=generator, dtype=torch.float64)
            for name, shape in problem.network.shapes.items()
        }


@hookimpl
def plantkit_pruners() -> list[SaliencyPruner]:
    return [RandomPruner()]
