"""Convolutional networks after VGG: blocks of 3x3 convolutions, then linear layers.

Every convolution has stride 1, one pixel of zeros around its input and a ReLU after it; every
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

from plantkit.networks.network import Network, bias_name, weight_name
from plantkit.networks.perceptron import linear_layers

#: Height and width of every kernel, and the rows of zeros around its input.
_KERNEL = 3
_PADDING = 1
#: How much longer a multiplication takes in a convolution of a few channels than in a matrix
#: product: fitted to the stability study, 14 CPU seconds per unit.
_COST = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvolutionSpec(Network):
    """The shape of a convolutional network on images.

    Attributes:
        image: (channels, height, width) of a sample; samples are given flat, channel by channel
            and row by row, as (n, channels · height · width). Its module takes images, too.
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
        """Returns outputs (runs, n, outputs). Every run is a group of each convolution."""
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
        return linear_layers(hidden, parameters, self.layers[self.convolutions :])

    def path_module(self) -> ConvolutionNetwork:
        """Returns the module with mean pooling, through which a path leads from any pixel."""
        return ConvolutionNetwork(self, pool=functional.avg_pool2d)


class ConvolutionNetwork(nn.Module):
    """The torch module of a `ConvolutionSpec`."""

    def __init__(
        self, spec: ConvolutionSpec, pool: Callable[[Tensor, int], Tensor] = functional.max_pool2d
    ) -> None:
        super().__init__()
        self._spec = spec
        self._pool = pool
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
                hidden = self._pool(hidden, 2)
        return hidden
