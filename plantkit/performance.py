"""Strong and weak performance of masked networks, many at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from plantkit.networks import NetworkSpec, flatten
from plantkit.tasks import Task
from plantkit.training import Recipe, Run, Samples, evaluate, train


@dataclass(frozen=True, slots=True, kw_only=True)
class Performances:
    """Test accuracy or R² of one masked network: untrained, and after the fixed recipe."""

    strong: float
    weak: float


def strong_performance(
    spec: NetworkSpec,
    task: Task,
    weights: Mapping[str, Tensor],
    masks: Sequence[Mapping[str, Tensor]],
    *,
    train_data: Samples,
    test_data: Samples,
) -> list[float]:
    """Returns the test performance of the untrained masked networks.

    Regression outputs are scaled by one least-squares factor an output, fitted on
    `train_data` alone; classification takes the plain argmax.
    """
    start = flatten(spec, weights)
    found = []
    for mask in masks:  # one at a time: memory stays flat in the number of masks
        parameters = (start * flatten(spec, mask)).unsqueeze(0)
        outputs = evaluate(spec, parameters, train_data.inputs)
        factors = task.output_factors(outputs, train_data.targets)
        tested = evaluate(spec, parameters, test_data.inputs) * factors.unsqueeze(1)
        found.append(float(task.performance(tested, test_data.targets)[0]))
    return found


def measure(
    spec: NetworkSpec,
    task: Task,
    weights: Mapping[str, Tensor],
    masks: Sequence[Mapping[str, Tensor]],
    seeds: Sequence[int],
    recipe: Recipe,
    *,
    train_data: Samples,
    test_data: Samples,
    jobs: int = 1,
    on_done: Callable[[int], None] | None = None,
) -> list[Performances]:
    """Returns the strong and weak performance of every mask, trained with its seed."""
    strong = strong_performance(
        spec, task, weights, masks, train_data=train_data, test_data=test_data
    )
    runs = [
        Run(start=weights, mask=mask, seed=seed) for mask, seed in zip(masks, seeds, strict=True)
    ]
    trained = train(spec, task, train_data, runs, recipe, jobs=jobs, on_done=on_done)
    found = []
    for position, parameters in enumerate(trained):
        outputs = evaluate(spec, parameters.unsqueeze(0), test_data.inputs)
        weak = float(task.performance(outputs, test_data.targets)[0])
        found.append(Performances(strong=strong[position], weak=weak))
    return found


def trivial_performance(task: Task, *, train_data: Samples, test_data: Samples) -> float:
    """Returns the test performance of the best constant predictor for the training data."""
    outputs = task.constant_outputs(train_data.targets)
    constant = outputs.expand(1, len(test_data), -1)
    return float(task.performance(torch.as_tensor(constant), test_data.targets)[0])
