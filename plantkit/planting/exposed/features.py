"""What an attacker without data can compute for every entry: one row of codes per entry.

A stratum is one parameter, such as `layers.1.weight`. A feature is a rank within its stratum, a
small count or a flag, coded in one byte: ranks go from 0 (smallest) to 255 (largest), counts stop
at 255. A property of a unit, such as its row's norm, is ranked among the units. Features see
parameters only, never a ticket.

Units are channels where a layer is a convolution: a row is all that leads into a channel, a column
all that leads out of one over this layer. Where several entries join two channels, they are a
*kernel*, and features of the kernel and of the entry's place in it, its *tap*, are added. In a
residual network *source* and *out* are all layers of the stream; *peer* layers write the same
stream as the entry's, *sibling* layers read the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from plantkit.networks import Network, bias_name, weight_name
from plantkit.planting.exposed.coincidences import parallelism, quotient, repeats, shared_ratios
from plantkit.planting.initialization import standard_deviations
from plantkit.planting.lines import Lines, path_strengths
from plantkit.planting.targets import Floats

Codes = NDArray[np.uint8]

_NORMAL_QUANTILES = np.array([NormalDist().inv_cdf(step / 256) for step in range(1, 256)])

GROUPS: Mapping[str, str] = {
    name: group
    for group, names in {
        "magnitude": "value value_absolute value_lowest value_highest"
        " magnitude magnitude_lowest magnitude_highest magnitude_in_kernel",
        "exact zeros": "zero bias_zero source_bias_zero peer_bias_zero",
        "repeats": "repeats repeats_in_network row_repeats column_repeats",
        "row and column": "row_norm row_sum row_min row_max row_smallest"
        " column_norm column_sum column_min column_max column_smallest",
        "kernel": "kernel_norm kernel_sum kernel_min kernel_max kernel_smallest kernel_smooth"
        " tap_beside"
        " tap_norm tap_sum tap_min tap_max tap_smallest",
        "neighbours": "bias bias_magnitude out_norm out_sum out_min out_max"
        " source_bias source_bias_magnitude source_norm source_sum"
        " peer_bias peer_bias_magnitude peer_norm peer_sum peer_max"
        " sibling_norm sibling_sum sibling_max",
        "ratios": "over_bias over_row_norm over_column_norm bias_over_row_norm bias_over_row_max"
        " over_kernel_norm",
        "proportionality": "row_parallel column_parallel row_proportional column_proportional",
        "paths": "path_in path_out path_in_signed path_out_signed path_through",
        "position": "row_position column_position tap_position",
    }.items()
    for name in names.split()
}
"""Every feature, in the order of the columns of codes, and the group that it is reported in."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureTable:
    """The features of one stratum: codes (entries, features), one column per name."""

    names: tuple[str, ...]
    codes: Codes


def extract_features(spec: Network, parameters: Mapping[str, Any]) -> dict[str, FeatureTable]:
    """Returns the features of every entry of a network, by parameter name.

    Args:
        spec: the network.
        parameters: name to weights or (out,) biases, as published (float32).
    """
    values: dict[str, Floats] = {
        name: np.asarray(parameters[name], dtype=np.float32).astype(np.float64)
        for name in spec.shapes
    }
    everywhere = repeats(np.concatenate([value.ravel() for value in values.values()]))
    in_network = np.split(everywhere, np.cumsum(list(spec.sizes.values()))[:-1])
    deviations = standard_deviations(spec)
    own = {
        name: _own_features(value, deviations[name], _count(found).reshape(value.shape))
        for (name, value), found in zip(values.items(), in_network, strict=True)
    }
    lines = Lines.of(spec, values)
    upstream, downstream = path_strengths(lines)
    tables: dict[str, FeatureTable] = {}
    for layer, link in enumerate(lines.wiring.links):
        weights, biases = weight_name(layer), bias_name(layer)
        grid, onward = lines.grids[layer], downstream[link.target]
        repeated = own[weights]["repeats"].reshape(grid.shape) > 0
        proportional = shared_ratios(
            np.column_stack([lines.rows(layer), lines.biases[layer][:, None]])
        )
        units = _unit_features(lines, layer, repeated)
        entries = {
            **{name: codes.reshape(grid.shape) for name, codes in own[weights].items()},
            **_entry_features(lines, layer),
            **_source_features(lines, layer, repeated),
            **_smoothness(grid, spec.shapes[weights][2:]),
            "row_proportional": _count(proportional[:, :-1]).reshape(grid.shape),
            "path_through": _rank(
                np.abs(grid) * upstream[link.source][:, None] * onward[:, None, None]
            ),
        }
        shared = units | _bias_features("bias", lines.biases[layer])
        entries |= {name: codes[:, None, None] for name, codes in shared.items()}
        tables[weights] = _stack(entries, grid.shape)
        if biases in values:
            alone = units | own[biases]
            alone |= {
                "row_proportional": _count(proportional.max(axis=1)),
                "path_through": _rank(np.abs(values[biases]) * onward),
            }
            tables[biases] = _stack(alone, onward.shape)
    return {name: tables[name] for name in spec.shapes}


