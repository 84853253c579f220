"""Multilayer perceptrons: ReLU between the layers and none after the last.

Parameters are `layers.{i}.weight` (out, in) and `layers.{i}.bias` (out).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from plantkit.networks.network import Network, bias_name, check_kind, weight_name


@dataclass(frozen=True, slots=True, kw_only=True)
class PerceptronSpec(Network):
    """Layer widths of a ReLU network, input first and output last.

    `depth` counts layers of neurons including input and output, as in Plant 'n' Seek
    (arXiv 2111.11153): `5x100` is d_in-100-100-100-d_out with four weight matrices.
    """

    kind: ClassVar[str] = "mlp"

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
    def label(self) -> str:
        """`5x100` for uniform hidden widths, else all widths joined by dashes."""
        hidden = set(self.widths[1:-1])
        if len(hidden) == 1:
            return f"{self.depth}x{hidden.pop()}"
        return "-".join(str(width) for width in self.widths)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "widths": list(self.widths)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PerceptronSpec:
        check_kind(cls, value)
        return cls(widths=tuple(value["widths"]))

    def empty_module(self) -> Mlp:
        return Mlp(self)

    def forward_runs(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        runs = parameters[weight_name(0)].shape[0]
        hidden = inputs if inputs.dim() == 3 else inputs.expand(runs, *inputs.shape)
        for layer in self.layers:
            if layer:
                hidden = torch.relu(hidden)
            weight = parameters[weight_name(layer)]  # (runs, out, in)
            bias = parameters[bias_name(layer)].unsqueeze(1)  # (runs, 1, out)
            hidden = torch.baddbmm(bias, hidden, weight.transpose(1, 2))  # (runs, batch, out)
        return hidden

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
        weights = masks[weight_name(layer)]
        units = (weights & reached[-1].unsqueeze(1)).any(dim=2)
        if biases_feed:
            units = units | masks[bias_name(layer)]
        reached.append(units)
    return reached


def reaching_units(spec: PerceptronSpec, masks: Mapping[str, Tensor]) -> list[Tensor]:
    """Returns the units (runs, units) of each layer from which a kept path leads to an output."""
    runs = masks[weight_name(0)].shape[0]
    reaching = [torch.ones(runs, spec.outputs, dtype=torch.bool)]
    for layer in reversed(spec.layers):
        weights = masks[weight_name(layer)]
        reaching.append((weights & reaching[-1].unsqueeze(2)).any(dim=1))
    return reaching[::-1]
