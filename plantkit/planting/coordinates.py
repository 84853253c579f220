"""A ticket's entries as one vector, each in units of its initial standard deviation.

A ReLU network has the freedom to move scale between layers: a hidden unit's incoming entries times
c > 0 and its outgoing ones over c is the same function. After a fit these factors say something of
the fit; drawn anew, from what the initial law makes of them given everything else, they no longer
do. So are the factors of the outputs, which are free altogether (`draw_scales`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.planting.initialization import standard_deviations
from plantkit.planting.targets import Floats, Ticket, forward_from, subnetwork, touched_units

Indices = NDArray[np.intp]

# Sweeps over all factors in `draw_scales`, and the log factors among which each is drawn.
SWEEPS = 20
GRID = np.linspace(-2, 2, 161)


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
        ticket: Ticket,
        values: Mapping[str, Floats],
        inputs: Floats,
    ) -> None:
        self._ticket = ticket
        self._deviations = standard_deviations(spec)
        self.layers: list[LayerEntries] = []
        units = touched_units(spec, ticket)
        network = subnetwork(spec, values, ticket)
        start, gain, activations = 0, 1.0, inputs
        for layer in spec.layers:
            name, bias = weight_name(layer), bias_name(layer)
            targets, sources = np.nonzero(ticket[name][np.ix_(units[layer + 1], units[layer])])
            biased = np.flatnonzero(ticket[bias][units[layer + 1]])
            shift = network.biases[layer] * gain
            preactivation = activations @ network.weights[layer].T + shift
            scale = 1 / max(float(np.sqrt(np.square(preactivation).mean())), 1e-300)
            gain *= scale
            middle, end = start + targets.size, start + targets.size + biased.size
            self.layers.append(
                LayerEntries(
                    shape=network.weights[layer].shape,
                    targets=targets,
                    sources=sources,
                    biased=biased,
                    weight_unit=self._deviations[name] * scale,
                    bias_unit=self._deviations[bias] * gain,
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
        for name, place in self._places():
            vector[place] = values[name][self._ticket[name]] / self._deviations[name]
        return vector

    def write(self, vector: Floats, values: Mapping[str, Floats]) -> dict[str, Floats]:
        """Returns a copy of `values` with the ticket's entries set by coordinates (size,)."""
        written = {name: np.array(value) for name, value in values.items()}
        for name, place in self._places():
            written[name][self._ticket[name]] = vector[place] * self._deviations[name]
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

    def _places(self) -> Iterator[tuple[str, slice]]:
        """Yields every parameter's name and where its entries lie in the vector."""
        for layer, entries in enumerate(self.layers):
            yield weight_name(layer), entries.weights
            yield bias_name(layer), entries.biases


def draw_scales(
    coordinates: Coordinates,
    vector: Floats,
    rng: np.random.Generator,
    *,
    common: bool,
    held: int = 0,
) -> Floats:
    """Returns coordinates (size,) of the same function up to its outputs' factors.

    A Gibbs sampler: every unit's log factor in turn is drawn from its density under the
    initial law, which is exp(-(a c^2 + b / c^2) / 2) c^(m - n) for m incoming entries of squared
    norm a and n outgoing ones of squared norm b.

    Args:
        coordinates: of the ticket.
        vector: (size,).
        rng: source of the factors.
        common: whether all outputs must share one factor, as classes must.
        held: leading layers whose entries, and so whose units' factors, stay as they are.
    """
    groups = list(_scaled_together(coordinates, common=common, held=held))
    scaled = vector.copy()
    for _ in range(SWEEPS):
        for incoming, outgoing in groups:
            factor = _draw(scaled[incoming], scaled[outgoing], rng)
            scaled[incoming] *= factor
            scaled[outgoing] /= factor
    return scaled


def _scaled_together(
    coordinates: Coordinates, *, common: bool, held: int
) -> Iterator[tuple[Indices, Indices]]:
    """Yields the incoming and the outgoing entries' places of every unit whose scale is free."""
    places = np.arange(coordinates.size)
    nowhere = places[:0]
    layers = coordinates.layers
    for layer, entries in enumerate(layers[held:], start=held):
        weights, biases = places[entries.weights], places[entries.biases]
        is_last = layer == len(layers) - 1
        if is_last and common:
            yield np.r_[weights, biases], nowhere
            continue
        for unit in range(entries.shape[0]):
            incoming = np.r_[weights[entries.targets == unit], biases[entries.biased == unit]]
            if is_last:
                yield incoming, nowhere
            else:
                after = layers[layer + 1]
                yield incoming, places[after.weights][after.sources == unit]


def _draw(incoming: Floats, outgoing: Floats, rng: np.random.Generator) -> float:
    """Returns one factor, positive, drawn under the initial law."""
    square = np.exp(2 * GRID)
    density = (incoming.size - outgoing.size) * GRID - (
        np.square(incoming).sum() * square + np.square(outgoing).sum() / square
    ) / 2
    cumulative = np.cumsum(np.exp(density - density.max()))
    place = np.searchsorted(cumulative, rng.random() * cumulative[-1])
    return float(np.exp(GRID[place] + (rng.random() - 0.5) * (GRID[1] - GRID[0])))