def _unit_features(lines: Lines, layer: int, repeated: NDArray[np.bool_]) -> dict[str, Codes]:
    """Returns what the units (out,) of a layer are like: its channels or neurons."""
    rows, bias = lines.rows(layer), lines.biases[layer]
    features = _line_features("row", rows, repeated.reshape(rows.shape)) | {
        "bias_over_row_norm": _rank(quotient(bias, np.linalg.norm(rows, axis=1))),
        "bias_over_row_max": _rank(quotient(bias, np.abs(rows).max(axis=1))),
    }
    after, peers = lines.after(layer), lines.peers(layer)
    if after is not None:
        features |= _profile("out", after)
    if peers is not None:
        features |= _profile("peer", peers.weights) | _bias_features("peer_bias", peers.bias)
    return features


def _source_features(lines: Lines, layer: int, repeated: NDArray[np.bool_]) -> dict[str, Codes]:
    """Returns what the channels that a layer reads are like, and their single taps."""
    grid = lines.grids[layer]
    columns = lines.columns(layer)
    turned = repeated.transpose(1, 0, 2).reshape(columns.shape)
    features = _line_features("column", columns, turned)
    before, siblings = lines.before(layer), lines.siblings(layer)
    if before is not None:
        features |= _profile("source", before.weights) | _bias_features("source_bias", before.bias)
    if siblings is not None:
        features |= _profile("sibling", siblings)
    found = {name: codes[None, :, None] for name, codes in features.items()}
    if grid.shape[2] > 1:
        taps = grid.transpose(1, 2, 0).reshape(-1, grid.shape[0])  # (in * taps, out)
        shape = (1, *grid.shape[1:])
        found |= {name: codes.reshape(shape) for name, codes in _profile("tap", taps).items()}
        place = np.arange(grid.shape[2])
        found["tap_position"] = np.floor(256 * place / len(place)).astype(np.uint8)[None, None, :]
    return found


def _entry_features(lines: Lines, layer: int) -> dict[str, Codes]:
    """Returns what relates an entry (out, in, taps) to its unit, its source and its kernel."""
    grid, magnitude = lines.grids[layer], np.abs(lines.grids[layer])
    rows, columns = lines.rows(layer), lines.columns(layer)
    column_norms = np.linalg.norm(columns, axis=1)[:, None]
    features = {
        "over_bias": _rank(quotient(grid, lines.biases[layer][:, None, None])),
        "over_row_norm": _rank(quotient(magnitude, np.linalg.norm(rows, axis=1)[:, None, None])),
        "over_column_norm": _rank(quotient(magnitude, column_norms)),
        "column_proportional": _count(shared_ratios(columns))
        .reshape(grid.shape[1], grid.shape[0], grid.shape[2])
        .transpose(1, 0, 2),
    }
    before, after = lines.before(layer), lines.after(layer)
    if before is not None:
        features |= {
            "path_in": _rank(magnitude * np.abs(before.weights).max(axis=1)[:, None]),
            "path_in_signed": _rank(grid * before.weights.sum(axis=1)[:, None]),
        }
    if after is not None:
        features |= {
            "path_out": _rank(magnitude * np.abs(after).max(axis=1)[:, None, None]),
            "path_out_signed": _rank(grid * after.sum(axis=1)[:, None, None]),
        }
    if grid.shape[2] > 1:
        kernels = grid.reshape(-1, grid.shape[2])
        norms = np.linalg.norm(grid, axis=2, keepdims=True)
        places = rankdata(magnitude, axis=2)
        features |= {
            name: codes.reshape(*grid.shape[:2], 1)
            for name, codes in _profile("kernel", kernels).items()
        }
        features["over_kernel_norm"] = _rank(quotient(magnitude, norms))
        features["magnitude_in_kernel"] = _count(256 * (places - 0.5) / grid.shape[2])
    return features


def _smoothness(grid: Floats, kernel: tuple[int, ...]) -> dict[str, Codes]:
    """Returns how alike the weights at neighbouring pixels of a kernel are: those of images are.

    Args:
        grid: (out, in, taps) weights.
        kernel: its height and width; empty for a linear layer.
    """
    if not kernel:
        return {}
    images = grid.reshape(*grid.shape[:2], *kernel)
    around = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    beside = around[..., :-2, 1:-1] + around[..., 2:, 1:-1]
    beside = beside + around[..., 1:-1, :-2] + around[..., 1:-1, 2:]
    products = (images * beside).reshape(grid.shape)
    power = np.square(grid).sum(axis=2, keepdims=True)
    return {
        "tap_beside": _rank(products),
        "kernel_smooth": _rank(quotient(products.sum(axis=2, keepdims=True), power)),
    }


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
