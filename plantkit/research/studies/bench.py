"""A network, its data, initial weights and recipe, all of one seed: what a unit works with."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from plantkit.networks import Network, flatten, unflatten
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import Classification
from plantkit.networks.training import (
    Device,
    Run,
    Samples,
    Workload,
    evaluate,
    plan,
    single_threaded,
    snapshots,
    trace,
)
from plantkit.networks.training.groups import most_runs
from plantkit.research.studies.calibration import Pace
from plantkit.research.studies.setups import SETUPS
from plantkit.research.studies.splits import Split, load_split

TASK = Classification(outputs=10)
#: Steps whose mean time a forecast takes, after one that warms up, and how many runs take them
#: together: a study trains two to six of one network at once.
_TIMED_STEPS, _TIMED_RUNS = 3, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What became of runs that were looked at while they trained.

    best_step: of each run, when its validation loss was least. best_loss: this loss.
    start, best, end: parameters (runs, total) before training, at that step, and after it.
    """

    best_step: list[int]
    best_loss: list[float]
    start: Tensor
    best: Tensor
    end: Tensor


class Bench:
    """A setup made ready: its data, and the initial weights of a seed.

    Args:
        steps: of one training, in place of the setup's.
        directory: of the user's files, if the setup needs any.
    """

    def __init__(
        self,
        name: str,
        seed: int,
        *,
        steps: int | None = None,
        directory: Path | None = None,
        device: str = "cpu",
    ) -> None:
        self.setup = SETUPS[name]
        self.network = self.setup.network
        self.seed = seed
        self.device = device
        split = load_split(self.setup.data, seed, directory)
        self.split = Split(
            train=split.train.to(device),
            validation=split.validation.to(device),
            test=split.test.to(device),
        )
        self.start = glorot(self.network, seed)
        self.end = self.setup.steps if steps is None else steps
        an_epoch = replace(self.setup.recipe, epochs=1).steps(len(self.split.train))
        self.recipe = replace(self.setup.recipe, epochs=-(-self.end // an_epoch))

    def trace(self, runs: Sequence[Run], steps: Sequence[int], first_step: int = 0) -> Tensor:
        """Returns the parameters (steps, runs, total) after so many steps; see `training.trace`."""
        return trace(
            self.network,
            TASK,
            self.split.train,
            runs,
            self.recipe,
            steps=steps,
            first_step=first_step,
            device=self.device,
        )

    def watch(self, runs: Sequence[Run]) -> Watched:
        """Returns what becomes of runs, whose validation loss is looked at again and again."""
        steps = [*range(0, self.end, self.setup.every), self.end]
        start, best, end = (torch.empty(len(runs), self.network.total) for _ in range(3))
        best_step, best_loss = [0] * len(runs), [math.inf] * len(runs)
        workload = Workload(
            spec=self.network,
            masks=[run.mask for run in runs],
            batch_size=self.recipe.batch_size,
        )
        with single_threaded():
            for group in plan([workload], device=self.device):
                members = list(group.runs)
                seen = snapshots(
                    self.network,
                    TASK,
                    self.split.train,
                    [runs[member] for member in members],
                    self.recipe,
                    steps=steps,
                )
                for step, parameters in zip(steps, seen, strict=True):
                    if step == 0:
                        start[members] = parameters
                    end[members] = parameters
                    for row, loss in enumerate(self.losses(parameters)):
                        member = members[row]
                        if loss < best_loss[member] or step == 0:
                            best_loss[member], best_step[member] = loss, step
                            best[member] = parameters[row]
        return Watched(best_step=best_step, best_loss=best_loss, start=start, best=best, end=end)

    def losses(self, parameters: Tensor) -> list[float]:
        """Returns the mean validation loss of each of the parameters (runs, total)."""
        data = self.split.validation
        return [float(TASK.loss(run, data.targets)) for run in self._outputs(parameters, data)]

    def accuracies(self, parameters: Tensor) -> list[float]:
        """Returns the test accuracy in [0, 1] of each of the parameters (runs, total)."""
        data = self.split.test
        found = TASK.accuracy(self._outputs(parameters, data).cpu(), data.targets.cpu())
        return [float(accuracy) for accuracy in found]

    def _outputs(self, parameters: Tensor, data: Samples) -> Tensor:
        """Returns the outputs (runs, n, 10); normalised networks take the training data's means."""
        found = []
        with torch.no_grad(), single_threaded():
            for row in torch.split(parameters.to(self.device), 1):
                named = unflatten(self.network, row)
                settled = self.network.settled(named, self.split.train.inputs)
                found.append(evaluate(self.network, flatten(self.network, settled), data.inputs))
        return torch.cat(found)


@lru_cache(maxsize=32)
def measured_pace(name: str, device: str = "cpu") -> Pace:
    """Returns how fast a network trains on this machine, from a few steps on random images.

    They are steps of a dense network; sparse ones are faster, so that this is the most.
    """
    setup = SETUPS[name]
    network, size = setup.network, setup.recipe.batch_size
    generator = torch.Generator().manual_seed(0)
    data = Samples(
        inputs=torch.rand((1 + _TIMED_STEPS) * size, network.inputs, generator=generator),
        targets=torch.randint(TASK.outputs, ((1 + _TIMED_STEPS) * size,), generator=generator),
    ).to(device)
    start, full = glorot(network, 0), Mask.full(network)
    together = min(_TIMED_RUNS, most_runs(network, size, device))
    runs = [Run(start=start, mask=full, seed=seed) for seed in range(together)]
    with single_threaded(), torch.no_grad():
        seen = snapshots(network, TASK, data, runs, setup.recipe, steps=[1, 1 + _TIMED_STEPS])
        next(seen)
        begun = _now(device)
        parameters = next(seen).to(device)
        step = (_now(device) - begun) / _TIMED_STEPS / together
        begun = _now(device)
        evaluate(network, parameters[:1], data.inputs)
        look = (_now(device) - begun) / len(data)
    return Pace(step=step, look=look)


def _now(device: str) -> float:
    if device == Device.CUDA:
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def glorot(network: Network, seed: int) -> dict[str, Tensor]:
    """Returns Glorot's initial parameters: weights N(0, 2/(fan in + fan out)), biases zero."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=generator) * deviation(shape)
        for name, shape in network.shapes.items()
    }


def deviation(shape: Sequence[int]) -> float:
    """Returns the standard deviation of a parameter of this shape by Glorot's law."""
    if len(shape) < 2:
        return 0.0
    return float((2.0 / ((shape[0] + shape[1]) * math.prod(shape[2:]))) ** 0.5)
