"""Multilayer perceptrons: ReLU between the layers and none after the last.

Parameters are `layers.{i}.weight` (out, in) and `layers.{i}.bias` (out).

Perceptrons are trained often and they are small, so their backpropagation is written out, and
units that cannot learn are cut away before training. Both are exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from plantkit.networks.network import (
    Backpropagation,
    Network,
    bias_name,
    unflatten,
    weight_name,
)
from plantkit.networks.tasks import Task

#: The least hidden width that a network is cut to: floats in a vector register, and in a cache
#: line.
_LEAST_WIDTH = 16
#: Hidden widths are padded to multiples of it. Products of two then start at a cache line for
#: every run; where they do not, sums may depend on a run's place in its batch.
_WIDTH_MULTIPLE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PerceptronSpec(Network):
    """Layer widths of a ReLU network, input first and output last.

    `depth` counts layers of neurons including input and output, as in Plant 'n' Seek
    (arXiv 2111.11153): `5x100` is d_in-100-100-100-d_out with four weight matrices.
    """

    kind: ClassVar[str] = "mlp"
    is_capturable: ClassVar[bool] = True

    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(int(width) for width in self.widths))
        if len(self.widths) < 2 or min(self.widths) < 1:
            raise ValueError(
                f"a network needs at least two widths, all positive; got {self.widths}"
            )

    @classmethod
    def uniform(cls, *, depth: int, width: int, inputs: int, outputs: int) -> PerceptronSpec:
        """Returns the network `depth`x`width`: all hidden layers of one width."""
        return cls(widths=(inputs, *[width] * (depth - 2), outputs))

    @property
    def inputs(self) -> int:
        return self.widths[0]

    @property
    def outputs(self) -> int:
        return self.widths[-1]

    @property
    def layers(self) -> range:
        return range(len(self.widths) - 1)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(self.widths)):
            shapes[weight_name(layer)] = (fan_out, fan_in)
            shapes[bias_name(layer)] = (fan_out,)
        return shapes

    @property
    def label(self) -> str:
        """`5x100` for uniform hidden widths, else all widths joined by dashes."""
        hidden = set(self.widths[1:-1])
        if len(hidden) == 1:
            return f"{self.depth}x{hidden.pop()}"
        return "-".join(str(width) for width in self.widths)

    def empty_module(self) -> Mlp:
        return Mlp(self)

    def forward_runs(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        runs = parameters[weight_name(0)].shape[0]
        hidden = inputs if inputs.dim() == 3 else inputs.expand(runs, *inputs.shape)
        return linear_layers(hidden, parameters, self.layers)

    def backpropagation(
        self, task: Task, parameters: Mapping[str, Tensor], gradients: Mapping[str, Tensor]
    ) -> Backpropagation:
        """Returns what writes the gradients; it allocates memory once for each batch length."""
        layers = self.layers
        weights = [parameters[weight_name(layer)] for layer in layers]
        transposed = [weight.transpose(1, 2) for weight in weights]
        biases = [parameters[bias_name(layer)].unsqueeze(1) for layer in layers]
        weight_gradients = [gradients[weight_name(layer)] for layer in layers]
        bias_gradients = [gradients[bias_name(layer)] for layer in layers]
        memory: dict[int, tuple[list[Tensor], list[Tensor]]] = {}

        def backpropagate(inputs: Tensor, targets: Tensor) -> None:
            runs, count = inputs.shape[:2]
            if count not in memory:
                values, deltas = (
                    [torch.empty(runs, count, width, device=inputs.device) for width in widths]
                    for widths in (self.widths[1:], self.widths[1:-1])
                )
                memory[count] = values, deltas
            values, deltas = memory[count]
            below = inputs
            for layer in layers:
                torch.baddbmm(biases[layer], below, transposed[layer], out=values[layer])
                below = values[layer]  # (runs, count, out)
                if layer < layers[-1]:
                    below.relu_()
            delta = task.loss_gradient(below, targets)  # (runs, count, out)
            for layer in reversed(layers):
                below = values[layer - 1] if layer else inputs
                torch.bmm(delta.transpose(1, 2), below, out=weight_gradients[layer])
                torch.sum(delta, dim=1, out=bias_gradients[layer])
                if layer:
                    torch.bmm(delta, weights[layer], out=deltas[layer - 1])
                    delta = deltas[layer - 1]
                    torch.ops.aten.threshold_backward.grad_input(delta, below, 0, grad_input=delta)

        return backpropagate

    @property
    def least_runs(self) -> int:
        """2 with a layer of one unit: a product with one column sums a single run differently."""
        return 2 if 1 in self.widths[1:] else 1

    def cut(self, masks: Tensor) -> list[Network]:
        """Returns networks whose hidden widths are at most 16, 32, 64, ..., as few as will do.

        A network whose hidden units are all idle has a constant output. It is trained without
        hidden layers, and only its output biases learn.
        """
        units = trainable_units(self, unflatten(self, masks))
        if not units:
            return [self] * len(masks)
        alive = torch.stack([layer.sum(dim=1) for layer in units]).amax(dim=0)
        return [self._with_hidden(int(count)) for count in alive]

    def _with_hidden(self, alive: int) -> PerceptronSpec:
        """Returns the network for masks of which some layer has `alive` units, and none more."""
        cap = max(_LEAST_WIDTH, 1 << (alive - 1).bit_length()) if alive else 0
        hidden = (min(cap, width + -width % _WIDTH_MULTIPLE) for width in self.widths[1:-1])
        return PerceptronSpec(widths=(self.inputs, *filter(None, hidden), self.outputs))

    def places(self, masks: Tensor, small: Network) -> Tensor:
        runs = len(masks)
        if small.depth < self.depth:  # its hidden units are all idle
            unused = torch.full((self.inputs * self.outputs,), self.total)
            biases = torch.arange(self.total - self.outputs, self.total)
            return torch.cat([unused, biases]).expand(runs, -1)
        alive = [
            torch.ones(runs, self.inputs, dtype=torch.bool),
            *trainable_units(self, unflatten(self, masks)),
            torch.ones(runs, self.outputs, dtype=torch.bool),
        ]
        widths = [small.inputs, *(small.shapes[bias_name(layer)][0] for layer in small.layers)]
        units = [alive_first(layer, width) for layer, width in zip(alive, widths, strict=True)]
        everything = unflatten(self, torch.arange(self.total))
        found = []
        for layer, (starts, ends) in enumerate(itertools.pairwise(units)):
            # Index -1, for no unit, finds the row or column that is added at the end.
            weight = functional.pad(everything[weight_name(layer)], (0, 1, 0, 1), value=self.total)
            bias = functional.pad(everything[bias_name(layer)], (0, 1), value=self.total)
            found += [weight[ends.unsqueeze(2), starts.unsqueeze(1)].flatten(1), bias[ends]]
        return torch.cat(found, dim=1)

    def connected(self, mask: Mapping[str, Tensor]) -> dict[str, Tensor]:
        masks = {name: value.unsqueeze(0) for name, value in mask.items()}
        reached = reached_units(self, masks, biases_feed=False)
        reaching = reaching_units(self, masks)
        found = {}
        for layer in self.layers:
            ends = (reached[layer + 1] & reaching[layer + 1])[0]
            starts = reached[layer][0]
            name = weight_name(layer)
            found[name] = mask[name] & ends.unsqueeze(1) & starts.unsqueeze(0)
            found[bias_name(layer)] = mask[bias_name(layer)] & ends
        return found


def linear_layers(hidden: Tensor, parameters: Mapping[str, Tensor], layers: range) -> Tensor:
    """Returns hidden (runs, n, units) after linear layers of many runs, with ReLU between them."""
    for layer in layers:
        if layer > layers.start:
            hidden = torch.relu(hidden)
        weight = parameters[weight_name(layer)]  # (runs, out, in)
        bias = parameters[bias_name(layer)].unsqueeze(1)  # (runs, 1, out)
        hidden = torch.baddbmm(bias, hidden, weight.transpose(1, 2))  # (runs, n, out)
    return hidden


class Mlp(nn.Module):
    """The torch module of a `PerceptronSpec`: linear layers with ReLU between them."""

    def __init__(self, spec: PerceptronSpec) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Linear(fan_in, fan_out) for fan_in, fan_out in itertools.pairwise(spec.widths)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns outputs (batch, d_out) of inputs (batch, d_in)."""
        hidden = inputs
        for index, layer in enumerate(self.layers):
            if index:
                hidden = torch.relu(hidden)
            hidden = layer(hidden)
        return hidden


