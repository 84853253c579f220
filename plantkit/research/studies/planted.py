"""A freshly planted network with its data, as studies prune it and measure its masks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from plantkit.networks.masks import Mask
from plantkit.networks.tasks import make_task
from plantkit.networks.training import Recipe, Samples
from plantkit.networks.training.accuracy import strong_accuracy, trivial_accuracy
from plantkit.planting import Family, Planted
from plantkit.pruners.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlantedProblem:
    """What is pruned, and what masks of it are measured against.

    digest: SHA-256 of all that a mask's performance depends on, apart from the training seed.
    trivial, ticket_strong: test performance of the best constant, and of the untrained ticket.
    """

    problem: Problem
    ticket: Mask
    test: Samples
    digest: str
    trivial: float
    ticket_strong: float


def samples_of(inputs: NDArray[np.float32], targets: NDArray[np.generic]) -> Samples:
    """Returns drawn samples as tensors."""
    return Samples(inputs=torch.from_numpy(inputs), targets=torch.from_numpy(targets))


def planted_problem(
    name: str, family: Family, planted: Planted, *, train: Samples, test: Samples
) -> PlantedProblem:
    """Returns the problem of finding the ticket of a planted network, at the ticket's density."""
    network, recipe = planted.spec, Recipe()
    weights = {
        parameter: torch.from_numpy(value.astype(np.float32))
        for parameter, value in planted.parameters.items()
    }
    ticket = Mask({name: torch.from_numpy(value) for name, value in planted.ticket.items()})
    task = make_task(family.kind, family.outputs)
    return PlantedProblem(
        problem=Problem(
            name=name,
            network=network,
            task=task,
            weights=weights,
            train=train,
            density=ticket.density,
            recipe=recipe,
        ),
        ticket=ticket,
        test=test,
        digest=_digest(weights, train, test, recipe),
        trivial=trivial_accuracy(task, train_data=train, test_data=test),
        ticket_strong=strong_accuracy(
            network, task, weights, [ticket], train_data=train, test_data=test
        )[0],
    )


def _digest(weights: dict[str, torch.Tensor], train: Samples, test: Samples, recipe: Recipe) -> str:
    state = hashlib.sha256(json.dumps(recipe.to_json()).encode())
    for tensor in [*weights.values(), train.inputs, train.targets, test.inputs, test.targets]:
        state.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
        state.update(tensor.contiguous().numpy().tobytes())
    return state.hexdigest()
