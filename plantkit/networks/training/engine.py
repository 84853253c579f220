"""The steps of a group of runs: their gradients, and Adam on one flat buffer.

For networks this small the bookkeeping of autograd, small allocations and one kernel a
parameter cost more than the arithmetic. So every parameter of all runs lies in one block of
one flat buffer, where a batched matrix product takes and leaves it as it is; perceptrons have
their backpropagation written out (`gradients`), and a step of theirs allocates next to
nothing. On a GPU it is captured once as a CUDA graph and replayed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from plantkit.networks import Network, PerceptronSpec, flatten, unflatten
from plantkit.networks.tasks import Task
from plantkit.networks.training.cutting import ALIGNMENT
from plantkit.networks.training.gradients import make_gradients
from plantkit.networks.training.recipe import Recipe, Samples, data_order

#: Called after every step of a group with the group's (runs, total) cut parameters and its
#: masks of the same shape; for tests and diagnostics.
StepHook = Callable[[Tensor, Tensor], None]

#: Steps run before a CUDA graph is captured, as its documentation asks for.
_WARM_UP_STEPS = 3


def train_rows(
    spec: Network,
    task: Task,
    data: Samples,
    start: Tensor,
    masks: Tensor,
    seeds: Sequence[int],
    recipe: Recipe,
    *,
    steps: Sequence[int],
    first_step: int = 0,
    step_hook: StepHook | None = None,
) -> Tensor:
    """Returns the parameters (steps, runs, total) of runs after each of `steps` steps.

    Args:
        data: on the device that trains.
        start: (runs, total) float32, zero where pruned.
        masks: (runs, total) bool.
        seeds: of the data order, one a run.
        steps: numbers of steps in ascending order, none below `first_step` or beyond the
            recipe's.
        first_step: how many of the recipe's steps `start` has behind it.
    """
    device = data.inputs.device
    runs = len(seeds)
    if runs == 1 and isinstance(spec, PerceptronSpec) and 1 in spec.widths[1:]:
        # A product with one column is summed in another order for one run than for several.
        start, masks, seeds = start.repeat(2, 1), masks.repeat(2, 1), [*seeds, *seeds]
    engine = _Engine(spec, task, data, len(seeds), recipe, device)
    engine.load(start.to(device), masks.to(device))
    found = torch.empty(len(steps), runs, spec.total)
    taken = first_step
    for position, step in enumerate(steps):
        for batch in _batches(seeds, recipe, len(data), taken, step, device):
            engine.step(batch)
            if step_hook is not None:
                step_hook(engine.rows()[:runs], masks[:runs])
        found[position] = engine.rows()[:runs]
        taken = step
    return found.to(start.device)


def _batches(
    seeds: Sequence[int], recipe: Recipe, samples: int, first: int, last: int, device: torch.device
) -> Iterator[Tensor]:
    """Yields the samples (runs, count) of the recipe's steps from `first` up to `last`."""
    an_epoch = recipe.steps(samples) // max(1, recipe.epochs)
    for epoch in range(recipe.epochs):
        begin, end = max(first - epoch * an_epoch, 0), min(last - epoch * an_epoch, an_epoch)
        if begin >= end:
            continue
        orders = {seed: data_order(seed, epoch, samples) for seed in set(seeds)}
        order = torch.stack([orders[seed] for seed in seeds]).to(device)  # (runs, n)
        yield from torch.split(order, recipe.batch_size, dim=1)[begin:end]


class _Blocks:
    """One flat buffer with a block (runs, *shape) a parameter, each a whole of cache lines."""

    def __init__(self, spec: Network, runs: int, device: torch.device) -> None:
        sizes = {name: runs * math.prod(shape) for name, shape in spec.shapes.items()}
        padded = [size + -size % ALIGNMENT for size in sizes.values()]
        self.flat = torch.zeros(sum(padded), device=device)
        self.named = {
            name: block[: sizes[name]].view(runs, *spec.shapes[name])
            for name, block in zip(sizes, torch.split(self.flat, padded), strict=True)
        }


class _Batch:
    """The samples of one step over batches of one length, and the step as a CUDA graph."""

    def __init__(self, runs: int, count: int, device: torch.device) -> None:
        self.index = torch.zeros(runs, count, dtype=torch.int64, device=device)
        self.graph: torch.cuda.CUDAGraph | None = None


class _Engine:
    """The parameters, gradients and moments of a group of runs, and its step."""

    def __init__(
        self,
        spec: Network,
        task: Task,
        data: Samples,
        runs: int,
        recipe: Recipe,
        device: torch.device,
    ) -> None:
        self._spec = spec
        self._data = data
        self._recipe = recipe
        self._runs = runs
        self._device = device
        self._parameters, self._gradients, self._mean, self._square, self._kept = (
            _Blocks(spec, runs, device) for _ in range(5)
        )
        self._steps = torch.zeros((), device=device)
        self._has_pruned = True
        self._batches: dict[int, _Batch] = {}
        self._backpropagate = make_gradients(
            spec, task, self._parameters.named, self._gradients.named
        )

    def load(self, start: Tensor, masks: Tensor) -> None:
        """Sets the parameters (runs, total) and what of them is kept; nothing has moved yet."""
        if self._device.type == "cuda" and self._backpropagate.is_capturable:
            for count in {self._recipe.batch_size, len(self._data) % self._recipe.batch_size}:
                if 0 < count <= len(self._data):
                    self._capture(count)
        for blocks in (self._parameters, self._gradients, self._mean, self._square):
            blocks.flat.zero_()
        self._steps.zero_()
        kept = unflatten(self._spec, masks)
        for name, value in unflatten(self._spec, start).items():
            self._parameters.named[name].copy_(value)
            self._kept.named[name].copy_(kept[name])
        self._has_pruned = not bool(masks.all())

    def rows(self) -> Tensor:
        """Returns a copy of the parameters as (runs, total)."""
        return flatten(self._spec, self._parameters.named)

    def step(self, index: Tensor) -> None:
        """Takes one step of all runs on the samples `index` (runs, count)."""
        batch = self._batch(index.shape[1])
        if batch.graph is not None:
            batch.index.copy_(index)
            batch.graph.replay()
        else:
            self._step(index)

    def _batch(self, count: int) -> _Batch:
        if count not in self._batches:
            self._batches[count] = _Batch(self._runs, count, self._device)
        return self._batches[count]

    def _capture(self, count: int) -> None:
        """Captures the step over batches of `count` samples as a CUDA graph."""
        batch = self._batch(count)
        stream: Any = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call,unused-ignore]
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP_STEPS):
                self._step(batch.index)
        torch.cuda.current_stream(self._device).wait_stream(stream)
        batch.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(batch.graph):
            self._step(batch.index)

    def _step(self, index: Tensor) -> None:
        self._backpropagate(self._data.inputs[index], self._data.targets[index])
        if self._has_pruned:
            self._gradients.flat.mul_(self._kept.flat)
        self._steps += 1
        torch._fused_adam_(
            [self._parameters.flat],
            [self._gradients.flat],
            [self._mean.flat],
            [self._square.flat],
            [],
            [self._steps],
            lr=self._recipe.learning_rate,
            beta1=0.9,
            beta2=0.999,
            weight_decay=0.0,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )
