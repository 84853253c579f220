"""The dense network after some steps of training: where rewound networks start from.

Rewinding to step k (arXiv 1903.01611) trains a masked network from the weights that the dense
network has after k steps of its training, instead of from the initialisation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from plantkit.networks import Network
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import Task
from plantkit.networks.training.engine import train_group
from plantkit.networks.training.executors import Executor
from plantkit.networks.training.groups import Device, Workload, plan
from plantkit.networks.training.recipe import Recipe, Run, Samples
from plantkit.networks.training.trainer import single_threaded

#: Parameters (total,) float32 of the dense network, by the seed and the step of its training.
Starts = Mapping[tuple[int, int], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseTraining:
    """The dense network of one challenge, to be trained with several seeds.

    weights: the initial ones. steps: numbers of steps that are wanted, all above 0, ascending.
    """

    spec: Network
    task: Task
    weights: Mapping[str, Tensor]
    recipe: Recipe
    data: Samples
    seeds: Sequence[int]
    steps: Sequence[int]
    device: str = Device.CPU


def dense_starts(trainings: Sequence[DenseTraining], executor: Executor) -> list[Starts]:
    """Returns what every training went through: once for each seed, whatever starts there.

    Raises:
        ValueError: a step that the recipe does not have.
    """
    for training in trainings:
        most = training.recipe.steps(len(training.data))
        if training.steps and not 0 < training.steps[0] <= training.steps[-1] <= most:
            raise ValueError(f"steps are {list(training.steps)}; expected numbers from 1 to {most}")
    found: list[dict[tuple[int, int], NDArray[np.float32]]] = [{} for _ in trainings]
    if not any(training.steps for training in trainings):
        return list(found)
    workloads = [
        Workload(
            spec=training.spec,
            masks=[Mask.full(training.spec)] * len(training.seeds),
            batch_size=training.recipe.batch_size,
            steps=max(training.steps, default=0),
        )
        for training in trainings
    ]
    groups = plan(workloads, jobs=executor.jobs, device=trainings[0].device)
    parts = [
        replace(
            trainings[group.workload],
            seeds=[trainings[group.workload].seeds[run] for run in group.runs],
        )
        for group in groups
    ]
    for group, part, traced in zip(groups, parts, executor.map(_train, parts), strict=True):
        for step, rows in zip(part.steps, traced, strict=True):
            found[group.workload].update(
                ((seed, step), row) for seed, row in zip(part.seeds, rows, strict=True)
            )
    return list(found)


def _train(part: DenseTraining) -> NDArray[np.float32]:
    """Returns the parameters (steps, seeds, total) of one group."""
    full = Mask.full(part.spec)
    runs = [Run(start=part.weights, mask=full, seed=seed) for seed in part.seeds]
    with single_threaded():
        traced = train_group(
            part.spec, part.task, part.data.to(part.device), runs, part.recipe, steps=part.steps
        )
    found: NDArray[np.float32] = traced.numpy()
    return found
