"""Many runs: trained group by group, evaluated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from plantkit.networks import Network, flatten, forward_runs, unflatten
from plantkit.networks.tasks import Task
from plantkit.networks.training.cutting import CutRuns, width_caps
from plantkit.networks.training.engine import StepHook, train_rows
from plantkit.networks.training.groups import Device, plan_groups
from plantkit.networks.training.recipe import Recipe, Run, Samples

#: Samples evaluated at once. Fixed, so that results do not depend on memory or settings.
EVALUATION_BATCH = 1000


def train(
    spec: Network,
    task: Task,
    data: Samples,
    runs: Sequence[Run],
    recipe: Recipe,
    *,
    jobs: int = 1,
    device: str = Device.CPU,
    step_hook: StepHook | None = None,
    on_done: Callable[[int], None] | None = None,
) -> Tensor:
    """Returns the trained parameters (runs, total) float32, flattened as `spec` orders them.

    See `trace`, of which it is the end.
    """
    return trace(
        spec,
        task,
        data,
        runs,
        recipe,
        steps=[recipe.steps(len(data))],
        jobs=jobs,
        device=device,
        step_hook=step_hook,
        on_done=on_done,
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
    step_hook: StepHook | None = None,
    on_done: Callable[[int], None] | None = None,
) -> Tensor:
    """Returns the parameters (steps, runs, total) float32 of runs after so many steps.

    Args:
        steps: numbers of steps, ascending, from `first_step` to `recipe.steps(len(data))`.
        first_step: how many of the recipe's steps the runs' starts have behind them: training
            goes on with the samples that follow in each run's order. Adam's moments start at
            zero all the same.
        jobs: groups of runs that train side by side, each on one thread of this process;
            results do not depend on it, those of convolutions up to rounding.
            `accuracy.measure` has processes, which scale better.
        device: "cpu" or "cuda"; the result is on the CPU in any case.
        step_hook: see `StepHook`.
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

    def train_one(group: list[int]) -> None:
        members = [runs[position] for position in group]
        traced[:, group] = trace_group(
            spec, task, data, members, recipe, steps, first_step, step_hook=step_hook
        )
        if on_done is not None:
            on_done(len(group))

    groups = plan_groups(spec, [run.mask for run in runs], jobs=jobs, device=device)
    with single_threaded():
        if jobs == 1 or len(groups) <= 1:
            for group in groups:
                train_one(group)
        else:
            with ThreadPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                list(pool.map(train_one, groups))
    return traced


def train_group(
    spec: Network, task: Task, data: Samples, runs: Sequence[Run], recipe: Recipe
) -> Tensor:
    """Returns the trained parameters (runs, total) of one group of `plan_groups`.

    `data` is on the device that trains; torch should have one thread (`single_threaded`).
    """
    return trace_group(spec, task, data, runs, recipe, [recipe.steps(len(data))], 0)[0]


def trace_group(
    spec: Network,
    task: Task,
    data: Samples,
    runs: Sequence[Run],
    recipe: Recipe,
    steps: Sequence[int],
    first_step: int,
    *,
    step_hook: StepHook | None = None,
) -> Tensor:
    """Returns the parameters (steps, runs, total) of one group of `plan_groups`; see `trace`."""
    masks = torch.stack([flatten(spec, run.mask) for run in runs])  # (runs, total) bool
    start = torch.stack([flatten(spec, run.start) for run in runs]).float() * masks
    (cap,) = set(width_caps(spec, masks))
    cut = CutRuns.of(spec, masks, cap)
    if cap == 0:
        data = Samples(inputs=torch.zeros_like(data.inputs[:, :1]), targets=data.targets)
    traced = train_rows(
        cut.spec,
        task,
        data,
        cut.take(start),
        cut.take(masks),
        [run.seed for run in runs],
        recipe,
        steps=steps,
        first_step=first_step,
        step_hook=step_hook,
    )
    return torch.stack([cut.put_back(trained, start) for trained in traced])


def evaluate(spec: Network, parameters: Tensor, inputs: Tensor) -> Tensor:
    """Returns the outputs (runs, n, d_out) of flattened parameters (runs, total).

    Samples go through in fixed batches of `EVALUATION_BATCH`, on one thread. Parameters and
    inputs are on one device, and so are the outputs.
    """
    named = unflatten(spec, parameters)
    with torch.no_grad(), single_threaded():
        return torch.cat(
            [forward_runs(spec, named, batch) for batch in torch.split(inputs, EVALUATION_BATCH)],
            dim=1,
        )


class single_threaded:  # noqa: N801 - reads as a statement: with single_threaded()
    """Runs the block with one torch thread, so that sums do not depend on the machine's cores."""

    def __enter__(self) -> None:
        self._threads = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *exc_info: object) -> None:
        torch.set_num_threads(self._threads)
