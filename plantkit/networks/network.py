"""What every kind of network offers: names, shapes and JSON, and its parameters as one vector.

The parameters of every kind are named `layers.{i}.weight` and `layers.{i}.bias`, i from 0; a
layer's bias has one entry for each of its outputs. Inputs are given flat, (n, inputs).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn


class Network(ABC):
    """The specification of a network: its shape without its parameters.

    A kind of network is a frozen dataclass with a name of its own in `kind`; it is entered in
    `plantkit.networks.KINDS`.
    """

    __slots__ = ()

    #: The name in JSON; lower-case letters.
    kind: ClassVar[str]

    @property
    @abstractmethod
    def inputs(self) -> int:
        """Numbers in one sample."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Numbers that come out for one sample."""

    @property
    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Parameter name to shape, in the order in which parameters are flattened."""

    @property
    @abstractmethod
    def label(self) -> str:
        """A short name for tables."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Returns the specification as JSON; `kind` says which kind reads it."""

    @classmethod
    @abstractmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Returns the specification in `value`.

        Raises:
            ValueError: of another kind, or no network.
        """

    @abstractmethod
    def empty_module(self) -> nn.Module:
        """Returns a torch module that maps (n, inputs) to (n, outputs), with any parameters."""

    @abstractmethod
    def forward_runs(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Returns the outputs (runs, n, outputs) of many networks; see `forward_runs`."""

    @abstractmethod
    def connected(self, mask: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns the kept parameters, as bool tensors, that lie on a path through the network.

        A path leads from an input to an output over kept weights; a bias lies on the paths of
        its unit.
        """

    @property
    def layers(self) -> range:
        """Indices of the layers of parameters."""
        return range(len(self.shapes) // 2)

    @property
    def depth(self) -> int:
        """Number of layers of neurons, input and output included."""
        return len(self.layers) + 1

    @property
    def sizes(self) -> dict[str, int]:
        """Parameter name to number of entries."""
        return {name: math.prod(shape) for name, shape in self.shapes.items()}

    @property
    def total(self) -> int:
        """Number of prunable parameters: all weights and all biases."""
        return sum(self.sizes.values())


def check_kind(network: type[Network], value: Mapping[str, Any]) -> None:
    """Raises ValueError unless `value` is JSON of the kind of `network`."""
    if value.get("kind") != network.kind:
        raise ValueError(f"network kind is {value.get('kind')!r}; expected {network.kind!r}")


def weight_name(layer: int) -> str:
    return f"layers.{layer}.weight"


def bias_name(layer: int) -> str:
    return f"layers.{layer}.bias"


def layer_of(name: str) -> str:
    """Returns the layer that a parameter belongs to: `layers.1` for `layers.1.bias`."""
    return name.rpartition(".")[0]


def build_module(network: Network, weights: Mapping[str, Tensor]) -> nn.Module:
    """Returns a fresh module of `network` whose parameters are copies of `weights`."""
    with torch.random.fork_rng(devices=[]):  # torch's layers draw from the global generator
        module = network.empty_module()
    module.load_state_dict({name: weights[name].detach().clone() for name in network.shapes})
    return module


def flatten(network: Network, parameters: Mapping[str, Tensor]) -> Tensor:
    """Returns the parameters as one vector (..., total) in the order of `network.shapes`.

    Leading axes beyond a parameter's own shape are kept, so that (runs, out, in) and
    (runs, out) give (runs, total).
    """
    rows = []
    for name, shape in network.shapes.items():
        value = parameters[name]
        lead = value.shape[: value.dim() - len(shape)]
        rows.append(value.reshape(*lead, -1))
    return torch.cat(rows, dim=-1)


def unflatten(network: Network, vector: Tensor) -> dict[str, Tensor]:
    """Returns views of `vector` (..., total), by parameter name and in its shape."""
    pieces = torch.split(vector, list(network.sizes.values()), dim=-1)
    return {
        name: piece.view(*piece.shape[:-1], *shape)
        for (name, shape), piece in zip(network.shapes.items(), pieces, strict=True)
    }


def forward_runs(network: Network, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    """Returns the outputs (runs, n, outputs) of many networks of one shape.

    Args:
        parameters: name to (runs, *shape).
        inputs: (n, inputs), shared by the runs, or (runs, n, inputs).
    """
    return network.forward_runs(parameters, inputs)
