"""The steps of a group of runs: gradients, and Adam or SGD on one flat buffer.

For networks this small the bookkeeping of autograd, small allocations and one kernel for each
parameter cost more than the arithmetic. So all parameters of all runs lie in one flat buffer,
each parameter in one block that a batched matrix product takes as it is. On a GPU the step is
recorded once as a CUDA graph and replayed, if the kind of network allows it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from plantkit.networks import Network, flatten
from plantkit.networks.tasks import Task
from plantkit.networks.training.groups import most_runs
from plantkit.networks.training.recipe import Descent, Recipe, Run, Samples, data_order
from plantkit.networks.training.variation import varied

#: Steps run before a CUDA graph is captured, as its documentation asks for.
_WARM_UP_STEPS = 3


def train_group(
    spec: Network,
    task: Task,
    data: Samples | Sequence[Samples],
    runs: Sequence[Run],
    recipe: Recipe,
    *,
    steps: Sequence[int],
    first_step: int = 0,
) -> Tensor:
    """Returns the parameters (steps, runs, total) of one group of `plan`; see `trace`."""
    return torch.stack(
        list(snapshots(spec, task, data, runs, recipe, steps=steps, first_step=first_step))
    )


def snapshots(
    spec: Network,
    task: Task,
    data: Samples | Sequence[Samples],
    runs: Sequence[Run],
    recipe: Recipe,
    *,
    steps: Sequence[int],
    first_step: int = 0,
) -> Iterator[Tensor]:
    """Yields the parameters (runs, total) of one group of `plan` after so many steps; see `trace`.

    `data` is on the device that trains; torch should have one thread (`single_threaded`). It is
    the same for all runs, or one for each, with as many samples.
    """
    masks = torch.stack([flatten(spec, run.mask) for run in runs])  # (runs, total) bool
    start = torch.stack([flatten(spec, run.start) for run in runs]).float() * masks
    (small,) = set(spec.cut(masks))
    places = spec.places(masks, small)
    none = masks.new_zeros(len(runs), 1)  # what parameters of `small` without a place hold
    whole, whole_masks = torch.cat([start, none], dim=1), torch.cat([masks, none], dim=1)
    own, own_masks = (torch.gather(rows, 1, places) for rows in (whole, whole_masks))
    alive = own_masks.any(dim=1).nonzero().flatten()  # the others have nothing to train
    if not len(alive):
        for _ in steps:
            yield whole[:, :-1].clone()
        return
    count, joined, places_of_samples = _joined(data, len(runs))
    # Where no two runs train in one batch, each of them trains alone whatever the others are.
    is_always_alone = most_runs(small, recipe.batch_size, joined.inputs.device.type) == 1
    copies = 1 if is_always_alone else -(-small.least_runs // len(alive))
    members = alive.repeat(copies)
    seen = [(runs[member].seed, places_of_samples[member]) for member in members.tolist()]
    with torch.inference_mode():  # every call of torch is faster so, and there are many
        engine = _Engine(
            small,
            task,
            joined,
            recipe,
            own[members],
            own_masks[members],
            count,
            [seed for seed, _ in seen],
            first_step,
        )
    for first, last in itertools.pairwise([first_step, *steps]):
        with torch.inference_mode():
            for order in _orders(seen, recipe, count, first, last):
                for batch in torch.split(order.to(joined.inputs.device), recipe.batch_size, dim=1):
                    engine.step(batch)
        own[alive] = engine.rows()[: len(alive)].cpu()
        yield whole.scatter(1, places, own)[:, :-1]


def _joined(data: Samples | Sequence[Samples], runs: int) -> tuple[int, Samples, list[int]]:
    """Returns how many samples each run has, those of all runs, and where each run's begin."""
    each = [data] * runs if isinstance(data, Samples) else data
    parts = list({id(one): one for one in each}.values())
    if len(parts) == 1:
        return len(parts[0]), parts[0], [0] * runs
    (count,) = {len(one) for one in parts}
    places = {id(one): count * place for place, one in enumerate(parts)}
    joined = Samples(
        inputs=torch.cat([one.inputs for one in parts]),
        targets=torch.cat([one.targets for one in parts]),
    )
    return count, joined, [places[id(one)] for one in each]


def _orders(
    runs: Sequence[tuple[int, int]], recipe: Recipe, samples: int, first: int, last: int
) -> Iterator[Tensor]:
    """Yields the samples (runs, count) of the steps from `first` up to `last`, by epochs.

    runs: of each the seed, and the place at which its `samples` begin.
    """
    an_epoch = recipe.steps(samples) // max(1, recipe.epochs)
    for epoch in range(recipe.epochs):
        begin, end = max(first - epoch * an_epoch, 0), min(last - epoch * an_epoch, an_epoch)
        if begin < end:
            orders = {seed: data_order(seed, epoch, samples) for seed in {one for one, _ in runs}}
            order = torch.stack([orders[seed] + place for seed, place in runs])
            yield order[:, begin * recipe.batch_size : end * recipe.batch_size]


