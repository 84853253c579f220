"""The kept parameters of a network on images that lie on a path, followed pixel by pixel.

Reached and reaching numbers are zeros and ones, so that nothing overflows, however deep the
network is and however many paths lead through it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from plantkit.networks.network import bias_name, weight_name
from plantkit.networks.steps import (
    Convolution,
    Flatten,
    GlobalMean,
    Linear,
    Placed,
    Pooling,
    Rectifier,
    Shortcut,
)


def on_paths(plan: Sequence[Placed], mask: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns, as bool tensors by name, what `mask` keeps of the paths from inputs to outputs.

    A kernel's entry is on a path if it is at any of its places: one that only ever meets padding
    is not. A bias is on the paths of its unit.
    """
    reached = [torch.ones(1, *plan[0].given)]
    counted: list[tuple[list[Tensor], Tensor]] = []  # what each step reads, and its sums of it
    for placed in plan:
        given = [reached[source] for source in placed.reads]
        if placed.layer is not None:
            given.append(mask[weight_name(placed.layer)].float())
        leaves = [value.detach().requires_grad_() for value in given]
        with torch.enable_grad():
            made = _sums(placed)(*leaves)
        reached.append(_positive(made))
        counted.append((leaves, made))
    reaching = [torch.zeros_like(value) for value in reached]
    reaching[-1] = torch.ones_like(reached[-1])
    found = {}
    for number, placed in reversed(list(enumerate(plan, start=1))):
        leaves, made = counted.pop()
        pulled = torch.autograd.grad(made, leaves, reaching[number])
        for source, counts in zip(placed.reads, pulled, strict=False):
            reaching[source] = torch.maximum(reaching[source], _positive(counts))
        if placed.layer is not None:
            name, bias = weight_name(placed.layer), bias_name(placed.layer)
            found[name] = mask[name] & (pulled[-1] > 0.5)
            found[bias] = mask[bias] & found[name].flatten(1).any(dim=1)
    return found


def _positive(counts: Tensor) -> Tensor:
    """Returns 1 where a count is 1 or more; a fast convolution may round a count of 0."""
    return (counts.detach() > 0.5).float()


def _sums(placed: Placed) -> Callable[..., Tensor]:
    """Returns the step as whole sums of what it reads, to be called with its weight, if any."""
    match placed.step:
        case Convolution(stride=stride, padding=padding):
            return lambda value, weight: functional.conv2d(
                value, weight, stride=stride, padding=padding
            )
        case Linear():
            return functional.linear
        case Pooling(kernel=kernel, stride=stride, padding=padding):
            return lambda value: functional.avg_pool2d(
                value, kernel, stride, padding, divisor_override=1
            )
        case Rectifier():
            return lambda value: value.clone()
        case Flatten():
            return lambda value: value.flatten(1)
        case GlobalMean():
            return lambda value: value.sum(dim=(2, 3))
        case Shortcut():
            return torch.add
        case step:
            raise TypeError(f"unknown step {step!r}")
