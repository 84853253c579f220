"""What an attacker without data can compute for every entry: one row of codes per entry.

A stratum is one parameter, such as `layers.1.weight`. A feature is a rank within its stratum, a
small count or a flag, coded in one byte: ranks go from 0 (smallest) to 255 (largest), counts stop
at 255. A property of a unit, such as its row's norm, is ranked among the units. Features see
parameters only, never a ticket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.planting.initialization import standard_deviations
from plantkit.research.audit.figures import Floats

Codes = NDArray[np.uint8]

REPEAT_TOLERANCE = 1e-6
"""Values that differ by less, relatively, count as repeated; float32 resolves 1e-7."""

MOST_PARTNERS = 128
"""Each row is compared with this many neighbours for proportionality, and with all if fewer."""

_NORMAL_QUANTILES = np.array([NormalDist().inv_cdf(step / 256) for step in range(1, 256)])

GROUPS: Mapping[str, str] = {
    name: group
    for group, names in {
        "magnitude": "value value_absolute value_lowest value_highest"
        " magnitude magnitude_lowest magnitude_highest",
        "exact zeros": "zero bias_zero source_bias_zero",
        "repeats": "repeats repeats_in_network row_repeats column_repeats",
        "row and column": "row_norm row_sum row_min row_max row_smallest"
        " column_norm column_sum column_min column_max column_smallest",
        "neighbours": "bias bias_magnitude out_norm out_sum out_min out_max"
        " source_bias source_bias_magnitude source_norm source_sum",
        "ratios": "over_bias over_row_norm over_column_norm bias_over_row_norm bias_over_row_max",
        "proportionality": "row_parallel column_parallel row_proportional column_proportional",
        "paths": "path_in path_out path_in_signed path_out_signed path_through",
        "position": "row_position column_position",
    }.items()
    for name in names.split()
}
"""Every feature, in the order of the columns of codes, and the group that it is reported in."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureTable:
    """The features of one stratum: codes (entries, features), one column per name."""

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
    values: dict[str, Floats] = {
        name: np.asarray(parameters[name], dtype=np.float32).astype(np.float64)
        for name in spec.shapes
    }
    weights = [values[weight_name(layer)] for layer in spec.layers]
    everywhere = repeats(np.concatenate([value.ravel() for value in values.values()]))
    in_network = np.split(everywhere, np.cumsum(list(spec.sizes.values()))[:-1])
    deviations = standard_deviations(spec)
    own = {
        name: _own_features(value, deviations[name], _count(found).reshape(value.shape))
        for (name, value), found in zip(values.items(), in_network, strict=True)
    }
    # The strength of all paths from the inputs to each unit, and on to the outputs.
    upstream, downstream = [np.ones(spec.inputs)], [np.ones(spec.outputs)]
    for weight in weights:
        upstream.append(_strength(np.abs(weight) @ upstream[-1]))
    for weight in reversed(weights):
        downstream.insert(0, _strength(np.abs(weight).T @ downstream[0]))
    tables: dict[str, FeatureTable] = {}
    for layer, weight in enumerate(weights):
        bias, magnitude = values[bias_name(layer)], np.abs(weight)
        repeated = own[weight_name(layer)]["repeats"] > 0
        proportional = shared_ratios(np.column_stack([weight, bias]))
        norms = np.linalg.norm(weight, axis=1)
        units = _line_features("row", weight, repeated) | {
            "bias_over_row_norm": _rank(_ratio(bias, norms)),
            "bias_over_row_max": _rank(_ratio(bias, magnitude.max(axis=1))),
        }
        columns = _line_features("column", weight.T, repeated.T)
        entries = own[weight_name(layer)] | {
            "over_bias": _rank(_ratio(weight, bias[:, None])),
            "over_row_norm": _rank(_ratio(magnitude, norms[:, None])),
            "over_column_norm": _rank(_ratio(magnitude, np.linalg.norm(weight, axis=0))),
            "row_proportional": _count(proportional[:, :-1]),
            "column_proportional": _count(shared_ratios(weight.T).T),
            "path_through": _rank(magnitude * upstream[layer] * downstream[layer + 1][:, None]),
        }
        if layer > 0:
            before = weights[layer - 1]
            columns |= _profile("source", before)
            columns |= _bias_features("source_bias", values[bias_name(layer - 1)])
            entries |= {
                "path_in": _rank(magnitude * np.abs(before).max(axis=1)),
                "path_in_signed": _rank(weight * before.sum(axis=1)),
            }
        if layer < spec.layers[-1]:
            after = weights[layer + 1].T
            units |= _profile("out", after)
            entries |= {
                "path_out": _rank(magnitude * np.abs(after).max(axis=1)[:, None]),
                "path_out_signed": _rank(weight * after.sum(axis=1)[:, None]),
            }
        rows = units | _bias_features("bias", bias)
        entries |= {key: codes[:, None] for key, codes in rows.items()} | columns
        tables[weight_name(layer)] = _stack(entries, weight.shape)
        biases = units | own[bias_name(layer)]
        biases |= {
            "row_proportional": _count(proportional.max(axis=1)),
            "path_through": _rank(np.abs(bias) * downstream[layer + 1]),
        }
        tables[bias_name(layer)] = _stack(biases, bias.shape)
    return tables


