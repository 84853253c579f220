"""What an entry and the units at its two ends look like, and log odds that go by it.

The values are those which a fit moves together: an entry, the biases at both ends, the sums and
powers of the row and the column that it stands in, and single weights to outputs, where these
are few. A weight behind units that read few inputs is also looked at times the size of its
source's weights, `reach`: with many inputs these sizes are all alike. In an untouched network
every one of them has mean 0 and variance 1. Squares and products of two, the second-order terms,
tell whether a ticket's entries are correlated otherwise than the rest.

Planting goes by the same terms in two places. *Preferences* are log odds with which units are
drawn: a ticket that was fitted is not a random part of its network, and preferences make up for
that beforehand. A *balance* is log odds with which one of several tickets of a network is kept,
by the terms' sums over the ticket's entries. Both are fixed numbers, learned by
`benchmarks/preferences.py` and `benchmarks/balance.py` and kept in `plantkit/planting/learned/`:
everybody knows them, attackers too.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import Network, bias_name, weight_name
from plantkit.planting.initialization import standard_deviations
from plantkit.planting.lines import Lines
from plantkit.planting.targets import Floats

# Outputs up to this number are looked at one by one, and so many inputs are few.
FEW = 4

# Values beyond this count as this, so that no single one decides.
LARGEST = 4.0

# The term that is 1 for every entry: what the others add up to elsewhere in the network.
ENTRY = "entry"

# Log odds by group (a kind of layer, or a role of entries) and term, such as `out_0*out_1`.
Coefficients = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surroundings:
    """Values (entries, len(names)) of one parameter's entries, in row-major order."""

    names: tuple[str, ...]
    values: Floats

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the second-order terms."""
        return second_order_names(self.names)


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


def look_at_units(spec: Network, parameters: Mapping[str, Any], layer: int) -> Surroundings:
    """Returns the surroundings of the biases of one layer, counted from 0."""
    return _look_at_units(_in_deviations(spec, parameters), layer)


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


def unit_odds(
    spec: Network,
    parameters: Mapping[str, Floats],
    layer: int,
    preferences: Mapping[str, float],
) -> Floats:
    """Returns the log odds (units,) of the units of a hidden layer.

    Args:
        spec, parameters: the network.
        layer: from 0.
        preferences: log odds by term; values are in initial deviations.

    Raises:
        ValueError: there is no such term.
    """
    if not preferences:
        return np.zeros(spec.shapes[bias_name(layer)])
    around = look_at_units(spec, parameters, layer)
    check_terms(preferences, around.terms, f"layer {layer}")
    coefficients = np.array([preferences.get(name, 0.0) for name in around.terms])
    odds: Floats = second_order(around.values) @ coefficients
    return odds


def sum_terms(
    spec: Network,
    parameters: Mapping[str, Any],
    ticket: Mapping[str, NDArray[np.bool_]],
    roles: Mapping[str, str],
) -> dict[str, dict[str, float]]:
    """Returns sums of second-order terms over a ticket's entries, by role and term.

    Parameters of which nothing or everything is in the ticket are left out: they tell nothing.

    Args:
        spec, parameters: the network.
        ticket: name to bool.
        roles: parameter name to what it is to the ticket; parameters of one role are added up,
            those without a role are not looked at.
    """
    around = look_around(spec, parameters)
    found: dict[str, dict[str, float]] = {}
    for name, role in roles.items():
        mask = ticket[name].ravel()
        if not mask.any() or mask.all():
            continue
        terms = second_order(around[name].values[mask]).sum(axis=0)
        names = (ENTRY, *around[name].terms)
        sums = found.setdefault(role, dict.fromkeys(names, 0.0))
        for term, value in zip(names, (mask.sum(), *terms), strict=True):
            sums[term] += float(value)
    return found


def ticket_odds(sums: Coefficients, balance: Coefficients) -> float:
    """Returns the log odds, up to a constant, of a ticket by its sums (`sum_terms`).

    Args:
        sums: by role and term.
        balance: role to term to log odds against a ticket, for every entry of the role.

    Raises:
        ValueError: a role has no such term.
    """
    total = 0.0
    for role, terms in sums.items():
        wanted = balance.get(role, {})
        check_terms(wanted, terms, repr(role))
        total -= sum(weight * terms[term] for term, weight in wanted.items())
    return total


@functools.cache
def load_learned(family: str) -> Mapping[str, Coefficients]:
    """Returns the coefficients learned for a family: `preferences` by kind, `balance` by role.

    Both are empty for a family that nothing was learned for.
    """
    path = importlib.resources.files("plantkit.planting").joinpath("learned", f"{family}.json")
    found = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return {"preferences": {}, "balance": {}} | found


def check_terms(wanted: Iterable[str], known: Iterable[str], where: str) -> None:
    """Checks that coefficients are of terms that there are.

    Raises:
        ValueError: there is no such term.
    """
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise ValueError(f"no terms {unknown} in {where}; there are {sorted(known)}")


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
