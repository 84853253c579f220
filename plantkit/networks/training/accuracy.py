"""Strong and weak accuracy of masked networks, many at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

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
from plantkit.networks.training.accuracies import Accuracies
from plantkit.networks.training.executors import Executor, LocalExecutor
from plantkit.networks.training.groups import most_runs
from plantkit.networks.training.rewinding import DenseTraining, dense_starts
from plantkit.networks.training.trainer import EVALUATION_BATCH


def strong_accuracy(
    spec: Network,
    task: Task,
    weights: Mapping[str, Tensor],
    masks: Sequence[Mapping[str, Tensor]],
    *,
    train_data: Samples,
    test_data: Samples,
) -> list[float]:
    """Returns the test accuracy, or R², of each of the untrained masked networks.

    Regression outputs are scaled by one least-squares factor for each output, fitted on
    `train_data` alone; classification takes the plain argmax.
    """
    start = flatten(spec, weights)
    found = []
    for mask in masks:  # one at a time: memory stays flat in the number of masks
        kept = flatten(spec, mask).unsqueeze(0)
        found += _strong(*_cut(spec, start * kept, kept), task, train_data, test_data)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Masked networks of one challenge to be measured, each trained with its own seed.

    weights: the initial ones, by parameter name. masks, seeds: one for each network. rewinds:
    the step of the dense network's training that each is trained from; all from step 0, the
    initialisation, if there are none. A rewound network takes the steps that are left.

    Raises:
        ValueError: not as many seeds or rewinds as masks.
    """

    spec: Network
    task: Task
    weights: Mapping[str, Tensor]
    masks: Sequence[Mapping[str, Tensor]]
    seeds: Sequence[int]
    recipe: Recipe
    train_data: Samples
    test_data: Samples
    rewinds: Sequence[int] = ()

    def __post_init__(self) -> None:
        if len(self.masks) != len(self.seeds):
            raise ValueError(f"{len(self.masks)} masks but {len(self.seeds)} seeds")
        if self.rewinds and len(self.masks) != len(self.rewinds):
            raise ValueError(f"{len(self.masks)} masks but {len(self.rewinds)} rewinds")

    def by_rewind(self) -> dict[int, list[int]]:
        """Returns the positions of the networks that are trained from each step."""
        found: dict[int, list[int]] = {}
        for run, step in enumerate(self.rewinds or [0] * len(self.masks)):
            found.setdefault(step, []).append(run)
        return found

    def dense_training(self, device: str) -> DenseTraining:
        """Returns the training that rewound networks start from; no steps if there are none."""
        steps = sorted(set(self.rewinds) - {0})
        pairs = zip(self.seeds, self.rewinds, strict=False)
        return DenseTraining(
            spec=self.spec,
            task=self.task,
            weights=self.weights,
            recipe=self.recipe,
            data=self.train_data,
            seeds=sorted({seed for seed, step in pairs if step}),
            steps=steps,
            device=device,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Networks of one measurement that are measured in one group.

    bare: the measurement without its masks and seeds. masks: packed bits, (runs, ceil(total / 8))
    uint8. starts: the weights (total,) of the dense network at the step that they are trained
    from, by seed; none at step 0.
    """

    bare: Measurement
    masks: NDArray[np.uint8]
    seeds: Sequence[int]
    starts: Mapping[int, NDArray[np.float32]]

    @property
    def rows(self) -> Tensor:
        """The masks as (runs, total) bool."""
        total = self.bare.spec.total
        return torch.from_numpy(np.unpackbits(self.masks, axis=1, count=total).astype(bool))

    def runs(self) -> list[Run]:
        """Returns the training runs of the networks."""
        spec = self.bare.spec
        starts = {
            seed: unflatten(spec, torch.from_numpy(early)) for seed, early in self.starts.items()
        }
        return [
            Run(start=starts.get(seed, self.bare.weights), mask=unflatten(spec, row), seed=seed)
            for row, seed in zip(self.rows, self.seeds, strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """Networks that train in one group: all that another process needs.

    number: the group's. first_step: the step that they are trained from.
    """

    number: int
    parts: Sequence[_Part]
    device: str
    first_step: int


#: Called with a measurement's position, with positions of masks in it, and with what was found.
OnMeasured = Callable[[int, Sequence[int], Sequence[Accuracies]], None]


def measure_all(
    measurements: Sequence[Measurement],
    *,
    jobs: int = 1,
    device: str = Device.CPU,
    executor: Executor | None = None,
    on_done: OnMeasured = lambda *_: None,
    meanwhile: Callable[[], None] | None = None,
) -> list[list[Accuracies]]:
    """Returns the strong and weak accuracy of every mask of every measurement.

    All are measured side by side. The dearest groups begin first, whatever challenge they
    belong to, so that no process waits for long while another finishes. Memory does not grow
    with the number of masks, beyond the masks themselves.

    Args:
        jobs: how many processes to use, unless there is an `executor`. Results depend on
            neither.
        device: "cpu" or "cuda".
        on_done: called when a group has finished.
        meanwhile: called once, when the first groups are being measured.
    """
    if executor is None:
        with LocalExecutor(jobs) as local:
            return measure_all(
                measurements, device=device, executor=local, on_done=on_done, meanwhile=meanwhile
            )
    dense = dense_starts([each.dense_training(device) for each in measurements], executor)
    alike: dict[Hashable, list[tuple[int, int]]] = {}  # measurements and their networks
    for position, each in enumerate(measurements):
        trained = each.spec, each.task, each.recipe, len(each.train_data)
        for step, runs in each.by_rewind().items():
            alike.setdefault((*trained, step), []).extend((position, run) for run in runs)
    members = list(alike.values())
    workloads, steps = [], []
    for chosen in members:
        first, run = chosen[0]
        each, masks = measurements[first], [measurements[place].masks[one] for place, one in chosen]
        steps.append(each.rewinds[run] if each.rewinds else 0)
        left = each.recipe.steps(len(each.train_data)) - steps[-1]
        workloads.append(
            Workload(spec=each.spec, masks=masks, batch_size=each.recipe.batch_size, steps=left)
        )
    bare = [replace(each, masks=[], seeds=[], rewinds=[]) for each in measurements]

    def part(position: int, runs: Sequence[int], step: int) -> _Part:
        wanted = measurements[position]
        rows = [flatten(wanted.spec, wanted.masks[run]).numpy() for run in runs]
        seeds = [wanted.seeds[run] for run in runs]
        return _Part(
            bare=bare[position],
            masks=np.stack([np.packbits(row) for row in rows]),
            seeds=seeds,
            starts={seed: dense[position][seed, step] for seed in seeds if step},
        )

    units: list[_Unit] = []
    measured: list[dict[int, list[int]]] = []  # by each unit: measurements and their networks
    for group in plan(workloads, jobs=executor.jobs, device=device):
        step = steps[group.workload]
        by_position: dict[int, list[int]] = {}
        for run in group.runs:
            position, network = members[group.workload][run]
            by_position.setdefault(position, []).append(network)
        parts = [part(position, runs, step) for position, runs in by_position.items()]
        units.append(_Unit(number=len(units), parts=parts, device=device, first_step=step))
        measured.append(by_position)
    found: list[dict[int, Accuracies]] = [{} for _ in measurements]

    def report(result: tuple[int, list[list[Accuracies]]]) -> None:
        number, accuracies = result
        for (position, runs), new in zip(measured[number].items(), accuracies, strict=True):
            found[position].update(zip(runs, new, strict=True))
            on_done(position, runs, new)

    executor.map(_measure_unit, units, on_result=report, meanwhile=meanwhile)
    return [[by_run[run] for run in range(len(by_run))] for by_run in found]


def _measure_unit(unit: _Unit) -> tuple[int, list[list[Accuracies]]]:
    """Returns the unit's number, and the accuracies of its networks by the parts."""
    spec, task, recipe = (getattr(unit.parts[0].bare, name) for name in ("spec", "task", "recipe"))
    runs = [part.runs() for part in unit.parts]
    data = [part.bare.train_data.to(unit.device) for part in unit.parts]
    with single_threaded():
        (trained,) = train_group(
            spec,
            task,
            [own for own, members in zip(data, runs, strict=True) for _ in members],
            [run for members in runs for run in members],
            recipe,
            steps=[recipe.steps(len(data[0]))],
            first_step=unit.first_step,
        )
        ends = torch.split(trained, [len(members) for members in runs])
        found = [
            _accuracies(part, own, end, unit.device)
            for part, own, end in zip(unit.parts, data, ends, strict=True)
        ]
    return unit.number, found


def _accuracies(part: _Part, train_data: Samples, trained: Tensor, device: str) -> list[Accuracies]:
    """Returns the accuracies of a part's networks, `trained` to (runs, total)."""
    spec, task, rows = part.bare.spec, part.bare.task, part.rows
    start = flatten(spec, part.bare.weights).float()
    test_data = part.bare.test_data.to(device)
    # On the CPU one at a time, so that no result depends on another to the last bit.
    at_once = 1 if device == Device.CPU else most_runs(spec, EVALUATION_BATCH, device)
    strong: list[float] = []
    weak: list[float] = []
    for kept, parameters in zip(
        torch.split(rows, at_once), torch.split(trained, at_once), strict=True
    ):
        small, untrained = _cut(spec, start * kept, kept)
        strong += _strong(small, untrained.to(device), task, train_data, test_data)
        small, whole = _cut(spec, parameters, kept)
        ended = unflatten(small, whole.to(device))
        settled = flatten(small, small.settled(ended, train_data.inputs))
        outputs = evaluate(small, settled, test_data.inputs)
        weak += task.accuracy(outputs, test_data.targets).tolist()
    return [Accuracies(strong=s, weak=w) for s, w in zip(strong, weak, strict=True)]


def trivial_accuracy(task: Task, *, train_data: Samples, test_data: Samples) -> float:
    """Returns the test accuracy, or R², of the best constant predictor for the training data."""
    outputs = task.constant_outputs(train_data.targets)
    constant = outputs.expand(1, len(test_data), -1)
    return float(task.accuracy(torch.as_tensor(constant), test_data.targets)[0])


def _cut(spec: Network, parameters: Tensor, masks: Tensor) -> tuple[Network, Tensor]:
    """Returns a network of the same function without idle units, and its parameters.

    Args:
        parameters, masks: (runs, total). Several runs, as on a GPU, are not cut.
    """
    if len(masks) > 1:
        return spec, parameters
    [small] = spec.cut(masks)
    none = parameters.new_zeros(1, 1)  # what parameters of `small` without a place hold
    return small, torch.cat([parameters, none], dim=1).gather(1, spec.places(masks, small))


def _strong(
    spec: Network, parameters: Tensor, task: Task, train_data: Samples, test_data: Samples
) -> list[float]:
    """Returns the test accuracy of each of the untrained parameters (runs, total)."""
    tested = evaluate(spec, parameters, test_data.inputs)
    if task.has_output_factors:
        outputs = evaluate(spec, parameters, train_data.inputs)
        tested = tested * task.output_factors(outputs, train_data.targets).unsqueeze(1)
    found: list[float] = task.accuracy(tested, test_data.targets).tolist()
    return found
