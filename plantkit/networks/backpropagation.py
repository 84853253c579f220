"""Backpropagation through a network on images, written out step by step, for many runs at once.

`kernels` has the convolutions and says how values lie in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from plantkit.networks.buffers import Backpropagation
from plantkit.networks.kernels import (
    Kernel,
    Layer,
    convolution,
    merged,
    split,
)
from plantkit.networks.network import weight_name
from plantkit.networks.steps import (
    Convolution,
    Flatten,
    GlobalMean,
    Linear,
    Placed,
    Pooling,
    Rectifier,
    Shortcut,
    Size,
)
from plantkit.networks.tasks import Task

_aten: Any = torch.ops.aten


def written_out(
    plan: Sequence[Placed],
    task: Task,
    parameters: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
) -> Backpropagation:
    """Returns what writes the gradients of `parameters`; see `Network.backpropagation`.

    Batch normalisation takes the statistics of the batch.
    """
    runs = len(parameters[weight_name(0)])
    readers = Counter(source for placed in plan for source in placed.reads)
    readers[0] += 1  # who gives the image
    kernels = [
        _kernel(placed, runs, parameters, gradients, is_alone=readers[placed.reads[0]] == 1)
        for placed in plan
    ]
    values: list[Tensor] = [torch.empty(0)] * (len(plan) + 1)
    passed: list[Tensor] = values[1:]  # by each step, to the values that it reads

    def backpropagate(inputs: Tensor, targets: Tensor) -> None:
        images = inputs.view(*inputs.shape[:2], *plan[0].given)
        values[0] = merged(images.permute(1, 3, 4, 0, 2))
        for number, (placed, kernel) in enumerate(zip(plan, kernels, strict=True), start=1):
            values[number] = kernel.forward(*(values[source] for source in placed.reads))
        deltas = {len(plan): task.loss_gradient(values[-1], targets)}
        for number, placed in reversed(list(enumerate(plan))):
            passed[number] = kernels[number].backward(deltas.pop(number + 1))
            for source in filter(None, placed.reads):  # not for the image
                known = deltas.get(source)
                deltas[source] = passed[number] if known is None else known + passed[number]

    return backpropagate


class _Linear(Layer):
    def forward(self, *given: Tensor) -> Tensor:
        (self._given,) = given
        return torch.baddbmm(self.bias.unsqueeze(1), self._given, self.weight.transpose(1, 2))

    def backward(self, delta: Tensor) -> Tensor:
        torch.bmm(delta.transpose(1, 2), self._given, out=self.weight_gradient)
        torch.sum(delta, dim=1, out=self.bias_gradient)
        return torch.bmm(delta, self.weight)


class _Rectifier(Kernel):
    def __init__(self, *, in_place: bool) -> None:
        self._relu = torch.relu_ if in_place else torch.relu

    def forward(self, *given: Tensor) -> Tensor:
        self._made = self._relu(given[0])
        return self._made

    def backward(self, delta: Tensor) -> Tensor:
        passed: Tensor = _aten.threshold_backward(delta, self._made, 0)
        return passed


class _Largest(Kernel):
    """Max pooling."""

    def __init__(self, step: Pooling) -> None:
        self._options = [step.kernel] * 2, [step.stride] * 2, [step.padding] * 2, [1, 1], False

    def forward(self, *given: Tensor) -> Tensor:
        (self._given,) = given
        made: Tensor
        made, self._places = _aten.max_pool2d_with_indices(self._given, *self._options)
        return made

    def backward(self, delta: Tensor) -> Tensor:
        passed: Tensor = _aten.max_pool2d_with_indices_backward(
            delta, self._given, *self._options, self._places
        )
        return passed


class _Mean(Kernel):
    """Mean pooling."""

    def __init__(self, step: Pooling) -> None:
        self._options = [step.kernel] * 2, [step.stride] * 2, [step.padding] * 2, False, True, None

    def forward(self, *given: Tensor) -> Tensor:
        (self._given,) = given
        made: Tensor = _aten.avg_pool2d(self._given, *self._options)
        return made

    def backward(self, delta: Tensor) -> Tensor:
        passed: Tensor = _aten.avg_pool2d_backward(delta, self._given, *self._options)
        return passed


class _GlobalMean(Kernel):
    def __init__(self, given: Size, runs: int) -> None:
        _, self._rows, self._columns = given
        self._runs = runs

    def forward(self, *given: Tensor) -> Tensor:
        means = given[0].mean((2, 3)).view(len(given[0]), self._runs, -1)
        return means.transpose(0, 1).contiguous()

    def backward(self, delta: Tensor) -> Tensor:
        share = (delta / (self._rows * self._columns)).transpose(0, 1)  # (n, runs, channels)
        return merged(share[:, None, None].expand(-1, self._rows, self._columns, -1, -1))


class _Flatten(Kernel):
    def __init__(self, given: Size, runs: int) -> None:
        self._given, self._runs = given, runs

    def forward(self, *given: Tensor) -> Tensor:
        pixels = split(given[0], self._runs)
        return pixels.permute(3, 0, 4, 1, 2).flatten(2).contiguous()

    def backward(self, delta: Tensor) -> Tensor:
        pixels = delta.view(*delta.shape[:2], *self._given)
        return merged(pixels.permute(1, 3, 4, 0, 2))


class _Shortcut(Kernel):
    def forward(self, *given: Tensor) -> Tensor:
        return given[0] + given[1]

    def backward(self, delta: Tensor) -> Tensor:
        return delta


def _kernel(placed: Placed, runs: int, *blocks: Mapping[str, Tensor], is_alone: bool) -> Kernel:
    """Returns the kernel of a step. is_alone: whether no other step reads the value it reads."""
    match placed.step:
        case Convolution() as step:
            return convolution(placed, step, *blocks)
        case Linear():
            return _Linear(placed, *blocks)
        case Rectifier():
            return _Rectifier(in_place=is_alone)
        case Pooling() as step:
            return _Mean(step) if step.takes_mean else _Largest(step)
        case Flatten():
            return _Flatten(placed.given, runs)
        case GlobalMean():
            return _GlobalMean(placed.given, runs)
        case Shortcut():
            return _Shortcut()
        case step:
            raise TypeError(f"unknown step {step!r}")
