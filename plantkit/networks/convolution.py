"""Convolutional networks after VGG: blocks of 3x3 convolutions, then linear layers.

Every convolution has stride 1, one pixel of zeros around its input and a ReLU behind it; every
block ends with a 2x2 max pooling, which drops an odd last row or column. Linear layers have
ReLU between them and none after the last. Parameters are `layers.{i}.weight`, (out, in, 3, 3)
of a convolution and (out, in) of a linear layer, and `layers.{i}.bias` (out).

References:
    Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
    Recognition", arXiv 1409.1556; as small as the Conv-2 to Conv-6 of arXiv 1803.03635.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn import grad as convolution_gradients

from plantkit.networks.network import Network, bias_name, weight_name

_weight_gradient: Callable[..., Tensor] = convolution_gradients.conv2d_weight
_input_gradient: Callable[..., Tensor] = convolution_gradients.conv2d_input

#: Height and width of every kernel, and the rows of zeros around its input.
_KERNEL = 3
_PADDING = 1
#: How much longer a multiplication takes in a convolution of a few channels than in a matrix
#: product: fitted to the stability study, 14 CPU seconds per unit.
_COST = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvolutionSpec(Network):
    """The shape of a convolutional network on images.

    image: (channels, height, width) of a sample; samples are given flat, channel by channel
        and row by row, as (n, channels * height * width). Its module takes images, too.
    blocks: the output channels of every convolution, block by block.
    hidden: widths of the linear layers before the last one; may be empty.
    """

    kind: ClassVar[str] = "convolution"

    image: tuple[int, int, int]
    blocks: tuple[tuple[int, ...], ...]
    hidden: tuple[int, ...] = ()
    outputs: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", tuple(int(size) for size in self.image))
        blocks = tuple(tuple(int(size) for size in block) for block in self.blocks)
        object.__setattr__(self, "blocks", blocks)
        object.__setattr__(self, "hidden", tuple(int(size) for size in self.hidden))
        if len(self.image) != 3 or not blocks or not all(blocks):
            raise ValueError(
                "a convolutional network needs an image (channels, height, width) and blocks of "
                f"at least one convolution; got image {self.image} and blocks {blocks}"
            )
        if min(*self.image, *itertools.chain(*blocks), *self.hidden, self.outputs) < 1:
            raise ValueError(
                f"sizes must be positive; got image {self.image}, blocks {blocks}, hidden "
                f"{self.hidden} and {self.outputs} outputs"
            )
        if min(self.image[1:]) >> len(blocks) < 1:
            raise ValueError(
                f"{len(blocks)} blocks halve an image as often; {self.image[1]}x{self.image[2]} "
                f"pixels allow {int(math.log2(min(self.image[1:])))}"
            )

    @property
    def inputs(self) -> int:
        """Numbers in one image: channels x height x width."""
        return math.prod(self.image)

    @property
    def convolutions(self) -> int:
        """Number of convolutions: the layers from 0 up to it have kernels."""
        return sum(len(block) for block in self.blocks)

    @property
    def pooled(self) -> frozenset[int]:
        """Indices of the layers that a max pooling follows."""
        ends = itertools.accumulate(len(block) for block in self.blocks)
        return frozenset(end - 1 for end in ends)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        channels = [self.image[0], *itertools.chain(*self.blocks)]
        rows, columns = (size >> len(self.blocks) for size in self.image[1:])
        widths = [channels[-1] * rows * columns, *self.hidden, self.outputs]
        weights = [
            (fan_out, fan_in, _KERNEL, _KERNEL) for fan_in, fan_out in itertools.pairwise(channels)
        ] + [(fan_out, fan_in) for fan_in, fan_out in itertools.pairwise(widths)]
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, shape in enumerate(weights):
            shapes[weight_name(layer)] = shape
            shapes[bias_name(layer)] = shape[:1]
        return shapes

    @property
    def label(self) -> str:
        """Channels, a `p` for every pooling, then linear widths: `8-8-p-16-16-p-32-10`."""
        blocks = [[*map(str, block), "p"] for block in self.blocks]
        return "-".join([*itertools.chain(*blocks), *map(str, self.hidden), str(self.outputs)])

    @property
    def work(self) -> float:
        pixels, layer, work = math.prod(self.image[1:]), 0, 0.0
        for block in self.blocks:
            for _ in block:
                work += _COST * pixels * self.sizes[weight_name(layer)]
                layer += 1
            pixels //= 4
        return work

    def empty_module(self) -> ConvolutionNetwork:
        return ConvolutionNetwork(self)

    def forward_runs(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Returns outputs (runs, n, outputs); the runs are the groups of each convolution."""
        runs = parameters[weight_name(0)].shape[0]
        each = inputs if inputs.dim() == 3 else inputs.expand(runs, *inputs.shape)
        count = each.shape[1]
        # (n, runs * channels, height, width)
        hidden = each.transpose(0, 1).reshape(count, runs * self.image[0], *self.image[1:])
        for layer in range(self.convolutions):
            weight = parameters[weight_name(layer)].flatten(0, 1)  # (runs * out, in, 3, 3)
            bias = parameters[bias_name(layer)].flatten()
            hidden = functional.conv2d(hidden, weight, bias, padding=_PADDING, groups=runs)
            hidden = torch.relu(hidden)
            if layer in self.pooled:
                hidden = functional.max_pool2d(hidden, 2)
        hidden = hidden.reshape(count, runs, -1).transpose(0, 1)  # (runs, n, units)
        for layer in self.layers[self.convolutions :]:
            if layer > self.convolutions:
                hidden = torch.relu(hidden)
            weight = parameters[weight_name(layer)]  # (runs, out, in)
            bias = parameters[bias_name(layer)].unsqueeze(1)  # (runs, 1, out)
            hidden = torch.baddbmm(bias, hidden, weight.transpose(1, 2))
        return hidden

    def connected(self, mask: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns the kept parameters on a path, followed pixel by pixel.

        A kernel's entry that meets nothing but the zeros around an image is on no path. A path
        goes through a max pooling from any of the pixels that it looks at.
        """
        # What an input leads to: before each layer, and (after its ReLU) behind it.
        below: list[Tensor] = []
        behind: list[Tensor] = []
        reached = torch.ones(1, *self.image)
        for layer in self.layers:
            kept = mask[weight_name(layer)].float()
            if layer < self.convolutions:
                below.append(reached)
                reached = _any(functional.conv2d(reached, kept, padding=_PADDING))
            else:
                below.append(reached.flatten(1))
                reached = _any(functional.linear(below[-1], kept))
            behind.append(reached)
            if layer in self.pooled:
                reached = functional.max_pool2d(reached, 2)
        # From where an output is reached, backwards; counts are small integers, exact in float.
        found = {}
        reaching = torch.ones(1, self.outputs)
        for layer in reversed(self.layers):
            kept = mask[weight_name(layer)].float()
            if layer < self.convolutions:
                if layer in self.pooled:
                    reaching = _unpooled(reaching.reshape(1, len(kept), -1), behind[layer])
                ends = reaching * behind[layer]
                shape = below[layer].shape
                used = _weight_gradient(below[layer], kept.shape, ends, padding=_PADDING)
                reaching = _any(_input_gradient(shape, kept, reaching, padding=_PADDING))
                units = ends.flatten(2).any(dim=2)[0]
            else:
                ends = reaching * behind[layer]
                used = ends.transpose(0, 1) @ below[layer]
                reaching = _any(reaching @ kept)
                units = ends[0] > 0
            found[weight_name(layer)] = mask[weight_name(layer)] & (used > 0)
            found[bias_name(layer)] = mask[bias_name(layer)] & units
        return {name: found[name] for name in self.shapes}


class ConvolutionNetwork(nn.Module):
    """The torch module of a `ConvolutionSpec`."""

    def __init__(self, spec: ConvolutionSpec) -> None:
        super().__init__()
        self._spec = spec
        weights = [shape for name, shape in spec.shapes.items() if name.endswith(".weight")]
        self.layers = nn.ModuleList(
            nn.Conv2d(shape[1], shape[0], _KERNEL, padding=_PADDING)
            if len(shape) > 2
            else nn.Linear(shape[1], shape[0])
            for shape in weights
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns outputs (batch, outputs) of inputs (batch, inputs), or of images."""
        spec = self._spec
        hidden = inputs.reshape(-1, *spec.image)
        for index, layer in enumerate(self.layers):
            if index == spec.convolutions:
                hidden = hidden.flatten(1)
            elif index > spec.convolutions:
                hidden = torch.relu(hidden)
            hidden = layer(hidden)
            if index < spec.convolutions:
                hidden = torch.relu(hidden)
            if index in spec.pooled:
                hidden = functional.max_pool2d(hidden, 2)
        return hidden


def _any(counts: Tensor) -> Tensor:
    """Returns 1 where counts of paths are positive, else 0."""
    return (counts > 0).float()


def _unpooled(pooled: Tensor, before: Tensor) -> Tensor:
    """Returns (1, channels, pixels) spread over the windows of a pooling of `before`."""
    rows, columns = (size // 2 for size in before.shape[2:])
    windows = pooled.reshape(1, -1, rows, columns)
    spread = windows.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    whole = torch.zeros_like(before)
    whole[:, :, : 2 * rows, : 2 * columns] = spread
    return whole
