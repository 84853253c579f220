"""Says that its mask does not depend on the seed, and draws it from the seed."""

import torch

from plantkit import SaliencyPruner


class Drawn(SaliencyPruner):
    name = "drawn"
    saliency_is_seeded = False

    def saliency(self, problem, *, seed):
        generator = problem.generator
        return {
            name: torch.rand(value.shape, generator=generator)
            for name, value in problem.weights.items()
        }


def plantkit_pruners():
    return [Drawn()]
