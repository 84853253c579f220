"""The one trainer and the one evaluation, for many runs of one network at once.

All runs share a leading axis. Masks are enforced in every step: a pruned parameter starts at
zero, its gradient is set to zero, and so it never moves. Runs are independent: on one machine
a run's result, to the last bit, depends on its own start, mask and seed only, not on the runs
that train beside it.

Idle units (`plantkit.connectivity.trainable_units`) are cut away before training and put back
afterwards, which is exact and makes very sparse runs cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from plantkit.connectivity import trainable_units
from plantkit.networks import (
    NetworkSpec,
    bias_name,
    flatten,
    forward_runs,
    unflatten,
    weight_name,
)
from plantkit.tasks import Task

#: Parameters of all runs that train side by side in one batch; keeps a batch in the cache.
BATCH_PARAMETERS = 130_000
#: Floats in a vector register, and in a cache line: rows of parameters start at multiples of
#: it, and widths of cut networks are padded to it, so that all runs are summed alike.
ALIGNMENT = 16
#: Samples evaluated at once. Fixed, so that results do not depend on memory or settings.
EVALUATION_BATCH = 1000

#: Called after every step of a group with the group's (runs, total) compact parameters and
#: its masks of the same shape; for tests and diagnostics.
StepHook = Callable[[Tensor, Tensor], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Data: inputs (n, d_in) float32; targets (n,) int64 classes or (n, d_out) float32."""

    inputs: Tensor
    targets: Tensor

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise ValueError(f"{len(self.inputs)} inputs but {len(self.targets)} targets")

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A training recipe: Adam with a fixed learning rate, the paper's by default.

    Betas are 0.9 and 0.999, epsilon 1e-8, no weight decay; every epoch goes through all
    samples once in a new order, the last batch may be smaller.
    """

    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 0.001

    def to_json(self) -> dict[str, Any]:
        return {
            "optimizer": "adam",
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "epochs": self.epochs,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Recipe:
        if value.get("optimizer") != "adam":
            raise ValueError(f"optimizer is {value.get('optimizer')!r}; expected 'adam'")
        return cls(
            epochs=value["epochs"],
            batch_size=value["batch_size"],
            learning_rate=value["learning_rate"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training run: where it starts, what it keeps, and the seed of its data order.

    start: parameter name to tensor, not yet masked. mask: name to bool tensor.
    """

    start: Mapping[str, Tensor]
    mask: Mapping[str, Tensor]
    seed: int


def train(
    spec: NetworkSpec,
    task: Task,
    data: Samples,
    runs: Sequence[Run],
    recipe: Recipe,
    *,
    jobs: int = 1,
    step_hook: StepHook | None = None,
    on_done: Callable[[int], None] | None = None,
) -> Tensor:
    """Returns the trained parameters (runs, total) float32, flattened as `spec` orders them.

    Args:
        jobs: groups of runs that train side by side, each on one thread; results do not
            depend on it.
        step_hook: see `StepHook`.
        on_done: called with the number of runs of each group that has finished.
    """
    if not runs:
        return torch.empty(0, spec.total)
    masks = torch.stack([flatten(spec, run.mask) for run in runs])  # (runs, total) bool
    trained = torch.stack([flatten(spec, run.start) for run in runs]).float() * masks
    units = trainable_units(spec, unflatten(spec, masks))

    def train_group(group: list[int]) -> None:
        index = torch.tensor(group)
        compact = _CompactRuns.cut(spec, masks[index], [layer[index] for layer in units])
        parameters = compact.take(trained[index])
        _train_compact(
            compact.spec,
            task,
            data,
            parameters,
            compact.take(masks[index]),
            [runs[position].seed for position in group],
            recipe,
            step_hook,
        )
        trained[index] = compact.put_back(parameters, trained[index])
        if on_done is not None:
            on_done(len(group))

    groups = _group_by_shape(spec, units, len(runs))
    with single_threaded():
        if jobs == 1 or len(groups) == 1:
            for group in groups:
                train_group(group)
        else:
            with ThreadPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                list(pool.map(train_group, groups))
    return trained


