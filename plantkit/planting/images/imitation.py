"""A dense network that a sparse one learns from, besides the classes of the images.

Before training, batch normalisation is the identity. So the ticket of a normalised network does
without what makes the dense network train well, and classifies new images worse. But a dense
network says of every image, also of those that were moved, how alike it is to every class, and a
ticket that learns to answer the same gets most of that back.

References:
    Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from plantkit.networks.graph import ImageNetwork
from plantkit.networks.steps import Convolution
from plantkit.networks.training import Samples
from plantkit.pruners.problem import Problem

#: From images (n, inputs) to outputs (n, classes).
Teacher = Callable[[Tensor], Tensor]
#: Moves images (n, inputs) at random.
Vary = Callable[[Tensor], Tensor]

#: What outputs are divided by before they are compared, so that unlikely classes count, too.
TEMPERATURE = 2.0
#: Share of the loss that compares with the teacher. The others compare with the classes.
TRUST = 0.9
#: Images that are moved at once: it bounds memory.
_AT_ONCE = 1000


def is_taught(network: ImageNetwork) -> bool:
    """Returns whether tickets of such networks have a teacher: those of normalised ones."""
    return any(isinstance(each.step, Convolution) and each.step.normalised for each in network.plan)


def find_teacher(problem: Problem, vary: Vary, *, rounds: int) -> Teacher:
    """Returns the problem's network, trained with all of its parameters.

    Args:
        problem: with the recipe of each round.
        vary: as for the ticket. Every round has images moved anew: what a teacher says of moved
            images counts most.
        rounds: trainings, each from where the last one ended.
    """
    taught = problem
    for number in range(rounds):
        inputs = torch.cat([vary(part) for part in torch.split(problem.train.inputs, _AT_ONCE)])
        taught = Problem(
            name=problem.name,
            network=problem.network,
            task=problem.task,
            weights=taught.weights,
            train=Samples(inputs=inputs, targets=problem.train.targets),
            density=1.0,
            seed=problem.seed + number,
            recipe=problem.recipe,
        )
        taught = taught.with_weights(taught.fit(taught.full_mask()), trained=True)
    module = taught.module()

    def teacher(inputs: Tensor) -> Tensor:
        with torch.no_grad():
            outputs: Tensor = module(inputs)
        return outputs

    return teacher


def imitation_loss(outputs: Tensor, taught: Tensor | None, classes: Tensor) -> Tensor:
    """Returns how far outputs are from a teacher's, and from the classes.

    The first part is a cross entropy at `TEMPERATURE`, times its square, so that its gradients are
    as large as those of the second.

    Args:
        outputs, taught: (n, classes); without a teacher, only the classes count.
        classes: (n,) int64.
    """
    loss: Tensor = functional.cross_entropy(outputs, classes)
    if taught is None:
        return loss
    shares = torch.softmax(taught / TEMPERATURE, dim=1)
    alike = TEMPERATURE**2 * functional.cross_entropy(outputs / TEMPERATURE, shares)
    return TRUST * alike + (1 - TRUST) * loss
