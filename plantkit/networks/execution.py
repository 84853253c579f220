"""Networks on images at work: as a torch module, and many runs at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
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

#: What batch normalisation adds to variances.
EPSILON = 1e-5


class Operations(ABC):
    """How the steps of a network are computed. Values of channels are (n, channels, h, w)."""

    @abstractmethod
    def convolve(self, placed: Placed, value: Tensor) -> Tensor:
        """Returns the convolution, normalised if it is to be, with its bias."""

    @abstractmethod
    def linear(self, placed: Placed, value: Tensor) -> Tensor:
        """Returns the linear layer's outputs."""

    def flatten(self, value: Tensor) -> Tensor:
        return value.flatten(1)

    def relu(self, value: Tensor) -> Tensor:
        return torch.relu(value)

    def pool(self, step: Pooling, value: Tensor) -> Tensor:
        pool = functional.avg_pool2d if step.takes_mean else functional.max_pool2d
        return pool(value, step.kernel, step.stride, step.padding)

    def mean(self, value: Tensor) -> Tensor:
        """Returns the mean of every channel as a flat value."""
        return self.flatten(value.mean(dim=(2, 3), keepdim=True))


def execute(plan: Sequence[Placed], value: Tensor, operations: Operations) -> Tensor:
    """Returns what the last step makes of an image `value`; values are dropped after their use."""
    values = {0: value}
    for number, placed in enumerate(plan, start=1):
        given, *added = (values[source] for source in placed.reads)
        for source in placed.unread:
            del values[source]
        match placed.step:
            case Convolution():
                made = operations.convolve(placed, given)
            case Linear():
                made = operations.linear(placed, given)
            case Pooling() as step:
                made = operations.pool(step, given)
            case Rectifier():
                made = operations.relu(given)
            case Flatten():
                made = operations.flatten(given)
            case GlobalMean():
                made = operations.mean(given)
            case Shortcut():
                made = given + added[0]
            case step:
                raise TypeError(f"unknown step {step!r}")
        values[number] = made
    return values[len(plan)]


class Runs(Operations):
    """Many runs at once: every run is a group of each convolution.

    Values of channels are (n, runs * channels, height, width), flat ones (runs, n, units).

    Args:
        parameters: name to tensors with an axis of runs before the parameter's own.
        in_training: whether batch normalisation takes the statistics of the batch; else it is
            the identity.
    """

    def __init__(self, parameters: Mapping[str, Tensor], *, in_training: bool) -> None:
        self._parameters = parameters
        self._runs = parameters[weight_name(0)].shape[0]
        self._in_training = in_training
        #: Of each normalised layer, means and 1/sqrt(variance + epsilon), (runs, channels).
        self.statistics: dict[int, tuple[Tensor, Tensor]] = {}

    def image(self, inputs: Tensor, size: Sequence[int]) -> Tensor:
        """Returns value 0 of inputs (n, inputs), which the runs share, or (runs, n, inputs)."""
        each = inputs if inputs.dim() == 3 else inputs.expand(self._runs, *inputs.shape)
        channels, *pixels = size
        return each.transpose(0, 1).reshape(each.shape[1], self._runs * channels, *pixels)

    def convolve(self, placed: Placed, value: Tensor) -> Tensor:
        step, layer = placed.step, placed.layer
        assert isinstance(step, Convolution)
        assert layer is not None
        weight = self._parameters[weight_name(layer)].flatten(0, 1)  # (runs * out, in, k, k)
        bias = self._parameters[bias_name(layer)].flatten()  # (runs * out)
        normalises = step.normalised and self._in_training
        made = functional.conv2d(
            value,
            weight,
            None if normalises else bias,
            stride=step.stride,
            padding=step.padding,
            groups=self._runs,
        )
        if not normalises:
            return made
        # Unlike functional.batch_norm, this takes a single number for each channel.
        made, mean, scale = torch.native_batch_norm(
            made, None, None, None, None, True, 0.0, EPSILON
        )
        self.statistics[layer] = mean.view(self._runs, -1), scale.view(self._runs, -1)
        return made + bias.view(-1, 1, 1)

    def linear(self, placed: Placed, value: Tensor) -> Tensor:
        assert placed.layer is not None
        weight = self._parameters[weight_name(placed.layer)]  # (runs, out, in)
        bias = self._parameters[bias_name(placed.layer)].unsqueeze(1)  # (runs, 1, out)
        return torch.baddbmm(bias, value, weight.transpose(1, 2))  # (runs, n, out)

    def flatten(self, value: Tensor) -> Tensor:
        return value.reshape(len(value), self._runs, -1).transpose(0, 1)  # (runs, n, units)


class ImageModule(nn.Module):
    """The torch module of a network on images, in evaluation mode.

    Its layers are `nn.Conv2d` and `nn.Linear`. In training mode a normalised convolution takes
    the statistics of its batch and averages them, as `nn.BatchNorm2d` does; in evaluation mode
    it uses the averages, which begin as the identity.
    """

    def __init__(self, plan: Sequence[Placed]) -> None:
        super().__init__()
        self._plan = plan
        self.layers = nn.ModuleList(_layer(each) for each in plan if each.layer is not None)
        self.eval()

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns outputs (batch, outputs) of inputs (batch, inputs), or of images."""
        return execute(self._plan, inputs.reshape(-1, *self._plan[0].given), _Layers(self.layers))


class _Layers(Operations):
    """One network, whose layers are modules."""

    def __init__(self, layers: nn.ModuleList) -> None:
        self._layers = layers

    def convolve(self, placed: Placed, value: Tensor) -> Tensor:
        return self._of(placed, value)

    def linear(self, placed: Placed, value: Tensor) -> Tensor:
        return self._of(placed, value)

    def _of(self, placed: Placed, value: Tensor) -> Tensor:
        assert placed.layer is not None
        made: Tensor = self._layers[placed.layer](value)
        return made


def _layer(placed: Placed) -> nn.Module:
    """Returns the module of a step with parameters."""
    step = placed.step
    if isinstance(step, Convolution):
        kind = NormalisedConvolution if step.normalised else nn.Conv2d
        return kind(
            placed.given[0],
            step.channels,
            step.kernel,
            stride=step.stride,
            padding=step.padding,
        )
    return nn.Linear(placed.given[0], placed.size[0])


class NormalisedConvolution(nn.Conv2d):
    """A convolution without a bias, a batch normalisation without a scale, then the bias."""

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.normalisation = Normalisation(self.out_channels)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        assert self.bias is not None
        made = self._conv_forward(input, self.weight, None)
        normalised: Tensor = self.normalisation(made)
        return normalised + self.bias.view(-1, 1, 1)


class Normalisation(nn.Module):
    """What `nn.BatchNorm2d(affine=False)` does, with statistics that the state does not hold."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(channels), persistent=False)
        variance = torch.full((channels,), 1 - EPSILON)  # with epsilon, the identity
        self.register_buffer("running_var", variance, persistent=False)

    def forward(self, value: Tensor) -> Tensor:
        return functional.batch_norm(
            value, self.running_mean, self.running_var, training=self.training, eps=EPSILON
        )
