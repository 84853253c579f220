"""Parts of a perceptron: sparse subnetworks, each in hidden units of its own, as one batch.

All parts have equally many units and entries, so one batched product computes them all. A part
is described by coordinates: its entries' values in initial standard deviations, layer by layer,
weights before biases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plantkit.errors import UsageError
from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.planting.initialization import standard_deviations
from plantkit.planting.targets import Floats, Ticket

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPlan:
    """What every part of a network is made of.

    Attributes:
        units: of a part in every hidden layer.
        in_degree: weights that a unit reads behind the first hidden layer; `units` for all.
        inputs: weights that a unit of the first hidden layer reads, at most.
    """

    units: int
    in_degree: int
    inputs: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """A layer of weights of all parts.

    Attributes:
        shape: (out, in) of a part's own matrix, units counted within the part.
        rows, columns: (parts, entries), places in that matrix.
        units, sources: (parts, out) and (parts, in), places in the network.
        weights, biases: where their coordinates are.
        weight_unit, bias_unit: initial standard deviations.
    """

    shape: tuple[int, int]
    rows: Places
    columns: Places
    units: Places
    sources: Places
    weights: slice
    biases: slice
    weight_unit: float
    bias_unit: float

    def entries(self) -> tuple[Places, Places]:
        """Returns the weights' rows and columns in the network, (parts, entries) each."""
        return (
            np.take_along_axis(self.units, self.rows, axis=1),
            np.take_along_axis(self.sources, self.columns, axis=1),
        )


class Parts:
    """A batch of parts of one network.

    Attributes:
        spec: the network.
        layers: of the parts.
        size: coordinates of a part.
    """

    def __init__(self, spec: PerceptronSpec, layers: Sequence[Layer]) -> None:
        self.spec = spec
        self.layers = tuple(layers)
        self.size = self.layers[-1].biases.stop
        self._indices = [
            (
                torch.from_numpy(one.rows * one.shape[1] + one.columns),
                torch.from_numpy(one.rows),
                torch.from_numpy(one.columns),
            )
            for one in self.layers
        ]

        self._sources = torch.from_numpy(self.layers[0].sources)[:, None]

    def __len__(self) -> int:
        return len(self.layers[0].rows)

    def take(self, places: Sequence[int] | Places) -> Parts:
        """Returns some of the parts."""
        chosen = np.asarray(places, dtype=np.intp)
        return Parts(
            self.spec,
            [
                replace(
                    one,
                    rows=one.rows[chosen],
                    columns=one.columns[chosen],
                    units=one.units[chosen],
                    sources=one.sources[chosen],
                )
                for one in self.layers
            ],
        )

    def read(self, parameters: Mapping[str, Floats]) -> Tensor:
        """Returns the parts' coordinates (parts, size) in a network."""
        vector = torch.empty(len(self), self.size, dtype=torch.float64)
        for layer, one in enumerate(self.layers):
            values = parameters[weight_name(layer)][one.entries()]
            vector[:, one.weights] = torch.from_numpy(values / one.weight_unit)
            values = parameters[bias_name(layer)][one.units]
            vector[:, one.biases] = torch.from_numpy(values / one.bias_unit)
        return vector

    def write(self, vector: Tensor, parameters: dict[str, Floats]) -> None:
        """Writes the parts' coordinates (parts, size) into a network, name to float64.

        Biases of the outputs are left alone: all parts share them.
        """
        for layer, one in enumerate(self.layers):
            values = vector[:, one.weights].numpy() * one.weight_unit
            parameters[weight_name(layer)][one.entries()] = values
            if one is not self.layers[-1]:
                values = vector[:, one.biases].numpy() * one.bias_unit
                parameters[bias_name(layer)][one.units] = values

    def ticket(self, part: int, kept: NDArray[np.bool_]) -> Ticket:
        """Returns a part's entries, name to bool, without those that `kept` (size,) leaves out."""
        ticket: Ticket = {n: np.zeros(shape, dtype=bool) for n, shape in self.spec.shapes.items()}
        for layer, one in enumerate(self.layers):
            rows, columns = (found[part] for found in one.entries())
            ticket[weight_name(layer)][rows, columns] = kept[one.weights]
            ticket[bias_name(layer)][one.units[part]] = kept[one.biases]
        return ticket

    def activations(self, vector: Tensor, inputs: Tensor) -> list[Tensor]:
        """Returns what every layer of neurons holds, (parts, n, units) each, the outputs last.

        Of the inputs it is those that a part reads.

        Args:
            vector: (parts, size).
            inputs: (parts, n, d_in).
        """
        sources = self._sources.expand(-1, inputs.shape[1], -1)
        found = [inputs.gather(2, sources)]
        for matrix, biases, is_last in self._matrices(vector):
            values = found[-1] @ matrix.transpose(1, 2) + biases
            found.append(values if is_last else values.relu_())
        return found

    def outputs(self, vector: Tensor, inputs: Tensor) -> Tensor:
        """Returns the outputs (parts, n, d_out); see `activations`."""
        return self.activations(vector, inputs)[-1]

    def derivatives(self, vector: Tensor, activations: list[Tensor], slopes: Tensor) -> Tensor:
        """Returns the derivatives (parts, n, size) of a combination of the outputs.

        Args:
            vector: (parts, size).
            activations: of `vector`.
            slopes: (parts, n, d_out), what each output counts for.
        """
        found = torch.empty(*slopes.shape[:2], self.size, dtype=torch.float64)
        matrices = [matrix for matrix, _, _ in self._matrices(vector)]
        for layer in reversed(range(len(self.layers))):
            one = self.layers[layer]
            _, rows, columns = self._indices[layer]
            shape = (*slopes.shape[:2], rows.shape[1])
            after = torch.gather(slopes, 2, rows[:, None].expand(shape))
            before = torch.gather(activations[layer], 2, columns[:, None].expand(shape))
            found[:, :, one.weights] = after * before * one.weight_unit
            found[:, :, one.biases] = slopes * one.bias_unit
            if layer:
                slopes = (slopes @ matrices[layer]) * (activations[layer] > 0)
        return found

    def _matrices(self, vector: Tensor) -> Iterator[tuple[Tensor, Tensor, bool]]:
        """Yields every layer's matrices (parts, out, in), biases, and whether it is the last."""
        for one, (flat, _, _) in zip(self.layers, self._indices, strict=True):
            out, width = one.shape
            matrix = torch.zeros(len(vector), out * width, dtype=torch.float64)
            matrix.scatter_(1, flat, vector[:, one.weights] * one.weight_unit)
            biases = vector[:, None, one.biases] * one.bias_unit
            yield matrix.view(-1, out, width), biases, one is self.layers[-1]


