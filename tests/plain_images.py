"""Three small networks on images, written out in plain torch: what the kinds must agree with.

They share nothing with `plantkit.networks` but the names of the parameters. Batch normalisation
is torch's, with a scale of 1, followed by the layer's bias.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from plantkit.networks import ConvolutionSpec, Network, ResidualSpec

Parameters = Mapping[str, Tensor]
#: Computes outputs (n, outputs) from parameters, flat inputs, and whether batches are normalised.
Forward = Callable[[Parameters, Tensor, bool], Tensor]


def conv(p: Parameters, x: Tensor, layer: int, normalised: bool, **options: int) -> Tensor:
    """A convolution, normalised by its batch if it is to be, and its bias."""
    made = functional.conv2d(x, p[f"layers.{layer}.weight"], **options)
    if normalised:
        mean = made.mean(dim=(0, 2, 3), keepdim=True)
        variance = made.var(dim=(0, 2, 3), keepdim=True, correction=0)
        made = (made - mean) / (variance + 1e-5).sqrt()
    return made + p[f"layers.{layer}.bias"].reshape(-1, 1, 1)


def linear(p: Parameters, x: Tensor, layer: int) -> Tensor:
    return x @ p[f"layers.{layer}.weight"].T + p[f"layers.{layer}.bias"]


#: Strides, an odd size, no padding, mean pooling and a hidden linear layer.
PLAIN = ConvolutionSpec(
    image=(2, 7, 6),
    blocks=((3, 4), (3,)),
    hidden=(5,),
    outputs=3,
    kernel=2,
    padding=1,
    stride=2,
    pooling="average",
)


def plain(p: Parameters, x: Tensor, in_training: bool) -> Tensor:
    x = x.reshape(-1, 2, 7, 6)
    x = torch.relu(conv(p, x, 0, False, stride=2, padding=1))  # 4 x 4
    x = torch.relu(conv(p, x, 1, False, stride=1, padding=1))  # 5 x 5
    x = functional.avg_pool2d(x, 2)  # 2 x 2
    x = torch.relu(conv(p, x, 2, False, stride=2, padding=1))  # 2 x 2
    x = functional.avg_pool2d(x, 2)
    x = torch.relu(linear(p, x.flatten(1), 3))
    return linear(p, x, 4)


#: A small VGG: batch normalisation, max pooling, and the mean of every channel at the end.
NORMALISED = ConvolutionSpec(
    image=(1, 6, 6), blocks=((4, 3), (5,)), outputs=3, global_pooling=True, normalised=True
)


def normalised(p: Parameters, x: Tensor, in_training: bool) -> Tensor:
    x = x.reshape(-1, 1, 6, 6)
    x = torch.relu(conv(p, x, 0, in_training, padding=1))
    x = torch.relu(conv(p, x, 1, in_training, padding=1))
    x = functional.max_pool2d(x, 2)
    x = torch.relu(conv(p, x, 2, in_training, padding=1))
    return linear(p, x.mean(dim=(2, 3)), 3)


#: A block with an identity shortcut and one with a projection, batch-normalised.
RESIDUAL = ResidualSpec(image=(2, 6, 6), stages=((3, 1, 1), (4, 1, 2)), outputs=3)


def residual(p: Parameters, x: Tensor, in_training: bool) -> Tensor:
    x = x.reshape(-1, 2, 6, 6)
    x = torch.relu(conv(p, x, 0, in_training, padding=1))
    inner = torch.relu(conv(p, x, 1, in_training, padding=1))
    x = torch.relu(conv(p, inner, 2, in_training, padding=1) + x)
    inner = torch.relu(conv(p, x, 3, in_training, padding=1, stride=2))
    shortcut = conv(p, x, 5, in_training, stride=2)
    x = torch.relu(conv(p, inner, 4, in_training, padding=1) + shortcut)
    return linear(p, x.mean(dim=(2, 3)), 6)


#: The kinds' networks and what they compute, by a name for tests.
NETWORKS: dict[str, tuple[Network, Forward]] = {
    "convolution": (PLAIN, plain),
    "normalised": (NORMALISED, normalised),
    "residual": (RESIDUAL, residual),
}