def _own_features(values: Floats, deviation: float, in_network: Codes) -> dict[str, Codes]:
    """Returns what a stratum's values are by themselves; `deviation`: initial, of the stratum."""
    features = {
        "value_absolute": np.searchsorted(_NORMAL_QUANTILES, values / deviation).astype(np.uint8),
        "zero": _count(values == 0),
        "repeats": _count(repeats(values.ravel()).reshape(values.shape)),
        "repeats_in_network": in_network,
    }
    for name, measured in (("value", values), ("magnitude", np.abs(values))):
        ranks = rankdata(measured).reshape(values.shape)
        features |= {
            name: _rank(measured),
            f"{name}_lowest": _count(ranks - 1),
            f"{name}_highest": _count(values.size - ranks),
        }
    return features


def _bias_features(prefix: str, bias: Floats) -> dict[str, Codes]:
    return {
        prefix: _rank(bias),
        f"{prefix}_magnitude": _rank(np.abs(bias)),
        f"{prefix}_zero": _count(bias == 0),
    }


def _line_features(prefix: str, lines: Floats, repeated: NDArray[np.bool_]) -> dict[str, Codes]:
    """Returns what rows or columns (n, d) of a matrix are like, (n,) each."""
    return _profile(prefix, lines) | {
        f"{prefix}_repeats": _count(repeated.sum(axis=1)),
        f"{prefix}_parallel": _rank(parallelism(lines)),
        f"{prefix}_position": np.floor(256 * np.arange(len(lines)) / len(lines)).astype(np.uint8),
    }


def _profile(prefix: str, lines: Floats) -> dict[str, Codes]:
    """Returns ranks (n,) of lines (n, d) among each other."""
    return {
        f"{prefix}_norm": _rank(np.linalg.norm(lines, axis=1)),
        f"{prefix}_sum": _rank(lines.sum(axis=1)),
        f"{prefix}_min": _rank(lines.min(axis=1)),
        f"{prefix}_max": _rank(lines.max(axis=1)),
        f"{prefix}_smallest": _rank(np.abs(lines).min(axis=1)),
    }


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
    unit = _ratio(rows, np.linalg.norm(rows, axis=1, keepdims=True))
    cosines = np.abs(unit @ unit.T)
    np.fill_diagonal(cosines, 0)
    largest: Floats = cosines.max(axis=1, initial=0)
    return largest


def shared_ratios(rows: Floats) -> NDArray[np.int64]:
    """Returns, for every entry of rows (n, d), in how many coincidences of ratios it takes part.

    A coincidence: for two rows a and b, |a_i / b_i| equals |a_j / b_j| to 1e-6 relative. Rows
    that are proportional on some of their entries have many; independent draws have almost none.
    Each row is compared with its `MOST_PARTNERS` neighbours, which is all of them in layers that
    are no wider.
    """
    count = rows.shape[0]
    counts = np.zeros(rows.shape, dtype=np.int64)
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
        order = np.argsort(ratios[hit], axis=1)
        for place in (order[:, :-1], order[:, 1:]):
            pair, position = np.nonzero(near[hit])
            columns = place[pair, position]
            np.add.at(counts, (first[hit[pair]], columns), 1)
            np.add.at(counts, (second[hit[pair]], columns), 1)
    return counts


def _stack(features: Mapping[str, Codes], shape: tuple[int, ...]) -> FeatureTable:
    """Returns the table of those features in `GROUPS`; they broadcast to `shape`."""
    names = tuple(name for name in GROUPS if name in features)
    columns = [np.broadcast_to(features[name], shape).ravel() for name in names]
    return FeatureTable(names=names, codes=np.stack(columns, axis=1))


def _rank(values: Floats) -> Codes:
    """Returns ranks scaled to 0..255, ties at their mean; 128 where all values are equal."""
    ranks = rankdata(values).reshape(values.shape)
    codes: Codes = np.floor(256 * (ranks - 0.5) / values.size).astype(np.uint8)
    return codes


def _count(values: NDArray[Any]) -> Codes:
    codes: Codes = np.minimum(values, 255).astype(np.uint8)
    return codes


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Returns the quotient, 0 where the denominator is 0."""
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    quotient: Floats = np.divide(
        numerator, denominator, out=np.zeros(shape), where=denominator != 0
    )
    return quotient


def _strength(reach: Floats) -> Floats:
    return reach / (reach.mean() or 1.0)