class _Engine:
    """The parameters, gradients and moments of a group of runs, and its step."""

    def __init__(
        self,
        spec: Network,
        task: Task,
        data: Samples,
        recipe: Recipe,
        start: Tensor,
        masks: Tensor,
        samples: int,
        seeds: Sequence[int],
        first_step: int,
    ) -> None:
        runs, device = len(start), data.inputs.device
        self._spec = spec
        self._data = data
        self._recipe = recipe
        self._seeds = seeds
        self._taken = first_step  # of the recipe's steps
        self._layout = spec.layout(masks.to(device))
        buffers = torch.zeros(4, self._layout.size, device=device)
        self._flat, self._gradients, self._mean, self._square = buffers
        self._kept = self._layout.kept()
        self._steps = torch.zeros((), device=device)
        #: Whether the caller has torch take denormal numbers for zero.
        self._flushes = float(torch.tensor(1e-39) * 1) == 0
        self._backpropagate = self._layout.backpropagation(task, self._flat, self._gradients)
        #: Batch length to the place of the batch's samples (runs, count), and the recorded step.
        self._graphs: dict[int, tuple[Tensor, torch.cuda.CUDAGraph]] = {}
        is_fixed = not isinstance(recipe, Descent)  # whose rate, or images, change
        if device.type == "cuda" and spec.is_capturable and is_fixed:
            for count in {recipe.batch_size, samples % recipe.batch_size}:
                if 0 < count <= samples:
                    self._graphs[count] = self._recorded(runs, count)
            buffers.zero_()  # recording took steps
            self._steps.zero_()
        self._layout.write(start.to(device), self._flat)

    def rows(self) -> Tensor:
        """Returns a copy of the parameters as (runs, total)."""
        return self._layout.read(self._flat)

    def step(self, index: Tensor) -> None:
        """Takes one step of all runs on the samples `index` (runs, count)."""
        if index.shape[1] in self._graphs:
            place, graph = self._graphs[index.shape[1]]
            place.copy_(index)
            graph.replay()
        else:
            self._step(index)
        self._taken += 1

    def _recorded(self, runs: int, count: int) -> tuple[Tensor, torch.cuda.CUDAGraph]:
        """Returns the step over batches of `count` samples as a CUDA graph; see `_graphs`."""
        place = torch.zeros(runs, count, dtype=torch.int64, device=self._flat.device)
        stream: Any = torch.cuda.Stream(place.device)  # type: ignore[no-untyped-call,unused-ignore]
        stream.wait_stream(torch.cuda.current_stream(place.device))
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP_STEPS):
                self._step(place)
        torch.cuda.current_stream(place.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step(place)
        return place, graph

    def _step(self, index: Tensor) -> None:
        inputs = self._data.inputs[index]
        if isinstance(self._recipe, Descent) and self._recipe.varies:
            inputs = self._varied(inputs, self._recipe)
        self._backpropagate(inputs, self._data.targets[index])
        if self._kept is not None:
            self._gradients.mul_(self._kept)
        self._steps += 1
        # Means of units that no longer learn shrink until they are denormal, which is slow.
        torch.set_flush_denormal(True)
        try:
            if isinstance(self._recipe, Descent):
                self._descend(self._recipe)
            else:
                self._adapt(self._recipe)
        finally:  # an interrupt must not leave it so
            torch.set_flush_denormal(self._flushes)

    def _adapt(self, recipe: Recipe) -> None:
        """Takes Adam's step."""
        torch._fused_adam_(
            [self._flat],
            [self._gradients],
            [self._mean],
            [self._square],
            [],
            [self._steps],
            lr=recipe.learning_rate,
            beta1=0.9,
            beta2=0.999,
            weight_decay=0.0,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )

    def _descend(self, recipe: Descent) -> None:
        """Takes the step of SGD; what is pruned is zero, so that nothing of it decays."""
        self._gradients.add_(self._flat, alpha=recipe.weight_decay)
        self._mean.mul_(recipe.momentum).add_(self._gradients)
        self._flat.add_(self._mean, alpha=-recipe.rate(self._taken))

    def _varied(self, inputs: Tensor, recipe: Descent) -> Tensor:
        image = getattr(self._spec, "image", None)
        if image is None:
            raise ValueError(f"images are to be moved or mirrored; {self._spec.label} takes none")
        return varied(
            inputs,
            image,
            self._seeds,
            self._taken,
            shift=recipe.shift,
            mirrored=recipe.mirrored,
        )
