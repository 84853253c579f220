"""Targets: the small ReLU networks that are planted into larger ones, or are parts of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import Network, PerceptronSpec, bias_name, weight_name

Floats = NDArray[np.float64]

# Parameter name to bool, True at the ticket's entries.
Ticket = dict[str, NDArray[np.bool_]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryCount:
    """How many entries of a target or ticket are weights, and how many are biases."""

    weights: int
    biases: int

    @classmethod
    def of(cls, entries: Mapping[str, NDArray[np.bool_]]) -> Self:
        """Returns the number of True among weights (out, in, ...) and biases (out,), by name."""
        biases = sum(int(mask.sum()) for mask in entries.values() if mask.ndim == 1)
        return cls(
            weights=sum(int(mask.sum()) for mask in entries.values()) - biases, biases=biases
        )

    @property
    def total(self) -> int:
        return self.weights + self.biases

    def weight_density(self, spec: Network) -> float:
        """Returns weights ÷ all weights of `spec`, in [0, 1]: the density that the paper prints."""
        return self.weights / sum(spec.sizes[weight_name(layer)] for layer in spec.layers)

    def density(self, spec: Network) -> float:
        """Returns entries ÷ all parameters of `spec`, weights and biases, in [0, 1]."""
        return self.total / spec.total


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """A ReLU network in its own coordinates: no ReLU after the last layer.

    `weights` holds one (out, in) array per layer and `biases` one (out,); both are copied to
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

    @property
    def widths(self) -> tuple[int, ...]:
        """Layer widths, input first and output last."""
        return (self.weights[0].shape[1], *(bias.size for bias in self.biases))

    @property
    def depth(self) -> int:
        """Number of layers of neurons, input and output included."""
        return len(self.widths)

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Floats]) -> Self:
        """Returns the target with these parameters, name to array."""
        layers = range(len(parameters) // 2)
        return cls(
            weights=tuple(parameters[weight_name(layer)] for layer in layers),
            biases=tuple(parameters[bias_name(layer)] for layer in layers),
        )

    @property
    def parameters(self) -> dict[str, Floats]:
        """Parameter name to weights (out, in) or biases (out,), layer by layer."""
        found: dict[str, Floats] = {}
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            found[weight_name(layer)] = weight
            found[bias_name(layer)] = bias
        return found

    @property
    def entries(self) -> dict[str, NDArray[np.bool_]]:
        """Parameter name to bool, True where the target's value is not zero."""
        return {name: value != 0 for name, value in self.parameters.items()}

    @property
    def count(self) -> EntryCount:
        """Number of entries that are not zero."""
        return EntryCount.of(self.entries)

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


def masked(
    spec: PerceptronSpec, parameters: Mapping[str, Floats], ticket: Mapping[str, NDArray[np.bool_]]
) -> Target:
    """Returns the network with everything outside of the ticket set to zero."""
    return Target.from_parameters(
        {name: np.where(ticket[name], parameters[name], 0) for name in spec.shapes}
    )


def rescaled(target: Target, scales: Floats) -> Target:
    """Returns the target with output i divided by scale i, (d_out,)."""
    return Target(
        weights=(*target.weights[:-1], target.weights[-1] / scales[:, None]),
        biases=(*target.biases[:-1], target.biases[-1] / scales),
    )


def subnetwork(
    spec: PerceptronSpec, parameters: Mapping[str, Floats], ticket: Mapping[str, NDArray[np.bool_]]
) -> Target:
    """Returns the masked network, reduced to the hidden units that the ticket touches.

    Left out units have neither entries nor readers in the ticket, so the function is that of
    the masked network.
    """
    units = touched_units(spec, ticket)
    weights: list[Floats] = []
    biases: list[Floats] = []
    for layer in spec.layers:
        weight, bias = weight_name(layer), bias_name(layer)
        grid = np.ix_(units[layer + 1], units[layer])
        weights.append(np.where(ticket[weight], parameters[weight], 0)[grid])
        biases.append(np.where(ticket[bias], parameters[bias], 0)[units[layer + 1]])
    return Target(weights=tuple(weights), biases=tuple(biases))


def touched_units(
    spec: PerceptronSpec, ticket: Mapping[str, NDArray[np.bool_]]
) -> list[NDArray[np.intp]]:
    """Returns the ticket's units in every layer of neurons, all inputs and outputs included."""
    units = [np.arange(spec.inputs)]
    for layer in spec.layers[:-1]:
        reads = ticket[weight_name(layer)].any(axis=1) | ticket[bias_name(layer)]
        units.append(np.flatnonzero(reads | ticket[weight_name(layer + 1)].any(axis=0)))
    units.append(np.arange(spec.outputs))
    return units


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Interpolation:
    """A piecewise linear function of x as one hidden ReLU layer.

    It is sum_k coefficients[k] · relu(signs[k] · (x - knots[k])) + offset, with `knots`, `signs`
    (each 1 or -1) and `coefficients` of shape (knots,).
    """

    knots: Floats
    signs: Floats
    coefficients: Floats
    offset: float

    @property
    def biases(self) -> Floats:
        """The hidden layer's biases (knots,)."""
        return -self.knots * self.signs


def interpolate(
    function: Callable[[Floats], Floats], knots: Floats, *, last: int | None = None
) -> Interpolation:
    """Returns the interpolation of a scalar function at ascending, evenly spaced knots.

    It is exact at the knots, and goes on linearly beyond the last one towards the value one
    step further. Units face right and left in turn. Every kink's coefficient is a second
    difference; a unit that faces left (sign -1) contributes the opposite slope everywhere, which
    the first unit, always facing right, makes up for.

    Args:
        function: maps (k,) to (k,).
        knots: (k,), k at least 2.
        last: the last unit's sign, if it is not to be the next in turn.
    """
    signs = np.where(np.arange(knots.size) % 2, -1.0, 1.0)
    if last is not None:
        signs[-1] = last
    points = np.append(knots, knots[-1] + (knots[1] - knots[0]))
    slopes = np.diff(function(points)) / np.diff(points)  # (k,)
    bends = np.diff(slopes)  # (k - 1,), of every knot but the first
    first = slopes[0] + bends[signs[1:] < 0].sum()
    coefficients = np.concatenate([[first], bends])
    hidden = np.maximum(signs * knots[0] - knots * signs, 0)
    offset = function(knots[:1])[0] - (hidden * coefficients).sum()
    return Interpolation(knots=knots, signs=signs, coefficients=coefficients, offset=float(offset))


def _frozen(value: Floats) -> Floats:
    copy = np.array(value, dtype=np.float64)
    copy.flags.writeable = False
    return copy
