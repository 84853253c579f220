"""Strong and weak performance of masked networks, many at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plantkit.networks import Network, flatten, unflatten
from plantkit.networks.tasks import Task
from plantkit.networks.training import (
    Device,
    Recipe,
    Run,
    Samples,
    Workload,
    evaluate,
    plan,
    single_threaded,
    train_group,
)
from plantkit.networks.training.executors import Executor, LocalExecutor

#: Networks evaluated at once on a GPU. On the CPU it is one, which keeps results independent
#: of each other to the last bit.
_EVALUATED_ON_GPU = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracies:
    """Test accuracy or R² of one masked network: untrained, and after the fixed recipe."""

    strong: float
    weak: float


def strong_accuracy(
    spec: Network,
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
        found += _strong(spec, task, parameters, train_data, test_data)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureUnit:
    """One group of networks to measure: all that another process needs to do it.

    start: (total,) float32. masks: (runs, ceil(total / 8)) uint8, packed bits.
    """

    spec: Network
    task: Task
    recipe: Recipe
    start: Tensor
    masks: NDArray[np.uint8]
    seeds: tuple[int, ...]
    train_data: Samples
    test_data: Samples
    device: str = Device.CPU


def measure_unit(unit: MeasureUnit) -> list[Accuracies]:
    """Returns the accuracies of the networks of one group of `plan_groups`."""
    spec, task = unit.spec, unit.task
    start = unflatten(spec, unit.start)
    masks = [_unpacked(spec, row) for row in unit.masks]
    runs = [
        Run(start=start, mask=mask, seed=seed) for mask, seed in zip(masks, unit.seeds, strict=True)
    ]
    train_data, test_data = unit.train_data.to(unit.device), unit.test_data.to(unit.device)
    with single_threaded():
        trained = train_group(spec, task, train_data, runs, unit.recipe)
        at_once = 1 if unit.device == Device.CPU else _EVALUATED_ON_GPU
        strong: list[float] = []
        weak: list[float] = []
        for first in range(0, len(runs), at_once):
            kept = torch.stack([flatten(spec, mask) for mask in masks[first : first + at_once]])
            untrained = (unit.start * kept).to(unit.device)
            strong += _strong(spec, task, untrained, train_data, test_data)
            parameters = trained[first : first + at_once].to(unit.device)
            outputs = evaluate(spec, parameters, test_data.inputs)
            weak += task.accuracy(outputs, test_data.targets).tolist()
    return [Accuracies(strong=s, weak=w) for s, w in zip(strong, weak, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Masked networks of one challenge to be measured, each trained with its own seed.

    weights: the initial ones, by parameter name. masks, seeds: one a network.

    Raises:
        ValueError: as many seeds as masks are expected.
    """

    spec: Network
    task: Task
    weights: Mapping[str, Tensor]
    masks: Sequence[Mapping[str, Tensor]]
    seeds: Sequence[int]
    recipe: Recipe
    train_data: Samples
    test_data: Samples

    def __post_init__(self) -> None:
        if len(self.masks) != len(self.seeds):
            raise ValueError(f"{len(self.masks)} masks but {len(self.seeds)} seeds")


#: Called with a measurement's position, with positions of masks in it, and with what was found.
OnMeasured = Callable[[int, Sequence[int], Sequence[Accuracies]], None]


def measure(
    spec: Network,
    task: Task,
    weights: Mapping[str, Tensor],
    masks: Sequence[Mapping[str, Tensor]],
    seeds: Sequence[int],
    recipe: Recipe,
    *,
    train_data: Samples,
    test_data: Samples,
    jobs: int = 1,
    device: str = Device.CPU,
    executor: Executor | None = None,
    on_done: Callable[[int], None] | None = None,
) -> list[Accuracies]:
    """Returns the strong and weak performance of every mask, trained with its seed.

    Memory does not grow with the number of masks, beyond the masks themselves.

    Args:
        jobs: processes side by side, unless there is an `executor`; results do not depend on
            either.
        device: "cpu" or "cuda".
        on_done: called with the number of networks of each group that has finished.
    """
    wanted = Measurement(
        spec=spec,
        task=task,
        weights=weights,
        masks=masks,
        seeds=seeds,
        recipe=recipe,
        train_data=train_data,
        test_data=test_data,
    )

    def report(_: int, positions: Sequence[int], __: Sequence[Accuracies]) -> None:
        if on_done is not None:
            on_done(len(positions))

    [found] = measure_all([wanted], jobs=jobs, device=device, executor=executor, on_done=report)
    return found


