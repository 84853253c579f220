"""Networks on images, described by their steps: what a new kind of them is made from.

A kind lists its steps (`plantkit.networks.steps`). They give everything else: `shapes`, the
torch module, many runs at once, training, the paths through a mask, and the cutting of idle
channels.

**Batch normalisation** of a convolution has no bias before it and no scale after it: a scale is
redundant where a ReLU and another layer follow (TF-Slim's `scale=False`), and what shifts a
channel afterwards is the layer's bias, which is prunable like every bias.

- Before training its statistics are mean 0 and variance 1: it is the identity, as in the code of
  arXiv 2006.05467, which scores networks in evaluation mode on fresh statistics.
- A training step takes the mean and the biased variance of its batch, with 1e-5 added.
- After training, `settled` takes those of the training data under the final weights ("precise
  batch norm", arXiv 2105.07576), and puts them into weights and biases: w/σ and b - μ/σ. It takes
  the first 2,048 samples at most; of a network that makes more than 2^18 numbers of a sample, as
  many as make 2^29 numbers, but at least 32. There are no running averages.

A channel without any kept weight has mean and variance 0 in training: its value is its bias.
"""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from plantkit.networks import channels
from plantkit.networks.backpropagation import written_out
from plantkit.networks.buffers import Backpropagation
from plantkit.networks.execution import (
    EPSILON,
    ImageModule,
    Normalisation,
    Runs,
    execute,
)
from plantkit.networks.network import (
    Network,
    bias_name,
    unflatten,
    weight_name,
)
from plantkit.networks.paths import on_paths
from plantkit.networks.steps import Placed, Step, placed
from plantkit.networks.tasks import Task
from plantkit.networks.wiring import Wiring, of_plan

