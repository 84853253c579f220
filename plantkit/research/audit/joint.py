"""The adaptive attacker: entries judged together, as a subnetwork with its paths.

It starts from the log odds that a learner gives every entry by itself and asks whether they
line up: a ticket's units have ticket entries before *and* behind them. Beliefs about units
start from nothing and are passed along the network, forwards and backwards, until they agree:
a unit is as credible as its few best incoming entries from credible units and its few best
outgoing entries to credible units, how many being read off the training tickets. A second
boosting model then judges each entry by its own log odds, by those of its neighbours, and by the
beliefs about the two units it joins. It is trained on log odds from models that never saw the
network in question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.research.audit.figures import Bools, Floats

SWEEPS = 5
CREDIBLE = 3.0
"""Largest |belief| about a unit, in standard deviations over its layer."""

CLIP_LOG_ODDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Degrees:
    """How many ticket entries lead into and out of a unit that has any, on average, rounded.

    `incoming[l]` counts a row's entries in weight matrix l, `outgoing[l]` a column's; both at
    least 1.
    """

    incoming: tuple[int, ...]
    outgoing: tuple[int, ...]


def ticket_degrees(spec: PerceptronSpec, tickets: Sequence[Mapping[str, Bools]]) -> Degrees:
    """Returns the degrees of training tickets, name to bool (entries,)."""

    def mean_count(layer: int, axis: int) -> int:
        name = weight_name(layer)
        grids = [ticket[name].reshape(spec.shapes[name]) for ticket in tickets]
        counts = np.concatenate([grid.sum(axis=axis) for grid in grids])
        counts = counts[counts > 0]
        return round(float(counts.mean())) if counts.size else 1

    return Degrees(
        incoming=tuple(mean_count(layer, 1) for layer in spec.layers),
        outgoing=tuple(mean_count(layer, 0) for layer in spec.layers),
    )


def joint_tables(
    spec: PerceptronSpec,
    log_odds: Mapping[str, Floats],
    codes: Mapping[str, NDArray[np.uint8]],
    degrees: Degrees,
) -> dict[str, NDArray[np.float32]]:
    """Returns what the second stage sees of each entry, (entries, features) by parameter name.

    Args:
        spec: the network.
        log_odds: (entries,) by parameter name, from a model that was not trained on it.
        codes: the first stage's features; the first column, the value's rank, is passed on.
        degrees: of the training tickets.
    """
    grids, biases = [], []
    for layer in spec.layers:
        name = weight_name(layer)
        grids.append(_centred(log_odds[name]).reshape(spec.shapes[name]))
        biases.append(_centred(log_odds[bias_name(layer)]))
    beliefs = unit_beliefs(grids, biases, degrees)
    incoming = [np.zeros(spec.inputs), *(_top_mean(grid, 3) for grid in grids)]
    outgoing = [*(_top_mean(grid.T, 3) for grid in grids), np.zeros(spec.outputs)]
    credit = [np.zeros(spec.inputs), *biases]
    tables: dict[str, NDArray[np.float32]] = {}
    for layer, (grid, bias) in enumerate(zip(grids, biases, strict=True)):
        shape = grid.shape
        source, unit = beliefs[layer][None, :], beliefs[layer + 1][:, None]
        columns: list[Any] = [
            grid,
            *_others(grid),
            *(other.T for other in _others(grid.T)),
            bias[:, None],
            credit[layer][None, :],
            incoming[layer][None, :],
            outgoing[layer + 1][:, None],
            source,
            unit,
            grid + source + unit,
            codes[weight_name(layer)][:, 0].reshape(shape),
        ]
        tables[weight_name(layer)] = _table(columns, shape)
        tables[bias_name(layer)] = _table(
            [
                bias,
                incoming[layer + 1],
                outgoing[layer + 1],
                grid.max(axis=1),
                unit[:, 0],
                bias + unit[:, 0],
                codes[bias_name(layer)][:, 0],
            ],
            bias.shape,
        )
    return tables


def unit_beliefs(
    grids: Sequence[Floats], biases: Sequence[Floats], degrees: Degrees
) -> list[Floats]:
    """Returns the belief that each unit is in the ticket, one array per layer of neurons.

    Zero for inputs and outputs, which every ticket may use; else in standard deviations over
    the layer, at most `CREDIBLE`.

    Args:
        grids: log odds of weights, (out, in) per layer.
        biases: log odds of biases, (out,) per layer.
        degrees: how many entries a unit's belief rests on.
    """
    beliefs = [np.zeros(grids[0].shape[1]), *(np.zeros(grid.shape[0]) for grid in grids)]
    hidden = range(1, len(grids))
    for _ in range(SWEEPS):
        for layer in (*hidden, *reversed(hidden)):
            before, after = grids[layer - 1], grids[layer]
            evidence = (
                _top_mean(before + beliefs[layer - 1], degrees.incoming[layer - 1])
                + _top_mean((after + beliefs[layer + 1][:, None]).T, degrees.outgoing[layer])
                + biases[layer - 1]
            )
            spread = float(evidence.std())
            if spread > 0:
                standard = (evidence - evidence.mean()) / spread
                beliefs[layer] = np.clip(standard, -CREDIBLE, CREDIBLE)
    return beliefs


def _centred(log_odds: Floats) -> Floats:
    """Returns the log odds less their median, so that only differences within a stratum count."""
    centred: Floats = np.clip(log_odds, -CLIP_LOG_ODDS, CLIP_LOG_ODDS)
    return centred - np.median(centred)


def _top_mean(rows: Floats, count: int) -> Floats:
    """Returns the mean of each row's `count` largest values, of all if there are fewer."""
    width = rows.shape[1]
    few = min(count, width)
    best = np.partition(rows, width - few, axis=1)[:, width - few :]
    mean: Floats = best.mean(axis=1)
    return mean


def _others(grid: Floats) -> tuple[Floats, Floats]:
    """Returns, for every entry, the largest and the mean of the three largest others in its row.

    Zero where there are no others.
    """
    width = grid.shape[1]
    if width == 1:
        return np.zeros_like(grid), np.zeros_like(grid)
    count = min(4, width)
    best = -np.sort(-grid, axis=1)[:, :count]
    first: Floats = np.where(grid >= best[:, :1], best[:, 1:2], best[:, :1])
    inside = grid >= best[:, count - 2 : count - 1]  # one of the three best, or equal to one
    total = best.sum(axis=1, keepdims=True)
    few: Floats = np.where(inside, total - grid, total - best[:, -1:]) / (count - 1)
    return first, few


def _table(columns: Sequence[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.stack([np.broadcast_to(column, shape).ravel() for column in columns], axis=1).astype(
        np.float32
    )
