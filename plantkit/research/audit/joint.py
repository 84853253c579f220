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
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import Network, bias_name, weight_name
from plantkit.planting.exposed import Case, Exposed
from plantkit.planting.lines import Lines
from plantkit.research.audit.figures import Bools, Floats
from plantkit.research.audit.learners import BOLD, training
from plantkit.research.audit.prepared import PreparedAttacker, Trainer

SWEEPS = 5
CREDIBLE = 3.0
"""Largest |belief| about a unit, in standard deviations over its layer."""

CLIP_LOG_ODDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JointAttacker(PreparedAttacker):
    """Judges entries together, from the log odds of the best of those that judge them singly."""

    builds_on: tuple[str, ...]
    name: str = "joint"
    title: str = "entries together, as paths of a subnetwork"

    def prepare(self, cases: Sequence[Case], rng: np.random.Generator) -> Trainer:
        degrees = ticket_degrees(cases[0].spec, [case.labels for case in cases])

        def tables(network: Exposed) -> dict[str, NDArray[np.float32]]:
            return joint_tables(network.spec, network.odds, network.codes(), degrees)

        return training(replace(BOLD, tables=tables), cases, rng)


@dataclass(frozen=True, slots=True, kw_only=True)
class Degrees:
    """How many ticket entries lead into and out of a unit that has any, on average, rounded.

    `incoming[l]` counts a unit's entries in layer l that writes it, `outgoing[l]` those in layer l
    that reads it; both at least 1.
    """

    incoming: tuple[int, ...]
    outgoing: tuple[int, ...]


def ticket_degrees(spec: Network, tickets: Sequence[Mapping[str, Bools]]) -> Degrees:
    """Returns the degrees of training tickets, name to bool (entries,)."""

    def mean_count(layer: int, axes: tuple[int, int]) -> int:
        shape = spec.wiring.grid(layer)
        grids = [ticket[weight_name(layer)].reshape(shape) for ticket in tickets]
        counts = np.concatenate([grid.sum(axis=axes) for grid in grids])
        counts = counts[counts > 0]
        return round(float(counts.mean())) if counts.size else 1

    return Degrees(
        incoming=tuple(mean_count(layer, (1, 2)) for layer in spec.layers),
        outgoing=tuple(mean_count(layer, (0, 2)) for layer in spec.layers),
    )


def joint_tables(
    spec: Network,
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
    wiring = spec.wiring
    odds = Lines.of(
        spec, {name: _centred(log_odds[name]).reshape(shape) for name, shape in spec.shapes.items()}
    )
    beliefs = unit_beliefs(odds, degrees)
    incoming, outgoing, credit = {}, {}, {}
    for stream, count in wiring.channels.items():
        writers, readers = wiring.writers(stream), wiring.readers(stream)
        none = [np.zeros(count)]
        incoming[stream] = np.max([_top_mean(odds.rows(i), 3) for i in writers] or none, axis=0)
        outgoing[stream] = np.max([_top_mean(odds.columns(i), 3) for i in readers] or none, axis=0)
        credit[stream] = np.sum([odds.biases[i] for i in writers] or none, axis=0)
    tables: dict[str, NDArray[np.float32]] = {}
    for layer, link in enumerate(wiring.links):
        grid, bias = odds.grids[layer], odds.biases[layer]
        start, end = wiring.streams[link.source], wiring.streams[link.target]
        source, unit = beliefs[start][:, None], beliefs[end][:, None, None]
        rows = odds.rows(layer)
        turned = (grid.shape[1], grid.shape[0], grid.shape[2])
        columns: list[Any] = [
            grid,
            *(found.reshape(grid.shape) for found in _others(rows)),
            *(found.reshape(turned).transpose(1, 0, 2) for found in _others(odds.columns(layer))),
            bias[:, None, None],
            credit[start][:, None],
            incoming[start][:, None],
            outgoing[end][:, None, None],
            source,
            unit,
        ]
        if link.taps > 1:
            kernels = grid.reshape(-1, link.taps)
            columns += [found.reshape(grid.shape) for found in _others(kernels)]
            columns.append(kernels.max(axis=1).reshape(*grid.shape[:2], 1))
        columns += [
            grid + source + unit,
            codes[weight_name(layer)][:, 0].reshape(grid.shape),
        ]
        tables[weight_name(layer)] = _table(columns, grid.shape)
        if bias_name(layer) in codes:
            alone = beliefs[end]
            tables[bias_name(layer)] = _table(
                [
                    bias,
                    incoming[end],
                    outgoing[end],
                    rows.max(axis=1),
                    alone,
                    bias + alone,
                    codes[bias_name(layer)][:, 0],
                ],
                bias.shape,
            )
    return {name: tables[name] for name in spec.shapes}


def unit_beliefs(odds: Lines, degrees: Degrees) -> dict[int, Floats]:
    """Returns the belief that each unit is in the ticket, (channels,) by stream.

    Zero for inputs and outputs, which every ticket may use; else in standard deviations over
    the stream's channels, at most `CREDIBLE`.

    Args:
        odds: log odds of weights and biases.
        degrees: how many entries a unit's belief rests on.
    """
    wiring = odds.wiring
    streams = wiring.streams
    beliefs = {stream: np.zeros(count) for stream, count in wiring.channels.items()}
    hidden = [stream for stream in beliefs if stream not in {streams[0], streams[-1]}]
    for _ in range(SWEEPS):
        for stream in (*hidden, *reversed(hidden)):
            evidence = np.zeros_like(beliefs[stream])
            for layer in wiring.writers(stream):
                before = beliefs[streams[wiring.links[layer].source]]
                lines = (odds.grids[layer] + before[:, None]).reshape(len(evidence), -1)
                evidence += _top_mean(lines, degrees.incoming[layer]) + odds.biases[layer]
            for layer in wiring.readers(stream):
                after = beliefs[streams[wiring.links[layer].target]]
                lines = (odds.grids[layer] + after[:, None, None]).transpose(1, 0, 2)
                evidence += _top_mean(lines.reshape(len(evidence), -1), degrees.outgoing[layer])
            spread = float(evidence.std())
            if spread > 0:
                standard = (evidence - evidence.mean()) / spread
                beliefs[stream] = np.clip(standard, -CREDIBLE, CREDIBLE)
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