def evaluate(spec: NetworkSpec, parameters: Tensor, inputs: Tensor) -> Tensor:
    """Returns the outputs (runs, n, d_out) of flattened parameters (runs, total).

    Samples go through in fixed batches of `EVALUATION_BATCH`, on one thread.
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


def data_order(seed: int, epoch: int, count: int) -> Tensor:
    """Returns the order (count,) int64 in which a run of `seed` sees the samples in `epoch`."""
    generator = np.random.Generator(np.random.PCG64([seed, epoch]))
    return torch.from_numpy(generator.permutation(count))


def _group_by_shape(spec: NetworkSpec, units: list[Tensor], runs: int) -> list[list[int]]:
    """Returns groups of run indices, the largest networks first.

    The shape that a run is trained in depends on the run alone, never on its group: a
    matrix product of another shape may round its sums in another order.
    """
    by_cap: dict[int, list[int]] = {}
    for run in range(runs):
        alive = max((int(layer[run].sum()) for layer in units), default=0)
        by_cap.setdefault(_width_cap(alive), []).append(run)
    groups: list[list[int]] = []
    for cap in sorted(by_cap, reverse=True):
        members = by_cap[cap]
        total = NetworkSpec(widths=_capped_widths(spec, cap)).total
        most = max(1, BATCH_PARAMETERS // total)
        groups += [members[first : first + most] for first in range(0, len(members), most)]
    return groups


def _width_cap(alive: int) -> int:
    """Returns the width that layers with at most `alive` units are padded to: 16, 32, 64, ..."""
    return max(ALIGNMENT, 1 << (alive - 1).bit_length())


def _capped_widths(spec: NetworkSpec, cap: int) -> tuple[int, ...]:
    return (spec.inputs, *(min(cap, width) for width in spec.widths[1:-1]), spec.outputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _CompactRuns:
    """Runs of one network with their idle units cut away and padded to common widths.

    `gather` (runs, compact total) holds the place of every compact parameter in the full
    vector; `real` is False where a compact parameter is padding.
    """

    spec: NetworkSpec
    gather: Tensor
    real: Tensor

    @classmethod
    def cut(cls, spec: NetworkSpec, masks: Tensor, units: list[Tensor]) -> _CompactRuns:
        """Returns the layout for runs with masks (runs, total) and hidden `units` alive."""
        runs = masks.shape[0]
        alive = [
            torch.ones(runs, spec.inputs, dtype=torch.bool),
            *units,
            torch.ones(runs, spec.outputs, dtype=torch.bool),
        ]
        most = max((int(layer.sum(dim=1).max()) for layer in units), default=0)
        widths = _capped_widths(spec, _width_cap(most))
        # Alive units first, in their order; (runs, width).
        chosen = [
            torch.sort(layer.int(), dim=1, descending=True, stable=True).indices[:, :width]
            for layer, width in zip(alive, widths, strict=True)
        ]
        is_alive = [
            torch.gather(layer, 1, index) for layer, index in zip(alive, chosen, strict=True)
        ]
        gather, real = [], []
        offset = 0
        for layer in spec.layers:
            fan_in, fan_out = spec.widths[layer], spec.widths[layer + 1]
            rows, columns = chosen[layer + 1].unsqueeze(2), chosen[layer].unsqueeze(1)
            gather.append((offset + rows * fan_in + columns).flatten(1))
            real.append(
                (is_alive[layer + 1].unsqueeze(2) & is_alive[layer].unsqueeze(1)).flatten(1)
            )
            offset += fan_in * fan_out
            gather.append(offset + chosen[layer + 1])
            real.append(is_alive[layer + 1])
            offset += fan_out
        return cls(
            spec=NetworkSpec(widths=widths),
            gather=torch.cat(gather, dim=1),
            real=torch.cat(real, dim=1),
        )

    def take(self, full: Tensor) -> Tensor:
        """Returns the compact part (runs, aligned total) of (runs, total); padding is zero."""
        compact = torch.gather(full, 1, self.gather) * self.real
        return functional.pad(compact, (0, -compact.shape[1] % ALIGNMENT))

    def put_back(self, compact: Tensor, full: Tensor) -> Tensor:
        """Returns `full` (runs, total) with the compact parameters in their places."""
        current = torch.gather(full, 1, self.gather)
        compact = compact[:, : current.shape[1]]
        return full.scatter(1, self.gather, torch.where(self.real, compact, current))


def _train_compact(
    spec: NetworkSpec,
    task: Task,
    data: Samples,
    parameters: Tensor,
    masks: Tensor,
    seeds: Sequence[int],
    recipe: Recipe,
    step_hook: StepHook | None,
) -> None:
    """Trains `parameters` (runs, aligned total) in place, under masks of the same shape."""
    gradients = torch.zeros_like(parameters)
    weights = unflatten(spec, parameters[:, : spec.total])
    weight_gradients = unflatten(spec, gradients[:, : spec.total])
    kept = masks.to(parameters.dtype)
    mean, square = torch.zeros_like(parameters), torch.zeros_like(parameters)
    step = torch.zeros(())
    for epoch in range(recipe.epochs):
        orders = {seed: data_order(seed, epoch, len(data)) for seed in set(seeds)}
        order = torch.stack([orders[seed] for seed in seeds])  # (runs, n)
        for batch in torch.split(order, recipe.batch_size, dim=1):
            _loss_gradients(
                spec, task, weights, data.inputs[batch], data.targets[batch], weight_gradients
            )
            gradients.mul_(kept)
            step += 1
            torch._fused_adam_(
                [parameters],
                [gradients],
                [mean],
                [square],
                [],
                [step],
                lr=recipe.learning_rate,
                beta1=0.9,
                beta2=0.999,
                weight_decay=0.0,
                eps=1e-8,
                amsgrad=False,
                maximize=False,
            )
            if step_hook is not None:
                step_hook(parameters[:, : spec.total], masks[:, : spec.total])


def _loss_gradients(
    spec: NetworkSpec,
    task: Task,
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    targets: Tensor,
    gradients: Mapping[str, Tensor],
) -> None:
    """Writes the gradient of every run's mean loss into `gradients`, by backpropagation.

    Written out, because for networks this small the bookkeeping of autograd costs more than
    the arithmetic. `inputs` are (runs, batch, d_in).
    """
    hidden = [inputs]
    for layer in spec.layers:
        weight, bias = weights[weight_name(layer)], weights[bias_name(layer)]
        outputs = torch.baddbmm(bias.unsqueeze(1), hidden[-1], weight.transpose(1, 2))
        if layer < spec.layers[-1]:
            hidden.append(outputs.relu_())
    delta = task.loss_gradient(outputs, targets)  # (runs, batch, out)
    for layer in reversed(spec.layers):
        torch.bmm(delta.transpose(1, 2), hidden[layer], out=gradients[weight_name(layer)])
        torch.sum(delta, dim=1, out=gradients[bias_name(layer)])
        if layer:
            delta = torch.bmm(delta, weights[weight_name(layer)])
            delta.mul_(hidden[layer] > 0)
