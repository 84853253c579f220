"""Multilayer perceptrons: ReLU between the layers and none after the last.

Parameters are `layers.{i}.weight` (out, in) and `layers.{i}.bias` (out).

Perceptrons are trained often and they are small, so their backpropagation is written out, and
units that cannot learn are cut away before training. Both are exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from plantkit.networks.buffers import Backpropagation, Blocks, Layout
from plantkit.networks.idle import alive_first, reached_units, reaching_units, trainable_units
from plantkit.networks.network import (
    Network,
    bias_name,
    unflatten,
    weight_name,
)
from plantkit.networks.sparse import Entries
from plantkit.networks.tasks import Task

#: The least hidden width that a network is cut to: floats in a vector register, and in a cache
#: line.
_LEAST_WIDTH = 16
#: Hidden widths are padded to multiples of it. Products of two then start at a cache line for
#: every run; where they do not, sums may depend on a run's place in its batch.
_WIDTH_MULTIPLE = 4
#: A network with so many parameters is wide: to cut each hidden layer to its own width, and to
#: leave out pruned entries, then gains more than runs gain from one batch.
_WIDE = 150_000
#: Where at most this share of a wide network is kept, it is trained on the kept entries alone.
_SPARSE = 0.3
#: How much longer an entry takes there than a parameter takes in matrix products.
_ENTRY_WORK = 3
#: What a run needs until its entries are found, in parameters of the whole network.
_HELD_OF_TOTAL = 32


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
        """Returns what writes the gradients; it allocates memory once for each batch length.

        In a small network a view costs nearly as much as a product, so views are made once, too.
        """
        layers = self.layers
        blocks = [parameters[weight_name(layer)] for layer in layers]
        forwards = [
            (parameters[bias_name(layer)].unsqueeze(1), blocks[layer].transpose(1, 2))
            for layer in layers
        ]
        backwards = [
            (layer, blocks[layer], gradients[weight_name(layer)], gradients[bias_name(layer)])
            for layer in reversed(layers)
        ]
        #: By batch length: values (runs, count, out) of each layer, the derivatives by the hidden
        #: ones, and these with the last two axes swapped.
        memory: dict[int, tuple[list[Tensor], list[Tensor], list[Tensor]]] = {}
        baddbmm, bmm, add_up = torch.baddbmm, torch.bmm, torch.sum
        threshold = torch.ops.aten.threshold_backward.grad_input

        def backpropagate(inputs: Tensor, targets: Tensor) -> None:
            runs, count = inputs.shape[:2]
            if count not in memory:
                values, deltas = (
                    [inputs.new_empty(runs, count, width) for width in widths]
                    for widths in (self.widths[1:], self.widths[1:-1])
                )
                memory[count] = values, deltas, [delta.transpose(1, 2) for delta in deltas]
            values, deltas, swapped = memory[count]
            value = inputs
            for (bias, weight), made in zip(forwards, values, strict=True):
                if value is not inputs:
                    value.relu_()
                value = baddbmm(bias, value, weight, out=made)  # (runs, count, out)
            delta = task.loss_gradient(value, targets)  # (runs, count, out)
            turned = delta.transpose(1, 2)  # (runs, out, count)
            for layer, weight, weight_gradient, bias_gradient in backwards:
                below = values[layer - 1] if layer else inputs
                bmm(turned, below, out=weight_gradient)
                add_up(delta, 1, out=bias_gradient)
                if layer:
                    delta, turned = bmm(delta, weight, out=deltas[layer - 1]), swapped[layer - 1]
                    threshold(delta, below, 0, grad_input=delta)

        return backpropagate

    @property
    def least_runs(self) -> int:
        """2 with a layer of one unit: a product with one column sums a single run differently."""
        return 2 if 1 in self.widths[1:] else 1

    def cut(self, masks: Tensor) -> list[Network]:
        """Returns networks whose hidden widths are at most 16, 32, 64, ..., as few as will do.

        All hidden layers have one such bound, unless the network is wide. A wide network with
        few entries is trained on these alone. A network whose hidden units are all idle has a
        constant output: it is trained without hidden layers, and only its output biases learn.
        """
        units = trainable_units(self, unflatten(self, masks))
        if not units:
            return [self] * len(masks)
        alive = torch.stack([layer.sum(dim=1) for layer in units], dim=1)  # (runs, layers)
        pairs = zip(alive.tolist(), masks.sum(dim=1).tolist(), strict=True)
        return [self._for_mask(counts, kept) for counts, kept in pairs]

    def _for_mask(self, alive: Sequence[int], kept: int) -> PerceptronSpec:
        """Returns the network for masks with `kept` entries and so many units in hidden layers."""
        if not any(alive):
            return PerceptronSpec(widths=(self.inputs, self.outputs))
        narrow = self._with_hidden([max(alive)] * len(alive))
        if narrow.total < _WIDE:
            return narrow
        narrow = self._with_hidden(alive)
        if narrow.total < _WIDE or kept > _SPARSE * narrow.total:
            return narrow
        return SparsePerceptron(widths=narrow.widths, entries=_bound(kept))

    def _with_hidden(self, units: Sequence[int]) -> PerceptronSpec:
        """Returns the network with so many units, or a few more, in the hidden layers."""
        hidden = (
            min(_bound(count), width + -width % _WIDTH_MULTIPLE)
            for count, width in zip(units, self.widths[1:-1], strict=True)
        )
        return PerceptronSpec(widths=(self.inputs, *hidden, self.outputs))

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
        if small.shapes == self.shapes and all(bool(layer.all()) for layer in alive):
            return Network.places(self, masks, small)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SparsePerceptron(PerceptronSpec):
    """What wide perceptrons are cut to where few entries are kept: the CPU trains these alone.

    entries: about how many, at most.
    """

    entries: int

    def layout(self, masks: Tensor) -> Layout:
        if masks.device.type == "cpu":
            return Entries(self, self.widths, masks)
        return Blocks(self.shapes, masks, self.backpropagation)

    @property
    def least_runs(self) -> int:
        return 1

    @property
    def held(self) -> int:
        return max(self.entries, self.total // _HELD_OF_TOTAL)

    @property
    def work(self) -> float:
        return float(_ENTRY_WORK * self.entries)


def linear_layers(hidden: Tensor, parameters: Mapping[str, Tensor], layers: range) -> Tensor:
    """Returns hidden (runs, n, units) after linear layers of many runs, with ReLU between them."""
    for layer in layers:
        if layer > layers.start:
            hidden = torch.relu(hidden)
        weight = parameters[weight_name(layer)]  # (runs, out, in)
        bias = parameters[bias_name(layer)].unsqueeze(1)  # (runs, 1, out)
        hidden = torch.baddbmm(bias, hidden, weight.transpose(1, 2))  # (runs, n, out)
    return hidden


def _bound(count: int) -> int:
    """Returns 16, 32, 64, ..., the least that is not less than a count."""
    return max(_LEAST_WIDTH, 1 << max(0, count - 1).bit_length())


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
