"""What an entry and the units at its two ends look like: what a second-order attacker looks at.

The values are those which a fit moves together: an entry, the biases at both ends, the sums and
powers of the row and the column that it stands in, and single weights to outputs, where these
are few. A weight behind units that read few inputs is also looked at times the size of its
source's weights, `reach`: with many inputs these sizes are all alike. In an untouched network
every one of them has mean 0 and variance 1. Squares and products of two, the second-order terms,
tell whether a ticket's entries are correlated otherwise than the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from plantkit.networks import Network, bias_name, weight_name
from plantkit.planting.initialization import standard_deviations
from plantkit.planting.lines import Lines
from plantkit.planting.targets import Floats

# Outputs up to this number are looked at one by one, and so many inputs are few.
FEW = 4

# Values beyond this count as this, so that no single one decides.
LARGEST = 4.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surroundings:
    """Values (entries, len(names)) of one parameter's entries, in row-major order."""

    names: tuple[str, ...]
    values: Floats


def look_around(spec: Network, parameters: Mapping[str, Any]) -> dict[str, Surroundings]:
    """Returns the surroundings of every entry, by parameter name.

    Args:
        spec: the network.
        parameters: name to weights, or (out,) biases.
    """
    lines = _in_deviations(spec, parameters)
    found: dict[str, Surroundings] = {}
    for layer in spec.layers:
        found[weight_name(layer)] = _look_at_weights(lines, layer)
        if bias_name(layer) in spec.shapes:
            found[bias_name(layer)] = _look_at_units(lines, layer)
    return found


def second_order(values: Floats) -> Floats:
    """Returns values (n, k), their magnitudes, and all squares and products: (n, 2k + k(k+1)/2)."""
    first, second = np.triu_indices(values.shape[1])
    return np.concatenate(
        [values, np.abs(values), values[:, first] * values[:, second]], axis=1, dtype=values.dtype
    )


def _in_deviations(spec: Network, parameters: Mapping[str, Any]) -> Lines:
    deviations = standard_deviations(spec)
    return Lines.of(
        spec,
        {
            name: np.asarray(parameters[name], dtype=np.float64) / deviations[name]
            for name in spec.shapes
        },
    )


def _look_at_units(lines: Lines, layer: int) -> Surroundings:
    rows, bias = lines.rows(layer), lines.biases[layer]
    columns = {"bias": bias, "row_sum": _sums(rows), "row_power": _powers(rows)}
    return _stack(columns | _outgoing(lines, layer), bias.shape)


def _look_at_weights(lines: Lines, layer: int) -> Surroundings:
    grid = lines.grids[layer]
    rows, across = lines.rows(layer), lines.columns(layer)
    columns: dict[str, Floats] = {"value": grid}
    if lines.after(layer) is not None:
        columns |= {
            "row_sum": _sums(rows)[:, None, None] - grid / rows.shape[1] ** 0.5,
            "row_power": _powers(rows)[:, None, None],
            "bias": lines.biases[layer][:, None, None],
        }
        outgoing = _outgoing(lines, layer)
        columns |= {key: values[:, None, None] for key, values in outgoing.items()}
    before = lines.before(layer)
    if before is not None:
        columns["source_bias"] = before.bias[:, None] / before.layers**0.5
        columns["source_sum"] = _sums(before.weights)[:, None]
        if before.weights.shape[1] <= FEW:
            columns["reach"] = grid * np.sqrt(np.square(before.weights).mean(axis=1))[:, None]
        columns |= {key: values[:, None] for key, values in _lines("column", across).items()}
        if across.shape[1] > FEW:
            columns["column_sum"] = columns["column_sum"] - grid / across.shape[1] ** 0.5
    if grid.shape[2] > FEW:
        kernels = grid.reshape(-1, grid.shape[2])
        shape = (*grid.shape[:2], 1)
        columns["kernel_sum"] = _sums(kernels).reshape(shape) - grid / grid.shape[2] ** 0.5
        columns["kernel_power"] = _powers(kernels).reshape(shape)
    return _stack(columns, grid.shape)


def _outgoing(lines: Lines, layer: int) -> dict[str, Floats]:
    after = lines.after(layer)
    return {} if after is None else _lines("out", after)


def _lines(prefix: str, lines: Floats) -> dict[str, Floats]:
    """Returns what lines (n, entries) look like, (n,) each."""
    if lines.shape[1] <= FEW:
        return {f"{prefix}_{place}": values for place, values in enumerate(lines.T)}
    return {f"{prefix}_sum": _sums(lines), f"{prefix}_power": _powers(lines)}


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
