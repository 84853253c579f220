"""Targets: the small ReLU networks that are planted into larger ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import PerceptronSpec, bias_name, weight_name

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryCount:
    """How many entries of a target or ticket are weights, and how many are biases."""

    weights: int
    biases: int

    @property
    def total(self) -> int:
        return self.weights + self.biases

    def weight_density(self, spec: PerceptronSpec) -> float:
        """Returns weights ÷ all weights of `spec`, in [0, 1]: the density that the paper prints."""
        return self.weights / sum(spec.sizes[weight_name(layer)] for layer in spec.layers)

    def density(self, spec: PerceptronSpec) -> float:
        """Returns entries ÷ all parameters of `spec`, weights and biases, in [0, 1]."""
        return self.total / spec.total


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """A ReLU network in its own coordinates: no ReLU after the last layer.

    `weights` holds one (out, in) array a layer and `biases` one (out,); both are copied to
    read-only float64.

    Raises:
        ValueError: the shapes do not chain.
    """

    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", tuple(_frozen(value) for value in self.weights))
        object.__setattr__(self, "biases", tuple(_frozen(value) for value in self.biases))
        if not self.weights or len(self.weights) != len(self.biases):
            raise ValueError(
                "a target needs one bias array for each of its weight arrays, at least one; "
                f"got {len(self.weights)} and {len(self.biases)}"
            )
        fan_in = self.weights[0].shape[1]
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if weight.shape != (bias.size, fan_in) or bias.ndim != 1:
                raise ValueError(
                    f"target layer {layer} has weights {weight.shape} and biases {bias.shape}; "
                    f"expected (out, {fan_in}) and (out,)"
                )
            fan_in = bias.size

    @classmethod
    def from_parameters(cls, spec: PerceptronSpec, parameters: Mapping[str, Floats]) -> Self:
        """Returns the network `spec` with these parameters, name to array, as a target."""
        return cls(
            weights=tuple(parameters[weight_name(layer)] for layer in spec.layers),
            biases=tuple(parameters[bias_name(layer)] for layer in spec.layers),
        )

    @property
    def widths(self) -> tuple[int, ...]:
        """Layer widths, input first and output last."""
        return (self.weights[0].shape[1], *(bias.size for bias in self.biases))

    @property
    def depth(self) -> int:
        """Number of layers of neurons, input and output included."""
        return len(self.widths)

    @property
    def entries(self) -> dict[str, NDArray[np.bool_]]:
        """Parameter name to bool, True where the target's value is not zero."""
        masks: dict[str, NDArray[np.bool_]] = {}
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            masks[weight_name(layer)] = weight != 0
            masks[bias_name(layer)] = bias != 0
        return masks

    @property
    def count(self) -> EntryCount:
        """Number of entries that are not zero."""
        return EntryCount(
            weights=sum(int(np.count_nonzero(weight)) for weight in self.weights),
            biases=sum(int(np.count_nonzero(bias)) for bias in self.biases),
        )

    def forward(self, inputs: Floats) -> Floats:
        """Returns outputs (n, d_out) of inputs (n, d_in), in float64."""
        return self.preactivations(inputs)[-1]

    def preactivations(self, inputs: Floats) -> list[Floats]:
        """Returns what every layer computes before its ReLU, (n, out) each, the outputs last."""
        return forward_from(inputs, self.weights, self.biases)


def forward_from(
    activations: Floats, weights: Sequence[Floats], biases: Sequence[Floats]
) -> list[Floats]:
    """Returns the preactivations (n, out) of consecutive layers fed with activations (n, in)."""
    layers: list[Floats] = []
    for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        sources = np.maximum(layers[-1], 0) if index else activations
        layers.append(sources @ weight.T + bias)
    return layers


def _frozen(value: Floats) -> Floats:
    copy = np.array(value, dtype=np.float64)
    copy.flags.writeable = False
    return copy
