"""A ticket's entries as one vector, each in units of its initial standard deviation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.planting.initialization import standard_deviations
from plantkit.planting.targets import Floats, forward_from

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerEntries:
    """Where one layer's ticket entries are, and the units that they are measured in.

    Attributes:
        shape: (out, in) of the layer, reduced to the ticket's units.
        targets, sources: reduced row and column of every weight.
        biased: reduced rows whose bias is in the ticket.
        weight_unit, bias_unit: what a coordinate of 1 stands for in the scaled network.
        weights, biases: where they lie in the vector.
    """

    shape: tuple[int, int]
    targets: Indices
    sources: Indices
    biased: Indices
    weight_unit: float
    bias_unit: float
    weights: slice
    biases: slice


class Coordinates:
    """The masked network as a function of its ticket's whitened entries.

    Coordinates are parameters over their initial standard deviation. The network that
    `outputs` and `jacobian` speak of has every layer multiplied by a constant, so that its
    preactivations are of order one; it equals the masked network up to one factor.

    Args:
        spec: the mother network.
        ticket: name to bool.
        values: name to float64, which the layers' constants are taken from.
        inputs: (n, d_in), likewise.
    """

    def __init__(
        self,
        spec: PerceptronSpec,
        ticket: Mapping[str, NDArray[np.bool_]],
        values: Mapping[str, Floats],
        inputs: Floats,
    ) -> None:
        self._spec = spec
        self._deviations = standard_deviations(spec)
        self._units = _touched_units(spec, ticket)
        self.layers: list[LayerEntries] = []
        start, gain, activations = 0, 1.0, inputs
        for layer in spec.layers:
            grid = np.ix_(self._units[layer + 1], self._units[layer])
            mask = ticket[weight_name(layer)][grid]
            biased = np.flatnonzero(ticket[bias_name(layer)][self._units[layer + 1]])
            weight = np.where(mask, values[weight_name(layer)][grid], 0.0)
            shift = np.zeros(len(mask))
            shift[biased] = values[bias_name(layer)][self._units[layer + 1]][biased] * gain
            preactivation = activations @ weight.T + shift
            scale = 1 / max(float(np.sqrt(np.square(preactivation).mean())), 1e-300)
            gain *= scale
            targets, sources = np.nonzero(mask)
            middle, end = start + targets.size, start + targets.size + biased.size
            self.layers.append(
                LayerEntries(
                    shape=(len(mask), mask.shape[1]),
                    targets=targets,
                    sources=sources,
                    biased=biased,
                    weight_unit=self._deviations[weight_name(layer)] * scale,
                    bias_unit=self._deviations[bias_name(layer)] * gain,
                    weights=slice(start, middle),
                    biases=slice(middle, end),
                )
            )
            start = end
            activations = np.maximum(preactivation * scale, 0)
        self.size = start

    def read(self, values: Mapping[str, Floats]) -> Floats:
        """Returns the coordinates (size,) of a network's parameters, name to array."""
        vector = np.empty(self.size)
        for layer, entries in enumerate(self.layers):
            targets, sources = self._places(layer, entries)
            name, bias = weight_name(layer), bias_name(layer)
            vector[entries.weights] = values[name][targets, sources] / self._deviations[name]
            biased = self._units[layer + 1][entries.biased]
            vector[entries.biases] = values[bias][biased] / self._deviations[bias]
        return vector

    def write(self, vector: Floats, values: Mapping[str, Floats]) -> dict[str, Floats]:
        """Returns a copy of `values` with the ticket's entries set by coordinates (size,)."""
        written = {name: np.array(value) for name, value in values.items()}
        for layer, entries in enumerate(self.layers):
            name, bias = weight_name(layer), bias_name(layer)
            places = self._places(layer, entries)
            written[name][places] = vector[entries.weights] * self._deviations[name]
            biased = self._units[layer + 1][entries.biased]
            written[bias][biased] = vector[entries.biases] * self._deviations[bias]
        return written

    def outputs(self, vector: Floats, inputs: Floats) -> Floats:
        """Returns the scaled network's outputs (n, d_out) of inputs (n, d_in)."""
        return forward_from(inputs, *self._arrays(vector))[-1]

    def jacobian(self, vector: Floats, inputs: Floats) -> tuple[Floats, Floats]:
        """Returns the outputs (n, d_out) and their derivatives (n, d_out, size)."""
        weights, biases = self._arrays(vector)
        preactivations = forward_from(inputs, weights, biases)
        outputs = preactivations[-1]
        count, width = outputs.shape
        derivatives = np.empty((count, width, self.size))
        onward: Floats = np.broadcast_to(np.eye(width), (count, width, width))
        for layer in reversed(range(len(weights))):
            entries = self.layers[layer]
            before = np.maximum(preactivations[layer - 1], 0) if layer else inputs
            derivatives[:, :, entries.weights] = onward[:, :, entries.targets] * (
                before[:, None, entries.sources] * entries.weight_unit
            )
            derivatives[:, :, entries.biases] = onward[:, :, entries.biased] * entries.bias_unit
            if layer:
                active = preactivations[layer - 1] > 0
                onward = (onward @ weights[layer]) * active[:, None, :]
        return outputs, derivatives

    def _arrays(self, vector: Floats) -> tuple[list[Floats], list[Floats]]:
        weights, biases = [], []
        for entries in self.layers:
            weight, bias = np.zeros(entries.shape), np.zeros(entries.shape[0])
            weight[entries.targets, entries.sources] = vector[entries.weights] * entries.weight_unit
            bias[entries.biased] = vector[entries.biases] * entries.bias_unit
            weights.append(weight)
            biases.append(bias)
        return weights, biases

    def _places(self, layer: int, entries: LayerEntries) -> tuple[Indices, Indices]:
        return self._units[layer + 1][entries.targets], self._units[layer][entries.sources]


def _touched_units(
    spec: PerceptronSpec, ticket: Mapping[str, NDArray[np.bool_]]
) -> list[NDArray[np.intp]]:
    """Returns the ticket's units in every layer of neurons, all inputs and outputs included."""
    units = [np.arange(spec.inputs)]
    for layer in spec.layers[:-1]:
        reads = ticket[weight_name(layer)].any(axis=1) | ticket[bias_name(layer)]
        units.append(np.flatnonzero(reads | ticket[weight_name(layer + 1)].any(axis=0)))
    units.append(np.arange(spec.outputs))
    return units
