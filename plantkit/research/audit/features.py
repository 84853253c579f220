"""What an attacker without data can compute for every entry: one row of codes an entry.

A feature is a rank within its stratum (a stratum is one parameter, such as
`layers.1.weight`), a small count or a flag, coded in one byte: ranks are 0 (smallest) to 255
(largest), counts stop at 255. Ranks of a property of a unit, such as a row's norm, are ranks
among the units. Features see parameters only, never a ticket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.planting.initialization import standard_deviations

Codes = NDArray[np.uint8]
Floats = NDArray[np.float64]

REPEAT_TOLERANCE = 1e-6
"""Values that differ by less, relatively, count as repeated; float32 resolves 1e-7."""

_NORMAL_QUANTILES = np.array([NormalDist().inv_cdf(step / 256) for step in range(1, 256)])

MOST_PARTNERS = 128
"""Rows compared with each row for proportionality; all of them up to this width."""

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "value": "magnitude",
        "value_absolute": "magnitude",
        "value_lowest": "magnitude",
        "value_highest": "magnitude",
        "magnitude": "magnitude",
        "magnitude_lowest": "magnitude",
        "magnitude_highest": "magnitude",
        "zero": "exact zeros",
        "bias_zero": "exact zeros",
        "source_bias_zero": "exact zeros",
        "repeats": "repeats",
        "repeats_in_network": "repeats",
        "row_repeats": "repeats",
        "column_repeats": "repeats",
        "row_norm": "row and column",
        "row_sum": "row and column",
        "row_min": "row and column",
        "row_max": "row and column",
        "row_smallest": "row and column",
        "column_norm": "row and column",
        "column_sum": "row and column",
        "column_min": "row and column",
        "column_max": "row and column",
        "column_smallest": "row and column",
        "bias": "neighbours",
        "bias_magnitude": "neighbours",
        "out_norm": "neighbours",
        "out_sum": "neighbours",
        "out_min": "neighbours",
        "out_max": "neighbours",
        "source_bias": "neighbours",
        "source_bias_magnitude": "neighbours",
        "source_norm": "neighbours",
        "source_sum": "neighbours",
        "over_bias": "ratios",
        "over_row_norm": "ratios",
        "over_column_norm": "ratios",
        "bias_over_row_norm": "ratios",
        "bias_over_row_max": "ratios",
        "row_parallel": "proportionality",
        "column_parallel": "proportionality",
        "row_proportional": "proportionality",
        "column_proportional": "proportionality",
        "path_in": "paths",
        "path_out": "paths",
        "path_in_signed": "paths",
        "path_out_signed": "paths",
        "path_through": "paths",
        "row_position": "position",
        "column_position": "position",
    }
)
"""Every feature's name, and the group it is reported in."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureTable:
    """The features of one stratum's entries: codes (entries, features), in `names` order."""

    names: tuple[str, ...]
    codes: Codes


def extract_features(
    spec: PerceptronSpec, parameters: Mapping[str, Any]
) -> dict[str, FeatureTable]:
    """Returns the features of every entry of a network, by parameter name.

    Args:
        spec: the network.
        parameters: name to (out, in) weights or (out,) biases, as published (float32).
    """
    network = _Network(spec, parameters)
    tables: dict[str, FeatureTable] = {}
    for layer in spec.layers:
        tables[weight_name(layer)] = _stack(network.weight_features(layer))
        tables[bias_name(layer)] = _stack(network.bias_features(layer))
    return tables


