"""The weights that lead into and out of each channel, whatever the kind of network.

`networks.wiring` says what channels and streams are. A *line* is all entries that lead into a
channel, or out of it, over one layer or over several of a stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from plantkit.networks import Network, bias_name, weight_name
from plantkit.networks.wiring import Wiring
from plantkit.planting.targets import Floats


class Entering(NamedTuple):
    """What leads into the channels of a stream.

    weights: (channels, entries). bias: (channels,), the sum of the biases of so many layers.
    """

    weights: Floats
    bias: Floats
    layers: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lines:
    """A network's parameters by layer.

    grids: (out, in, taps) weights. biases: (out,), zeros where a layer has none.
    """

    wiring: Wiring
    grids: Sequence[Floats]
    biases: Sequence[Floats]

    @classmethod
    def of(cls, spec: Network, parameters: Mapping[str, Floats]) -> Lines:
        grids = [parameters[weight_name(i)].reshape(spec.wiring.grid(i)) for i in spec.layers]
        return cls(
            wiring=spec.wiring,
            grids=grids,
            biases=[
                parameters.get(bias_name(layer), np.zeros(len(grid)))
                for layer, grid in enumerate(grids)
            ],
        )

    def rows(self, layer: int) -> Floats:
        """Returns the line of each channel that the layer writes: (out, in * taps)."""
        return self.grids[layer].reshape(len(self.grids[layer]), -1)

    def columns(self, layer: int) -> Floats:
        """Returns the line of each channel that the layer reads: (in, out * taps)."""
        grid = self.grids[layer]
        return grid.transpose(1, 0, 2).reshape(grid.shape[1], -1)

    def before(self, layer: int) -> Entering | None:
        """Returns what leads into the channels that the layer reads; None if they are inputs."""
        return self._entering(self._source(layer), but=layer)

    def peers(self, layer: int) -> Entering | None:
        """Returns what else leads into the channels that the layer writes, None if nothing."""
        return self._entering(self._target(layer), but=layer)

    def after(self, layer: int) -> Floats | None:
        """Returns what reads the channels that the layer writes, None if they are outputs."""
        return self._leaving(self._target(layer), but=layer)

    def siblings(self, layer: int) -> Floats | None:
        """Returns what else reads the channels that the layer reads, None if nothing."""
        return self._leaving(self._source(layer), but=layer)

    def _source(self, layer: int) -> int:
        return self.wiring.streams[self.wiring.links[layer].source]

    def _target(self, layer: int) -> int:
        return self.wiring.streams[self.wiring.links[layer].target]

    def _entering(self, stream: int, but: int) -> Entering | None:
        layers = [layer for layer in self.wiring.writers(stream) if layer != but]
        if not layers:
            return None
        bias: Floats = np.sum([self.biases[layer] for layer in layers], axis=0)
        weights = np.concatenate([self.rows(layer) for layer in layers], axis=1)
        return Entering(weights, bias, len(layers))

    def _leaving(self, stream: int, but: int) -> Floats | None:
        layers = [layer for layer in self.wiring.readers(stream) if layer != but]
        return np.concatenate([self.columns(one) for one in layers], axis=1) if layers else None


def path_strengths(lines: Lines) -> tuple[list[Floats], list[Floats]]:
    """Returns how strong the paths are from the inputs to each channel, and on to the outputs.

    Each is one array (channels,) for every column, of mean 1: the sum over paths of the products
    of their entries' magnitudes. A shortcut leads on with strength 1.
    """
    wiring = lines.wiring
    joins = [np.abs(grid).sum(axis=2) for grid in lines.grids]
    forward = [
        *((link.source, link.target, join) for link, join in zip(wiring.links, joins, strict=True)),
        *((start, end, None) for start, end in wiring.shortcuts),
    ]
    backward = [(end, start, None if join is None else join.T) for start, end, join in forward]
    upstream = _accumulate(wiring.columns, range(len(wiring.columns)), forward)
    return upstream, _accumulate(wiring.columns, range(len(wiring.columns))[::-1], backward)


def _accumulate(
    columns: Sequence[int], order: Sequence[int], joins: Sequence[tuple[int, int, Floats | None]]
) -> list[Floats]:
    found = {order[0]: np.ones(columns[order[0]])}
    scales = {order[0]: 0.0}  # the logarithm of what a column was divided by: paths are many
    for column in order[1:]:
        led = [(start, join) for start, end, join in joins if end == column]
        largest = max(scales[start] for start, _ in led)
        total = np.zeros(columns[column])
        for start, join in led:
            reach = found[start] if join is None else join @ found[start]
            total += reach * np.exp(scales[start] - largest)
        mean = float(total.mean()) or 1.0
        found[column], scales[column] = total / mean, largest + float(np.log(mean))
    return [found[column] for column in range(len(columns))]
