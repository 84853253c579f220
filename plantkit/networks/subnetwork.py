"""A masked perceptron on the units that it touches, and what is left of it without one entry.

A sparse mask touches few units: all others are zero. What goes through the network is computed
once. An entry's removal then changes one unit, and only the layers after it are computed again.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from plantkit.networks.network import bias_name, weight_name
from plantkit.networks.perceptron import PerceptronSpec


class Place(NamedTuple):
    """Where an entry is; the column after the last is the bias."""

    layer: int
    row: int
    column: int


class Trace(NamedTuple):
    """What goes through the subnetwork for some samples.

    sources: (n, in + 1) per layer, the last column all ones. preactivations: (n, out) per layer.
    """

    sources: list[Tensor]
    preactivations: list[Tensor]

    @property
    def outputs(self) -> Tensor:
        return self.preactivations[-1]


class Subnetwork:
    """The entries of `weights` that `mask` keeps.

    Attributes:
        units: the units that it touches, of each layer of neurons; all inputs and outputs are
            among them.
        entries: where each of its entries is, in rows and columns of these units, in the order
            of the network.
        kept: (out, in + 1) bool per layer, the entries on these units; the bias is last.
        values: (out, in + 1) per layer, all parameters on these units, kept or not.
    """

    def __init__(
        self, spec: PerceptronSpec, weights: Mapping[str, Tensor], mask: Mapping[str, Tensor]
    ) -> None:
        def matrices(tensors: Mapping[str, Tensor]) -> list[Tensor]:
            pairs = [(tensors[weight_name(i)], tensors[bias_name(i)]) for i in spec.layers]
            return [torch.cat([weight, bias.unsqueeze(1)], dim=1) for weight, bias in pairs]

        whole = matrices(mask)
        touched = [
            fed.any(dim=1) | read[:, :-1].any(dim=0) for fed, read in itertools.pairwise(whole)
        ]
        self.units = [
            torch.arange(spec.inputs),
            *(units.nonzero().squeeze(1) for units in touched),
            torch.arange(spec.outputs),
        ]

        def shrunk(matrix: Tensor, layer: int) -> Tensor:
            rows, columns = self.units[layer + 1], self.units[layer]
            return torch.cat([matrix[rows][:, columns], matrix[rows, -1:]], dim=1)

        self.kept = [shrunk(kept, layer) for layer, kept in enumerate(whole)]
        self.values = [shrunk(value, layer) for layer, value in enumerate(matrices(weights))]
        self._masked = [value * kept for value, kept in zip(self.values, self.kept, strict=True)]
        self.entries = [
            Place(layer, *place)
            for layer, kept in enumerate(self.kept)
            for place in kept.nonzero().tolist()
        ]

    def parameter(self, place: Place) -> tuple[str, tuple[int, ...]]:
        """Returns the parameter's name and the index in it of an entry."""
        layer, row, column = place
        unit = int(self.units[layer + 1][row])
        if column == len(self.units[layer]):
            return bias_name(layer), (unit,)
        return weight_name(layer), (unit, int(self.units[layer][column]))

    def traced(self, inputs: Tensor, *, without: Sequence[Place] = ()) -> Trace:
        """Returns what goes through the subnetwork less some entries for inputs (n, d_in)."""
        left = [values.clone() for values in self._masked]
        for layer, row, column in without:
            left[layer][row, column] = 0
        trace = Trace([], [])
        below = inputs
        for values in left:
            source = torch.cat([below, below.new_ones(len(below), 1)], dim=1)
            trace.sources.append(source)
            trace.preactivations.append(source @ values.T)
            below = torch.relu(trace.outputs)
        return trace

    def outputs_without(self, trace: Trace, out: Place, into: Tensor | None = None) -> Tensor:
        """Returns outputs (count, n, d_out) less the entry `out`, each with one of `into` added.

        into: (count, 2), rows and columns of the same layer; None for none, a count of 1.
        """
        layer, row, column = out
        source = trace.sources[layer]
        left = self._masked[layer][row].clone()
        left[column] = 0
        base = trace.preactivations[layer].clone()
        base[:, row] = source @ left  # to take it from the sum would leave rounding errors
        changed = base.unsqueeze(0)
        if into is not None:
            rows, columns = into.unbind(dim=1)
            changed = changed.repeat(len(into), 1, 1)
            added = (source[:, columns] * self.values[layer][rows, columns]).T
            changed[torch.arange(len(into)), :, rows] += added
        for values in self._masked[layer + 1 :]:
            changed = functional.linear(torch.relu_(changed), values[:, :-1], values[:, -1])
        return changed
