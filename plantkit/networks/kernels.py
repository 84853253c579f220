"""How layers of many runs are computed, forwards and backwards: convolutions of all kinds.

On one core, with 8x8 to 32x32 pixels, convolutions are fastest where every run is a group and
channels lie last in memory: they then work at about the speed of matrix products. So values of
channels are (n, runs * channels, height, width), channels last in memory, and flat values are
(runs, n, units). Two kinds of convolutions are faster in another way:

- Where the kernel is much larger than the image, most of its entries only meet the zeros around
  it. It is taken apart into products of rows, which leave the zeros out.
- A 1x1 kernel that skips pixels is given only those that it reads.

Kernels keep what they have made until they make it anew. If it were given back after each use, the
allocator would return the memory to the system, and fresh pages took up to a quarter of the time.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from plantkit.networks.execution import EPSILON
from plantkit.networks.network import bias_name, weight_name
from plantkit.networks.steps import Convolution, Placed

#: A kernel is taken apart if it has at least so many entries for each pixel of the image.
_ENTRIES_A_PIXEL = 2

_aten: Any = torch.ops.aten


class Kernel(ABC):
    """A step of many runs, forwards and backwards."""

    @abstractmethod
    def forward(self, *given: Tensor) -> Tensor:
        """Returns what the step makes of the values that it reads."""

    @abstractmethod
    def backward(self, delta: Tensor) -> Tensor:
        """Writes the gradients of the step's parameters.

        Args:
            delta: the derivative of the loss by what `forward` made last.

        Returns:
            the derivative by each of the values that it reads; for the image, any tensor.
        """


class Layer(Kernel):
    """A step with parameters."""

    def __init__(
        self, placed: Placed, parameters: Mapping[str, Tensor], gradients: Mapping[str, Tensor]
    ) -> None:
        assert placed.layer is not None
        weight, bias = weight_name(placed.layer), bias_name(placed.layer)
        self.weight, self.weight_gradient = parameters[weight], gradients[weight]
        self.bias, self.bias_gradient = parameters[bias], gradients[bias]
        self.runs = len(self.weight)
        self.is_first = placed.reads == (0,)


class Grouped(Layer):
    """A convolution in which every run is a group."""

    def __init__(self, placed: Placed, step: Convolution, *blocks: Mapping[str, Tensor]) -> None:
        super().__init__(placed, *blocks)
        self._has_bias = not step.normalised
        self._skip = step.stride if step.kernel == 1 and not step.padding else 1
        stride, padding = [step.stride // self._skip] * 2, [step.padding] * 2
        self._options = (stride, padding, [1, 1], False, [0, 0], self.runs)

    def forward(self, *given: Tensor) -> Tensor:
        self._whole = given[0]
        read = self._whole[:, :, :: self._skip, :: self._skip]
        self._read = read.contiguous(memory_format=torch.channels_last)
        bias = self.bias.flatten() if self._has_bias else None
        return torch.convolution(self._read, self.weight.flatten(0, 1), bias, *self._options)

    def backward(self, delta: Tensor) -> Tensor:
        # The library's own sum for the bias does not depend on the number of runs, torch's does.
        passed, weight, bias = _aten.convolution_backward(
            delta,
            self._read,
            self.weight.flatten(0, 1),
            [self.bias.numel()],
            *self._options,
            [not self.is_first, True, self._has_bias],
        )
        self.weight_gradient.copy_(weight.view_as(self.weight))
        if self._has_bias:
            self.bias_gradient.copy_(bias.view_as(self.bias))
        if self.is_first or self._skip == 1:
            return delta if self.is_first else passed
        whole = torch.zeros_like(self._whole)
        whole[:, :, :: self._skip, :: self._skip] = passed
        return whole


class ByRows(Layer):
    """A convolution as products of rows of pixels with rows of the kernel.

    Each pixel that is made is the sum of a few: of every row of the image that it reads, with
    the entries of the kernel that meet this row. Zeros around the image are left out.
    """

    def __init__(self, placed: Placed, step: Convolution, *blocks: Mapping[str, Tensor]) -> None:
        super().__init__(placed, *blocks)
        self._has_bias = not step.normalised
        (made, *pixels_made), (read, *pixels_read) = placed.size, placed.given
        self._made, self._read = (*pixels_made, made), (*pixels_read, read)
        #: Row and column made, row and columns read, row and columns of the kernel.
        self._products = [
            ((row, column), (read_row, columns), (kernel_row, kernel_columns))
            for row, column in itertools.product(*map(range, pixels_made))
            for rows, kernel_rows in [_window(step, row, pixels_read[0])]
            for columns, kernel_columns in [_window(step, column, pixels_read[1])]
            for read_row, kernel_row in zip(_places(rows), _places(kernel_rows), strict=True)
        ]

    def forward(self, *given: Tensor) -> Tensor:
        self._kernel = self._rows_of(self.weight).contiguous()
        self._pixels = _by_run(given[0], self.runs)  # (runs, n, height, width, channels)
        made = self._pixels.new_zeros(*self._pixels.shape[:2], *self._made)
        for (row, column), read, kernel in self._products:
            entries = self._kernel[:, :, *kernel].flatten(2)
            made[:, :, row, column].baddbmm_(
                self._pixels[:, :, *read].flatten(2), entries.transpose(1, 2)
            )
        pixels = made.permute(1, 2, 3, 0, 4)
        return merged(pixels + self.bias if self._has_bias else pixels)

    def backward(self, delta: Tensor) -> Tensor:
        deltas = _by_run(delta, self.runs)
        if self._has_bias:
            torch.sum(deltas.flatten(1, 3), dim=1, out=self.bias_gradient)
        passed, gradient = torch.zeros_like(self._pixels), torch.zeros_like(self._kernel)
        for (row, column), read, kernel in self._products:
            by_made = deltas[:, :, row, column]  # (runs, n, made)
            gradient[:, :, *kernel].flatten(2).baddbmm_(
                by_made.transpose(1, 2), self._pixels[:, :, *read].flatten(2)
            )
            passed[:, :, *read].flatten(2).baddbmm_(by_made, self._kernel[:, :, *kernel].flatten(2))
        self._rows_of(self.weight_gradient).copy_(gradient)
        return merged(passed.permute(1, 2, 3, 0, 4))

    @staticmethod
    def _rows_of(weight: Tensor) -> Tensor:
        """Returns weights (runs, made, read, k, k) as (runs, made, k, k, read)."""
        return weight.permute(0, 1, 3, 4, 2)


class Normalised(Layer):
    """A convolution, batch normalisation, then the bias."""

    def __init__(self, placed: Placed, convolution: Layer, *blocks: Mapping[str, Tensor]) -> None:
        super().__init__(placed, *blocks)
        self._convolution = convolution
        self._scale = torch.ones_like(self.bias).flatten()

    def forward(self, *given: Tensor) -> Tensor:
        self._raw = self._convolution.forward(*given)
        # Unlike functional.batch_norm, this takes a single number for each channel.
        made, *self._statistics = torch.native_batch_norm(
            self._raw, self._scale, self.bias.flatten(), None, None, True, 0.0, EPSILON
        )
        return made

    def backward(self, delta: Tensor) -> Tensor:
        self._delta, _, bias = _aten.native_batch_norm_backward(
            delta,
            self._raw,
            self._scale,
            None,
            None,
            *self._statistics,
            True,
            EPSILON,
            [True, False, True],
        )
        self.bias_gradient.copy_(bias.view_as(self.bias))
        return self._convolution.backward(self._delta)


def convolution(placed: Placed, step: Convolution, *blocks: Mapping[str, Tensor]) -> Layer:
    """Returns the kernel of a convolution.

    blocks: the parameters and their gradients, name to (runs, *shape); they keep their memory.
    """
    entries, pixels = step.kernel**2, math.prod(placed.given[1:])
    kind = ByRows if entries >= _ENTRIES_A_PIXEL * pixels else Grouped
    made = kind(placed, step, *blocks)
    return Normalised(placed, made, *blocks) if step.normalised else made


def merged(pixels: Tensor) -> Tensor:
    """Returns (n, height, width, runs, channels) as a value of channels."""
    return pixels.contiguous().flatten(3).permute(0, 3, 1, 2)


def split(value: Tensor, runs: int) -> Tensor:
    """Returns a value of channels as (n, height, width, runs, channels)."""
    pixels = value.permute(0, 2, 3, 1)
    return pixels.view(*pixels.shape[:3], runs, -1)


def _by_run(value: Tensor, runs: int) -> Tensor:
    """Returns a value of channels as (runs, n, height, width, channels)."""
    return split(value, runs).permute(3, 0, 1, 2, 4).contiguous()


def _window(step: Convolution, made: int, size: int) -> tuple[slice, slice]:
    """Returns the rows of an image of `size` that one row is made from, and the kernel's there."""
    first = made * step.stride - step.padding
    begin = max(0, first)
    end = max(begin, min(size, first + step.kernel))
    return slice(begin, end), slice(begin - first, end - first)


def _places(piece: slice) -> range:
    return range(piece.start, piece.stop)