class _Network:
    """One network's parameters and what several strata share."""

    def __init__(self, spec: PerceptronSpec, parameters: Mapping[str, Any]) -> None:
        self.spec = spec
        self.deviations = standard_deviations(spec)
        self.weights = [_float64(parameters[weight_name(layer)]) for layer in spec.layers]
        self.biases = [_float64(parameters[bias_name(layer)]) for layer in spec.layers]
        values = [v.ravel() for pair in zip(self.weights, self.biases, strict=True) for v in pair]
        counts = repeats(np.concatenate(values))
        pieces = np.split(counts, np.cumsum([value.size for value in values])[:-1])
        self.repeats_in_network = dict(zip(spec.shapes, pieces, strict=True))
        self.repeats = {
            name: repeats(value.ravel())
            for layer in spec.layers
            for name, value in (
                (weight_name(layer), self.weights[layer]),
                (bias_name(layer), self.biases[layer]),
            )
        }
        # The strength of all paths from the inputs to each unit, and on to the outputs.
        self.upstream = [np.ones(spec.inputs)]
        for weight in self.weights:
            reach = np.abs(weight) @ self.upstream[-1]
            self.upstream.append(reach / (reach.mean() or 1.0))
        self.downstream = [np.ones(spec.outputs)]
        for weight in reversed(self.weights):
            reach = np.abs(weight).T @ self.downstream[0]
            self.downstream.insert(0, reach / (reach.mean() or 1.0))
        self.proportional = [
            shared_ratios(np.column_stack(pair))
            for pair in zip(self.weights, self.biases, strict=True)
        ]

    def weight_features(self, layer: int) -> dict[str, Codes]:
        weight, bias, name = self.weights[layer], self.biases[layer], weight_name(layer)
        row = self._rows(layer)
        shape = weight.shape

        def by_row(values: NDArray[Any]) -> NDArray[Any]:
            return np.broadcast_to(values[:, None], shape)

        def by_column(values: NDArray[Any]) -> NDArray[Any]:
            return np.broadcast_to(values[None, :], shape)

        features = self._own(name, weight)
        features |= {
            "repeats": _count(self.repeats[name]),
            "repeats_in_network": _count(self.repeats_in_network[name]),
        }
        features |= {key: by_row(value) for key, value in row.items()}
        features |= {
            "bias": by_row(_rank(bias)),
            "bias_magnitude": by_row(_rank(np.abs(bias))),
            "bias_zero": by_row(_count(bias == 0)),
        }
        repeated = self.repeats[name].reshape(shape) > 0
        columns = {
            "column_norm": _rank(np.linalg.norm(weight, axis=0)),
            "column_sum": _rank(weight.sum(axis=0)),
            "column_min": _rank(weight.min(axis=0)),
            "column_max": _rank(weight.max(axis=0)),
            "column_smallest": _rank(np.abs(weight).min(axis=0)),
            "column_repeats": _count(repeated.sum(axis=0)),
            "column_parallel": _rank(parallelism(weight.T)),
            "column_position": _position(shape[1]),
        }
        magnitude = np.abs(weight)
        if layer:
            before, source = self.weights[layer - 1], self.biases[layer - 1]
            columns |= {
                "source_bias": _rank(source),
                "source_bias_magnitude": _rank(np.abs(source)),
                "source_bias_zero": _count(source == 0),
                "source_norm": _rank(np.linalg.norm(before, axis=1)),
                "source_sum": _rank(before.sum(axis=1)),
            }
            features |= {
                "path_in": _rank(magnitude * np.abs(before).max(axis=1)),
                "path_in_signed": _rank(weight * before.sum(axis=1)),
            }
        if layer < self.spec.layers[-1]:
            after = self.weights[layer + 1]
            features |= {
                "path_out": _rank(magnitude * np.abs(after).max(axis=0)[:, None]),
                "path_out_signed": _rank(weight * after.sum(axis=0)[:, None]),
            }
        features |= {key: by_column(value) for key, value in columns.items()}
        features |= {
            "over_bias": _rank(_ratio(weight, bias[:, None])),
            "over_row_norm": _rank(_ratio(magnitude, np.linalg.norm(weight, axis=1)[:, None])),
            "over_column_norm": _rank(_ratio(magnitude, np.linalg.norm(weight, axis=0))),
            "row_proportional": _count(self.proportional[layer][:, :-1]),
            "column_proportional": _count(shared_ratios(weight.T).T),
            "path_through": _rank(
                magnitude * self.upstream[layer] * self.downstream[layer + 1][:, None]
            ),
        }
        return features

    def bias_features(self, layer: int) -> dict[str, Codes]:
        bias, name = self.biases[layer], bias_name(layer)
        return {
            **self._own(name, bias),
            "repeats": _count(self.repeats[name]),
            "repeats_in_network": _count(self.repeats_in_network[name]),
            **self._rows(layer),
            "row_proportional": _count(self.proportional[layer].max(axis=1)),
            "path_through": _rank(np.abs(bias) * self.downstream[layer + 1]),
        }

    def _own(self, name: str, values: Floats) -> dict[str, Codes]:
        flat = values.ravel()
        ranks = mean_ranks(flat)
        magnitudes = mean_ranks(np.abs(flat))
        count = flat.size
        return {
            "value": _rank(flat),
            "value_absolute": np.searchsorted(
                _NORMAL_QUANTILES, flat / self.deviations[name]
            ).astype(np.uint8),
            "value_lowest": _count(ranks - 1),
            "value_highest": _count(count - ranks),
            "magnitude": _rank(np.abs(flat)),
            "magnitude_lowest": _count(magnitudes - 1),
            "magnitude_highest": _count(count - magnitudes),
            "zero": _count(flat == 0),
        }

    def _rows(self, layer: int) -> dict[str, Codes]:
        weight, bias = self.weights[layer], self.biases[layer]
        norms, largest = np.linalg.norm(weight, axis=1), np.abs(weight).max(axis=1)
        repeated = self.repeats[weight_name(layer)].reshape(weight.shape) > 0
        rows = {
            "row_norm": _rank(norms),
            "row_sum": _rank(weight.sum(axis=1)),
            "row_min": _rank(weight.min(axis=1)),
            "row_max": _rank(weight.max(axis=1)),
            "row_smallest": _rank(np.abs(weight).min(axis=1)),
            "row_repeats": _count(repeated.sum(axis=1)),
            "row_parallel": _rank(parallelism(weight)),
            "bias_over_row_norm": _rank(_ratio(bias, norms)),
            "bias_over_row_max": _rank(_ratio(bias, largest)),
            "row_position": _position(bias.size),
        }
        if layer < self.spec.layers[-1]:
            after = self.weights[layer + 1]
            rows |= {
                "out_norm": _rank(np.linalg.norm(after, axis=0)),
                "out_sum": _rank(after.sum(axis=0)),
                "out_min": _rank(after.min(axis=0)),
                "out_max": _rank(after.max(axis=0)),
            }
        return rows