def reached_units(
    spec: PerceptronSpec, masks: Mapping[str, Tensor], *, biases_feed: bool
) -> list[Tensor]:
    """Returns the units (runs, units) of each layer that an input, or a kept bias, leads to.

    Args:
        masks: name to (runs, *shape) bool.
        biases_feed: whether a kept bias counts like an input.
    """
    runs = masks[weight_name(0)].shape[0]
    reached = [torch.ones(runs, spec.inputs, dtype=torch.bool)]
    for layer in spec.layers:
        units = (masks[weight_name(layer)] & reached[-1].unsqueeze(1)).any(dim=2)
        reached.append(units | masks[bias_name(layer)] if biases_feed else units)
    return reached


def reaching_units(spec: PerceptronSpec, masks: Mapping[str, Tensor]) -> list[Tensor]:
    """Returns the units (runs, units) of each layer from which a kept path leads to an output."""
    runs = masks[weight_name(0)].shape[0]
    reaching = [torch.ones(runs, spec.outputs, dtype=torch.bool)]
    for layer in reversed(spec.layers):
        weights = masks[weight_name(layer)]
        reaching.append((weights & reaching[-1].unsqueeze(2)).any(dim=1))
    return reaching[::-1]


def trainable_units(spec: PerceptronSpec, masks: Mapping[str, Tensor]) -> list[Tensor]:
    """Returns the hidden units that are not idle, one (runs, units) bool for each hidden layer.

    A hidden unit is idle when no kept path leads from it to an output, so that its
    parameters get no gradient, or when neither an input nor a kept bias reaches it, so that
    its value is zero. Cutting idle units changes neither the function nor its training.

    Args:
        masks: name to (runs, *shape) bool.
    """
    reached = reached_units(spec, masks, biases_feed=True)
    reaching = reaching_units(spec, masks)
    return [reached[layer] & reaching[layer] for layer in range(1, spec.depth - 1)]


def alive_first(alive: Tensor, width: int) -> Tensor:
    """Returns the indices (runs, width) of the units that are `alive`, in order, then -1."""
    ordered = torch.sort(alive.int(), dim=1, descending=True, stable=True)
    indices = torch.where(ordered.values.bool(), ordered.indices, -1)
    return functional.pad(indices, (0, width - indices.shape[1]), value=-1)