#: How many samples `settled` takes the statistics of, at most and at least, and how many numbers
#: a network may make of them in between.
SETTLING_SAMPLES = 2048
LEAST_SETTLING_SAMPLES = 32
SETTLING_NUMBERS = 1 << 29
#: What a multiplication of a convolution and a number that a step makes cost in training, in
#: weights of a perceptron. Fitted to 13 networks on 8x8 to 32x32 pixels, to about a fifth.
_MULTIPLICATION = 0.25
_NUMBER = 18.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageNetwork(Network):
    """A network of steps on an image; a kind adds its own sizes and lists the steps.

    Attributes:
        image: (channels, height, width) of a sample; samples are given flat, channel by channel
            and row by row, as (n, channels · height · width). Its module takes images, too.
        outputs: how many numbers come out for one sample.
    """

    image: tuple[int, int, int]
    outputs: int = field()  # or the property of `Network` would be its default

    @property
    @abstractmethod
    def steps(self) -> tuple[Step, ...]:
        """Returns the steps, in order; the last one is a `Linear` that makes the outputs."""

    @property
    def plan(self) -> tuple[Placed, ...]:
        """The steps, each with what it reads and the sizes there.

        Raises:
            ValueError: a step that cannot take what it reads.
        """
        return _plan(self)

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", tuple(int(size) for size in self.image))
        object.__setattr__(self, "outputs", int(self.outputs))
        if len(self.image) != 3:
            raise ValueError(f"image is {self.image}; expected (channels, height, width)")
        if min(*self.image, self.outputs) < 1:
            raise ValueError(
                f"sizes must be positive; got image {self.image} and {self.outputs} outputs"
            )

    @property
    def inputs(self) -> int:
        """Numbers in one image: channels x height x width."""
        return math.prod(self.image)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for each in self.plan:
            if each.layer is not None:
                shapes[weight_name(each.layer)] = each.shape
                shapes[bias_name(each.layer)] = each.shape[:1]
        return shapes

    @property
    def activations(self) -> int:
        return sum(math.prod(each.size) for each in self.plan)

    @property
    def work(self) -> float:
        return _NUMBER * self.activations + sum(
            math.prod(each.shape)
            * (_MULTIPLICATION * math.prod(each.size[1:]) if each.size[1:] else 1.0)
            for each in self.plan
            if each.layer is not None
        )

    @property
    def wiring(self) -> Wiring:
        return _wiring(self.plan)

    def preceding(self, layer: int) -> int | None:
        return _main_path(self.plan)[layer][0]

    def main_layer(self, layer: int) -> int:
        return _main_path(self.plan)[layer][1]

    def empty_module(self) -> ImageModule:
        return ImageModule(self.plan)

    def forward_runs(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        runs = Runs(parameters, in_training=False)
        return execute(self.plan, runs.image(inputs, self.image), runs)

    def training_forward(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        runs = Runs(parameters, in_training=True)
        return execute(self.plan, runs.image(inputs, self.image), runs)

    def backpropagation(
        self, task: Task, parameters: Mapping[str, Tensor], gradients: Mapping[str, Tensor]
    ) -> Backpropagation:
        return written_out(self.plan, task, parameters, gradients)

    @property
    def least_runs(self) -> int:
        """2: the library sums in another order if a convolution has a single group."""
        return 2

    def settled(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> dict[str, Tensor]:
        found = dict(parameters)
        for layer, (mean, scale) in self._statistics(parameters, inputs).items():
            weight, bias = parameters[weight_name(layer)], parameters[bias_name(layer)]
            found[weight_name(layer)] = weight * scale.view(*scale.shape, 1, 1, 1)
            found[bias_name(layer)] = bias - mean * scale
        return found

    @property
    def settling_samples(self) -> int:
        """How many samples `settled` takes the statistics of, at most."""
        fitting = SETTLING_NUMBERS // self.activations
        return min(max(fitting, LEAST_SETTLING_SAMPLES), SETTLING_SAMPLES)

    def take_statistics(self, module: nn.Module, inputs: Tensor) -> None:
        parameters = {name: value.unsqueeze(0) for name, value in module.named_parameters()}
        for layer, (mean, scale) in self._statistics(parameters, inputs).items():
            normalisation = module.get_submodule(f"layers.{layer}.normalisation")
            assert isinstance(normalisation, Normalisation)
            normalisation.running_mean.copy_(mean[0])
            normalisation.running_var.copy_((scale[0].pow(-2) - EPSILON).clamp_min(0))

    def _statistics(
        self, parameters: Mapping[str, Tensor], inputs: Tensor
    ) -> Mapping[int, tuple[Tensor, Tensor]]:
        """Returns, by normalised layer, means and 1/sqrt(variance + epsilon), (runs, channels)."""
        if not any(getattr(each.step, "normalised", False) for each in self.plan):
            return {}
        runs = Runs(parameters, in_training=True)
        with torch.no_grad():
            execute(self.plan, runs.image(inputs[: self.settling_samples], self.image), runs)
        return runs.statistics

    def connected(self, mask: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = on_paths(self.plan, mask)
        return {name: found[name] for name in self.shapes}

    def cut(self, masks: Tensor) -> list[Network]:
        """Returns networks without idle channels: at most 8, 16, 32, ..., as few as will do."""
        alive = channels.alive_channels(self.plan, unflatten(self, masks))
        counts = torch.stack([each.sum(dim=1) for each in alive], dim=1)  # (runs, sets)
        return [self._cut_to(tuple(row)) for row in counts.tolist()]

    def _cut_to(self, alive: tuple[int, ...]) -> Network:
        steps = channels.cut_steps(self.plan, alive)
        if steps == self.steps:
            return self
        return CutNetwork(image=self.image, outputs=self.outputs, steps=steps)

    def places(self, masks: Tensor, small: Network) -> Tensor:
        if small == self:
            return Network.places(self, masks, small)
        assert isinstance(small, ImageNetwork)
        return channels.places(
            self.plan,
            unflatten(self, torch.arange(self.total)),
            channels.alive_channels(self.plan, unflatten(self, masks)),
            channels.spaces(small.plan).widths,
            none=self.total,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CutNetwork(ImageNetwork):
    """What is left of a network on images without its idle channels; it has no JSON."""

    kind: ClassVar[str] = "cut"

    steps: tuple[Step, ...]

    @property
    def label(self) -> str:
        return "cut"


def rows_of_sizes(rows: Iterable[Iterable[int]]) -> tuple[tuple[int, ...], ...]:
    """Returns rows of numbers; () where these are no rows, as in [8] in place of [[8]]."""
    try:
        return tuple(tuple(int(size) for size in row) for row in rows)
    except TypeError:
        return ()


_wiring = functools.lru_cache(maxsize=256)(of_plan)


@functools.lru_cache(maxsize=256)
def _plan(network: ImageNetwork) -> tuple[Placed, ...]:
    return placed(network.image, network.steps)


@functools.lru_cache(maxsize=256)
def _main_path(plan: tuple[Placed, ...]) -> list[tuple[int | None, int]]:
    """Returns, for each layer, the one that made what it reads and the one that it is added to."""
    makers: list[int | None] = [None]  # of each value; None for the image
    found: list[tuple[int | None, int]] = []
    for each in plan:
        maker = makers[each.reads[0]]
        if each.layer is not None:
            found.append((maker, each.layer))
            maker = each.layer
        for added in each.reads[1:]:
            side = plan[added - 1].layer if added else None
            if side is not None and maker is not None:
                found[side] = (found[side][0], maker)
        makers.append(maker)
    return found