def measure_all(
    measurements: Sequence[Measurement],
    *,
    jobs: int = 1,
    device: str = Device.CPU,
    executor: Executor | None = None,
    on_done: OnMeasured = lambda *_: None,
    meanwhile: Callable[[], None] | None = None,
) -> list[list[Accuracies]]:
    """Returns what `measure` would for each of `measurements`, all done side by side.

    The dearest groups are begun first, whatever challenge they are of, so that no process
    waits for long while another finishes.

    Args:
        jobs, device, executor: see `measure`.
        on_done: called as each group has finished.
        meanwhile: called once, when the first groups are being measured.
    """
    if executor is None:
        with LocalExecutor(jobs) as local:
            return measure_all(
                measurements, device=device, executor=local, on_done=on_done, meanwhile=meanwhile
            )
    groups = plan(
        [
            Workload(
                spec=wanted.spec,
                masks=wanted.masks,
                steps=wanted.recipe.steps(len(wanted.train_data)),
            )
            for wanted in measurements
        ],
        jobs=executor.jobs,
        device=device,
    )
    starts = [flatten(wanted.spec, wanted.weights).float() for wanted in measurements]
    units = [
        (number, _unit(measurements[group.workload], starts[group.workload], group.runs, device))
        for number, group in enumerate(groups)
    ]
    found: list[dict[int, Accuracies]] = [{} for _ in measurements]

    def report(result: tuple[int, list[Accuracies]]) -> None:
        number, accuracies = result
        group = groups[number]
        found[group.workload].update(zip(group.runs, accuracies, strict=True))
        on_done(group.workload, group.runs, accuracies)

    executor.map(_measure_numbered, units, on_result=report, meanwhile=meanwhile)
    return [[by_run[run] for run in range(len(by_run))] for by_run in found]


def _unit(wanted: Measurement, start: Tensor, runs: Sequence[int], device: str) -> MeasureUnit:
    """Returns some networks of a measurement as one piece of work."""
    spec = wanted.spec
    return MeasureUnit(
        spec=spec,
        task=wanted.task,
        recipe=wanted.recipe,
        start=start,
        masks=np.stack([np.packbits(flatten(spec, wanted.masks[run]).numpy()) for run in runs]),
        seeds=tuple(wanted.seeds[run] for run in runs),
        train_data=wanted.train_data,
        test_data=wanted.test_data,
        device=device,
    )


def _measure_numbered(item: tuple[int, MeasureUnit]) -> tuple[int, list[Accuracies]]:
    number, unit = item
    return number, measure_unit(unit)


def trivial_accuracy(task: Task, *, train_data: Samples, test_data: Samples) -> float:
    """Returns the test performance of the best constant predictor for the training data."""
    outputs = task.constant_outputs(train_data.targets)
    constant = outputs.expand(1, len(test_data), -1)
    return float(task.accuracy(torch.as_tensor(constant), test_data.targets)[0])


def _strong(
    spec: Network, task: Task, parameters: Tensor, train_data: Samples, test_data: Samples
) -> list[float]:
    """Returns the test performance of untrained parameters (runs, total), one a run."""
    outputs = evaluate(spec, parameters, train_data.inputs)
    factors = task.output_factors(outputs, train_data.targets)
    tested = evaluate(spec, parameters, test_data.inputs) * factors.unsqueeze(1)
    found: list[float] = task.accuracy(tested, test_data.targets).tolist()
    return found


def _unpacked(spec: Network, row: NDArray[np.uint8]) -> dict[str, Tensor]:
    bits = np.unpackbits(row, count=spec.total).astype(bool)
    return unflatten(spec, torch.from_numpy(bits))
