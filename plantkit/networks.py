"""Network specifications, their torch modules, and the forward pass of many runs at once.

A network is a multilayer perceptron with ReLU between its layers and none after the last.
Its parameters are named `layers.{i}.weight` (out, in) and `layers.{i}.bias` (out), i from 0.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """Layer widths of a ReLU network, input first and output last.

    `depth` counts layers of neurons including input and output, as in Plant 'n' Seek
    (arXiv 2111.11153): `5x100` is d_in-100-100-100-d_out with four weight matrices.
    """

    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(int(width) for width in self.widths))
        if len(self.widths) < 2 or min(self.widths) < 1:
            raise ValueError(
                f"a network needs at least two widths, all positive; got {self.widths}"
            )

    @classmethod
    def uniform(cls, *, depth: int, width: int, inputs: int, outputs: int) -> NetworkSpec:
        """Returns the network `depth`x`width`: all hidden layers of one width."""
        return cls(widths=(inputs, *[width] * (depth - 2), outputs))

    @property
    def depth(self) -> int:
        """Number of layers of neurons, input and output included."""
        return len(self.widths)

    @property
    def inputs(self) -> int:
        return self.widths[0]

    @property
    def outputs(self) -> int:
        return self.widths[-1]

    @property
    def layers(self) -> range:
        """Indices of the weight matrices."""
        return range(len(self.widths) - 1)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Parameter name to shape, in the order in which parameters are flattened."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(self.widths)):
            shapes[weight_name(layer)] = (fan_out, fan_in)
            shapes[bias_name(layer)] = (fan_out,)
        return shapes

    @property
    def sizes(self) -> dict[str, int]:
        """Parameter name to number of entries."""
        return {name: math.prod(shape) for name, shape in self.shapes.items()}

    @property
    def total(self) -> int:
        """Number of prunable parameters: all weights and all biases."""
        return sum(self.sizes.values())

    @property
    def label(self) -> str:
        """`5x100` for uniform hidden widths, else all widths joined by dashes."""
        hidden = set(self.widths[1:-1])
        if len(hidden) == 1:
            return f"{self.depth}x{hidden.pop()}"
        return "-".join(str(width) for width in self.widths)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "mlp", "widths": list(self.widths)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> NetworkSpec:
        if value.get("kind") != "mlp":
            raise ValueError(f"network kind is {value.get('kind')!r}; expected 'mlp'")
        return cls(widths=tuple(value["widths"]))


def weight_name(layer: int) -> str:
    return f"layers.{layer}.weight"


def bias_name(layer: int) -> str:
    return f"layers.{layer}.bias"


def layer_of(name: str) -> str:
    """Returns the layer that a parameter belongs to: `layers.1` for `layers.1.bias`."""
    return name.rpartition(".")[0]


class Mlp(nn.Module):
    """The torch module of a `NetworkSpec`: linear layers with ReLU between them."""

    def __init__(self, spec: NetworkSpec) -> None:
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


def build_module(spec: NetworkSpec, weights: Mapping[str, Tensor]) -> Mlp:
    """Returns a fresh module of `spec` whose parameters are copies of `weights`."""
    with torch.random.fork_rng(devices=[]):  # nn.Linear draws from the global generator
        module = Mlp(spec)
    module.load_state_dict({name: weights[name].detach().clone() for name in spec.shapes})
    return module


def flatten(spec: NetworkSpec, parameters: Mapping[str, Tensor]) -> Tensor:
    """Returns the parameters as one vector (..., total) in the order of `spec.shapes`.

    Leading axes beyond a parameter's own shape are kept, so that (runs, out, in) and
    (runs, out) give (runs, total).
    """
    rows = []
    for name, shape in spec.shapes.items():
        value = parameters[name]
        lead = value.shape[: value.dim() - len(shape)]
        rows.append(value.reshape(*lead, -1))
    return torch.cat(rows, dim=-1)


def unflatten(spec: NetworkSpec, vector: Tensor) -> dict[str, Tensor]:
    """Returns views of `vector` (..., total), by parameter name and in its shape."""
    pieces = torch.split(vector, list(spec.sizes.values()), dim=-1)
    return {
        name: piece.view(*piece.shape[:-1], *shape)
        for (name, shape), piece in zip(spec.shapes.items(), pieces, strict=True)
    }


def forward_runs(spec: NetworkSpec, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    """Returns the outputs (runs, batch, d_out) of many networks of one shape.

    Args:
        parameters: name to (runs, *shape).
        inputs: (batch, d_in), shared by the runs, or (runs, batch, d_in).
    """
    runs = parameters[weight_name(0)].shape[0]
    hidden = inputs if inputs.dim() == 3 else inputs.expand(runs, *inputs.shape)
    for layer in spec.layers:
        if layer:
            hidden = torch.relu(hidden)
        weight = parameters[weight_name(layer)]  # (runs, out, in)
        bias = parameters[bias_name(layer)].unsqueeze(1)  # (runs, 1, out)
        hidden = torch.baddbmm(bias, hidden, weight.transpose(1, 2))  # (runs, batch, out)
    return hidden
