"""A freshly planted network of the study, with its data: one for every seed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from plantkit.networks.masks import Mask
from plantkit.networks.tasks import make_task
from plantkit.networks.training import Recipe, Samples
from plantkit.networks.training.accuracy import strong_accuracy, trivial_accuracy
from plantkit.planting import draw_samples, find_method, generator
from plantkit.pruners.problem import Problem
from plantkit.research.studies.plant_n_seek.grid import Place

_METHOD = "faithful"
_SEED_DOMAIN = "plantkit-study-plant-n-seek-1"
#: The paper draws 10,000 samples and holds out a tenth.
TRAIN_SAMPLES = 9000
TEST_SAMPLES = 1000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlantedProblem:
    """What is pruned, and what masks of it are measured against.

    digest: SHA-256 of all that a mask's performance depends on, apart from the training seed.
    nominal_weight_density: the ticket's as constructed, weights only: what the paper prints.
    trivial, ticket_strong: test performance of the best constant, and of the untrained ticket.
    """

    problem: Problem
    ticket: Mask
    test: Samples
    digest: str
    nominal_weight_density: float
    trivial: float
    ticket_strong: float


@lru_cache(maxsize=2)
def plant_problem(place: Place, seed: int) -> PlantedProblem:
    """Returns the network of `place` and `seed`, always the same, and its data.

    Raises:
        UsageError: the network is too shallow or too narrow for the task.
        PlantingError: no ticket passed the gates.
    """
    family, network = place.family, place.network
    name = f"{place.task}-{place.depth}x{place.width}-noise{place.noise:g}-{seed}"
    key = hashlib.sha256(f"{_SEED_DOMAIN}\n{name}".encode()).digest()
    planted = find_method(_METHOD).plant(family, network, seed=key)
    inputs, targets = draw_samples(
        planted, family, generator(key, "data"), TRAIN_SAMPLES + TEST_SAMPLES, noise=place.noise
    )
    train, test = (
        Samples(inputs=torch.from_numpy(inputs[part]), targets=torch.from_numpy(targets[part]))
        for part in (slice(None, TRAIN_SAMPLES), slice(TRAIN_SAMPLES, None))
    )
    weights = {
        parameter: torch.from_numpy(value.astype(np.float32))
        for parameter, value in planted.parameters.items()
    }
    ticket = Mask({name: torch.from_numpy(value) for name, value in planted.ticket.items()})
    task = make_task(family.kind, family.outputs)
    recipe = Recipe()
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
        nominal_weight_density=family.build(place.depth).count.weight_density(network),
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