def draw_parts(
    spec: PerceptronSpec,
    plan: PartPlan,
    units: Sequence[Places],
    inputs: Sequence[Places],
    rng: np.random.Generator,
) -> Parts:
    """Returns parts in these units, what each unit reads drawn at random.

    The outputs read all units of the last hidden layer, and every source is read.

    Args:
        spec: the network.
        plan: what the parts are made of.
        units: (parts, units) for every hidden layer.
        inputs: of every part, those that it reads; equally many of each.
        rng: source of what units read.

    Raises:
        UsageError: parts read different numbers of inputs.
    """
    deviations = standard_deviations(spec)
    count = len(units[0])
    if len({one.size for one in inputs}) > 1:
        raise UsageError(
            "parts read different numbers of inputs; a family's `reads` must give as many"
        )
    sources = np.stack(inputs)
    outputs = np.tile(np.arange(spec.outputs), (count, 1))
    layers, place = [], 0
    for layer, targets in enumerate((*units, outputs)):
        shape = (targets.shape[1], sources.shape[1])
        degree = plan.in_degree if layer else plan.inputs
        if layer == len(units):
            degree = shape[1]
        grids = [_fan_ins(shape, min(degree, shape[1]), rng) for _ in range(count)]
        rows, columns = (np.stack(found) for found in zip(*map(np.nonzero, grids), strict=True))
        weights = slice(place, place + rows.shape[1])
        biases = slice(weights.stop, weights.stop + shape[0])
        layers.append(
            Layer(
                shape=shape,
                rows=rows,
                columns=columns,
                units=targets,
                sources=sources,
                weights=weights,
                biases=biases,
                weight_unit=deviations[weight_name(layer)],
                bias_unit=deviations[bias_name(layer)],
            )
        )
        sources, place = targets, biases.stop
    return Parts(spec, layers)


def _fan_ins(shape: tuple[int, int], degree: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Returns what each unit reads, (out, in), `degree` sources each, and no source unread.

    The chances are even, but for sources that would be left over: units take them in turn.
    """
    grid = rng.random(shape).argsort(axis=1).argsort(axis=1) < degree
    for source in np.flatnonzero(~grid.any(axis=0)):
        often = grid & (grid.sum(axis=0) > 1)  # given up, its source is still read
        rows = np.flatnonzero(often.any(axis=1))
        if not rows.size:
            break
        row = rng.choice(rows)
        grid[row, rng.choice(np.flatnonzero(often[row]))] = False
        grid[row, source] = True
    return grid
