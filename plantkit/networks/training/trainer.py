"""Trains many runs group by group, and evaluates many networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor

from plantkit.networks import Network, unflatten
from plantkit.networks.tasks import Task
from plantkit.networks.training.engine import train_group
from plantkit.networks.training.groups import Device, Group, Workload, plan
from plantkit.networks.training.recipe import Recipe, Run, Samples

#: Most samples evaluated at once, and most numbers that a network makes of them. Fixed, so that
#: results do not depend on memory or settings.
EVALUATION_BATCH = 1000
_EVALUATION_ACTIVATIONS = 1 << 26


def train(
    spec: Network,
    task: Task,
    data: Samples,
    runs: Sequence[Run],
    recipe: Recipe,
    *,
    jobs: int = 1,
    device: str = Device.CPU,
    on_done: Callable[[int], None] | None = None,
) -> Tensor:
    """Returns the trained parameters (runs, total) float32, flattened as `spec` orders them.

    This is the end of the runs' `trace`, which explains the arguments.
    """
    steps = [recipe.steps(len(data))]
    return trace(
        spec, task, data, runs, recipe, steps=steps, jobs=jobs, device=device, on_done=on_done
    )[0]


def trace(
    spec: Network,
    task: Task,
    data: Samples,
    runs: Sequence[Run],
    recipe: Recipe,
    *,
    steps: Sequence[int],
    first_step: int = 0,
    jobs: int = 1,
    device: str = Device.CPU,
    on_done: Callable[[int], None] | None = None,
) -> Tensor:
    """Returns the parameters (steps, runs, total) float32 of runs after so many steps.

    Args:
        steps: numbers of steps, ascending, from `first_step` to `recipe.steps(len(data))`.
        first_step: how many of the recipe's steps the runs' starts have behind them. Training
            goes on with the samples that follow in each run's order. Adam's moments start at
            zero all the same.
        jobs: how many groups of runs train side by side, each on one thread of this process.
            Results do not depend on it. `accuracy.measure_all` has processes, which scale better.
        device: "cpu" or "cuda"; the result is on the CPU in any case.
        on_done: called with the number of runs of each group that has finished.

    Raises:
        ValueError: steps out of order or out of range.
    """
    bounds = [first_step, *steps, recipe.steps(len(data))]
    if first_step < 0 or bounds != sorted(bounds):
        raise ValueError(
            f"steps are {list(steps)}; expected ascending numbers from {first_step} to {bounds[-1]}"
        )
    traced = torch.empty(len(steps), len(runs), spec.total)
    data = data.to(device)

    def train_one(group: Group) -> None:
        members = [runs[position] for position in group.runs]
        traced[:, list(group.runs)] = train_group(
            spec, task, data, members, recipe, steps=steps, first_step=first_step
        )
        if on_done is not None:
            on_done(len(members))

    masks = [run.mask for run in runs]
    workload = Workload(spec=spec, masks=masks, batch_size=recipe.batch_size)
    groups = plan([workload], jobs=jobs, device=device)
    with single_threaded():
        if jobs == 1 or len(groups) <= 1:
            for group in groups:
                train_one(group)
        else:
            with ThreadPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                list(pool.map(train_one, groups))
    return traced


def evaluate(spec: Network, parameters: Tensor, inputs: Tensor) -> Tensor:
    """Returns the outputs (runs, n, d_out) of flattened parameters (runs, total).

    Samples go through in batches of a size that depends on the network alone, on one thread.
    Parameters and inputs are on one device, and so are the outputs.
    """
    named = unflatten(spec, parameters)
    batch = min(EVALUATION_BATCH, max(1, _EVALUATION_ACTIVATIONS // spec.activations))
    with torch.no_grad(), single_threaded():
        return torch.cat(
            [spec.forward_runs(named, samples) for samples in torch.split(inputs, batch)], dim=1
        )


@contextmanager
def single_threaded() -> Iterator[None]:
    """Runs the block with one torch thread, so that sums do not depend on the machine's cores.

    On a GPU, convolutions are of whole floats there, and the same each time.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.backends.cudnn.flags(
            enabled=torch.backends.cudnn.enabled, deterministic=True, allow_tf32=False
        ):
            yield
    finally:
        torch.set_num_threads(threads)