def mean_ranks(values: Floats) -> Floats:
    """Returns the ranks 1..n of values (n,), ties at their mean."""
    order = np.argsort(values)
    ordered = values[order]
    starts = np.append(0, np.flatnonzero(ordered[1:] != ordered[:-1]) + 1)
    sizes = np.diff(starts, append=values.size)
    ranks = np.empty(values.size)
    ranks[order] = np.repeat(starts + (sizes + 1) / 2, sizes)
    return ranks


def repeats(values: Floats) -> NDArray[np.int64]:
    """Returns how many other entries of `values` (n,) have the same magnitude, to 1e-6 relative.

    Exact zeros are not counted: they are a feature of their own.
    """
    magnitudes = np.abs(values)
    ordered = np.sort(magnitudes)
    low = np.searchsorted(ordered, magnitudes * (1 - REPEAT_TOLERANCE), side="left")
    high = np.searchsorted(ordered, magnitudes * (1 + REPEAT_TOLERANCE), side="right")
    counts: NDArray[np.int64] = np.where(magnitudes == 0, 0, high - low - 1)
    return counts


def parallelism(rows: Floats) -> Floats:
    """Returns each row's largest |cosine| with another row, (n,), of rows (n, d)."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    cosines = np.abs(unit @ unit.T)
    np.fill_diagonal(cosines, 0)
    largest: Floats = cosines.max(axis=1, initial=0)
    return largest


def shared_ratios(rows: Floats) -> NDArray[np.int64]:
    """Returns, for every entry of rows (n, d), in how many coincidences of ratios it takes part.

    A coincidence: for two rows a and b, |a_i / b_i| equals |a_j / b_j| to 1e-6 relative. Rows
    that are proportional on some of their entries have many there; independent draws have
    almost none. Each row meets its `MOST_PARTNERS` neighbours, which is all of them in layers
    that are no wider.
    """
    count = rows.shape[0]
    counts = np.zeros(rows.shape, dtype=np.int64)
    if rows.shape[1] < 2:
        return counts
    magnitudes = np.abs(rows)
    for shift in range(1, min(count // 2, MOST_PARTNERS) + 1):
        # At half the height a shift meets every pair twice.
        first = np.arange(count // 2 if 2 * shift == count else count)
        second = (first + shift) % count
        ratios = _ratio(magnitudes[first], magnitudes[second])
        ordered = np.sort(ratios, axis=1)
        near = np.diff(ordered, axis=1) <= REPEAT_TOLERANCE * ordered[:, 1:]
        near &= ordered[:, :-1] > 0
        hit = np.flatnonzero(near.any(axis=1))
        if not hit.size:
            continue
        order = np.argsort(ratios[hit], axis=1)
        for place in (order[:, :-1], order[:, 1:]):
            pair, position = np.nonzero(near[hit])
            columns = place[pair, position]
            np.add.at(counts, (first[hit[pair]], columns), 1)
            np.add.at(counts, (second[hit[pair]], columns), 1)
    return counts


def _stack(features: Mapping[str, Codes]) -> FeatureTable:
    names = tuple(name for name in GROUPS if name in features)
    codes = np.stack([features[name].ravel() for name in names], axis=1)
    return FeatureTable(names=names, codes=codes)


def _rank(values: Floats) -> Codes:
    """Returns ranks scaled to 0..255, ties at their mean; 128 where all values are equal."""
    ranks = mean_ranks(values.ravel()).reshape(values.shape)
    codes: Codes = np.floor(256 * (ranks - 0.5) / values.size).astype(np.uint8)
    return codes


def _count(values: NDArray[Any]) -> Codes:
    codes: Codes = np.minimum(values, 255).astype(np.uint8)
    return codes


def _position(count: int) -> Codes:
    return np.floor(256 * np.arange(count) / count).astype(np.uint8)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Returns the quotient, 0 where the denominator is 0."""
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    out = np.zeros(shape)
    quotient: Floats = np.divide(numerator, denominator, out=out, where=denominator != 0)
    return quotient


def _float64(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float32).astype(np.float64)
