"""What an entry and the units at its two ends look like, in numbers of unit variance.

The values are those which a fit moves together: an entry, the biases at both ends, the sums and
powers of the row and the column that it stands in, and single weights to outputs, where these
are few. A weight behind units that read few inputs is also looked at times the size of its
source's weights, `reach`: with many inputs these sizes are all alike. In an untouched network
every one of them has mean 0 and variance 1, and squares and products of two tell whether a
ticket's entries are correlated otherwise than the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.planting.initialization import standard_deviations
from plantkit.planting.targets import Floats

FEW = 4
"""Outputs up to this number are looked at one by one, and so many inputs are few."""

LARGEST = 4.0
"""Values beyond this count as this, so that no single one decides."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surroundings:
    """Values (entries, len(names)) of one parameter's entries, in row-major order."""

    names: tuple[str, ...]
    values: Floats


def look_around(spec: PerceptronSpec, parameters: Mapping[str, Any]) -> dict[str, Surroundings]:
    """Returns the surroundings of every entry, by parameter name.

    Args:
        spec: the network.
        parameters: name to (out, in) weights or (out,) biases.
    """
    network = _Scaled(spec, parameters)
    found: dict[str, Surroundings] = {}
    for layer in spec.layers:
        found[weight_name(layer)] = network.of_weights(layer)
        found[bias_name(layer)] = network.of_units(layer)
    return found


def look_at_units(spec: PerceptronSpec, parameters: Mapping[str, Any], layer: int) -> Surroundings:
    """Returns the surroundings of the biases of one layer, counted from 0."""
    return _Scaled(spec, parameters).of_units(layer)


def second_order(values: Floats) -> Floats:
    """Returns values (n, k), their magnitudes, and all squares and products: (n, 2k + k(k+1)/2).

    In the order of `second_order_names`.
    """
    first, second = np.triu_indices(values.shape[1])
    return np.concatenate(
        [values, np.abs(values), values[:, first] * values[:, second]], axis=1, dtype=values.dtype
    )


def second_order_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Returns what the columns of `second_order` are."""
    first, second = np.triu_indices(len(names))
    products = (f"{names[a]}*{names[b]}" for a, b in zip(first, second, strict=True))
    return (*names, *(f"|{name}|" for name in names), *products)


class _Scaled:
    """A network's parameters in initial deviations."""

    def __init__(self, spec: PerceptronSpec, parameters: Mapping[str, Any]) -> None:
        self.spec = spec
        self.parameters = parameters
        self.deviations = standard_deviations(spec)

    def weight(self, layer: int) -> Floats:
        return self._scaled(weight_name(layer))

    def bias(self, layer: int) -> Floats:
        return self._scaled(bias_name(layer))

    def _scaled(self, name: str) -> Floats:
        values: Floats = np.asarray(self.parameters[name], dtype=np.float64)
        return values / self.deviations[name]

    def of_units(self, layer: int) -> Surroundings:
        bias, weight = self.bias(layer), self.weight(layer)
        columns = {"bias": bias, "row_sum": _sums(weight), "row_power": _powers(weight)}
        return _stack(columns | self._outgoing(layer), bias.shape)

    def of_weights(self, layer: int) -> Surroundings:
        weight = self.weight(layer)
        height, width = weight.shape
        columns: dict[str, Floats] = {"value": weight}
        if layer < self.spec.layers[-1]:
            columns |= {
                "row_sum": _sums(weight)[:, None] - weight / width**0.5,
                "row_power": _powers(weight)[:, None],
                "bias": self.bias(layer)[:, None],
            }
            columns |= {key: values[:, None] for key, values in self._outgoing(layer).items()}
        if layer > 0:
            sources = self.weight(layer - 1)
            columns |= {
                "source_bias": self.bias(layer - 1)[None, :],
                "source_sum": _sums(sources)[None, :],
            }
            if sources.shape[1] <= FEW:
                columns["reach"] = weight * np.sqrt(np.square(sources).mean(axis=1))
            columns |= {key: values[None, :] for key, values in _columns("column", weight).items()}
            if height > FEW:
                columns["column_sum"] = columns["column_sum"] - weight / height**0.5
        return _stack(columns, weight.shape)

    def _outgoing(self, layer: int) -> dict[str, Floats]:
        return _columns("out", self.weight(layer + 1)) if layer < self.spec.layers[-1] else {}


def _columns(prefix: str, weight: Floats) -> dict[str, Floats]:
    """Returns what the columns of weight (m, k) look like, (k,) each."""
    if weight.shape[0] <= FEW:
        return {f"{prefix}_{place}": row for place, row in enumerate(weight)}
    return {f"{prefix}_sum": _sums(weight.T), f"{prefix}_power": _powers(weight.T)}


def _sums(rows: Floats) -> Floats:
    result: Floats = rows.sum(axis=1) / rows.shape[1] ** 0.5
    return result


def _powers(rows: Floats) -> Floats:
    width = rows.shape[1]
    result: Floats = (np.square(rows).sum(axis=1) - width) / (2 * width) ** 0.5
    return result


def _stack(columns: Mapping[str, Floats], shape: tuple[int, ...]) -> Surroundings:
    values = [np.broadcast_to(column, shape).ravel() for column in columns.values()]
    clipped = np.clip(np.stack(values, axis=1), -LARGEST, LARGEST)
    return Surroundings(names=tuple(columns), values=clipped)
