"""Random structures with a counterweight against what the selection of units says.

A unit must be active where its sources are, or its entries are idle. That alone favours
positive weights and biases, kinks in the domain favour weights and biases of opposite signs, and
a fit goes on in the same directions. A tilt prefers, among all units and fan-ins that will do,
those that lean the other way, so that on average over many plantings a ticket's entries are
neither larger nor of other signs than the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.planting.initialization import standard_deviations
from plantkit.planting.preferences import Preferences, draw_units, unit_odds
from plantkit.planting.structures import LayerSizes, Ticket
from plantkit.planting.targets import Floats

FAN_INS = 128
"""Fan-ins that every unit of a layer is tried with."""

READING_DRAWS = 20
"""Draws of a layer's units until every source is read."""

SHARED = 0.04
"""Least share of the inputs on which a unit and each of its sources are both active."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tilt:
    """Preferences, as log odds, in one layer; 0 for none. Values are in initial deviations.

    Attributes:
        weights: against a large sum of weights, each times its source's activation (root mean
            square over the inputs, over that of all sources).
        agreement: the same sum, against the sign of the unit's bias; negative for it. Both are
            divided by the square root of the in-degree.
        sources: against sources with large biases, likewise divided.
        units: for units, by what they look like.
    """

    weights: float = 0.0
    agreement: float = 0.0
    sources: float = 0.0
    units: Preferences = field(default_factory=dict)


def draw_tilted_structure(
    spec: PerceptronSpec,
    parameters: Mapping[str, Floats],
    sizes: Sequence[LayerSizes],
    tilts: Sequence[Tilt],
    inputs: Floats,
    rng: np.random.Generator,
) -> Ticket | None:
    """Returns a random structure in which no entry is idle by itself, None if there is none.

    The outputs read every ticket unit of the last hidden layer, without biases.

    Args:
        spec: the network.
        parameters: name to float64; looked at, never altered.
        sizes, tilts: one a hidden layer.
        inputs: (n, d_in) on which units must be active.
        rng: source of all choices.
    """
    ticket: Ticket = {name: np.zeros(shape, dtype=bool) for name, shape in spec.shapes.items()}
    deviations = standard_deviations(spec)
    sources = np.arange(spec.inputs)
    source_biases = np.zeros(spec.inputs)
    activations = inputs
    for layer, size, tilt in zip(spec.layers[:-1], sizes, tilts, strict=True):
        weight, bias = parameters[weight_name(layer)], parameters[bias_name(layer)]
        with_bias = rng.random(bias.size) < size.bias_share
        candidates = _Candidates(
            weights=weight[:, sources],
            shifts=np.where(with_bias, bias, 0.0),
            odds=unit_odds(spec, parameters, layer, tilt.units),
            weight_unit=deviations[weight_name(layer)],
            bias_unit=deviations[bias_name(layer)],
            size=size,
            tilt=tilt,
            activations=activations,
            source_biases=source_biases,
            rng=rng,
        )
        drawn = candidates.draw()
        if drawn is None:
            return None
        units, reads, activations = drawn
        ticket[weight_name(layer)][np.ix_(units, sources)] = reads
        ticket[bias_name(layer)][units] = with_bias[units]
        sources = units
        source_biases = candidates.shifts[units] / candidates.bias_unit
    ticket[weight_name(spec.layers[-1])][:, sources] = True
    return ticket


class _Candidates:
    """A layer's units, whose fan-ins are drawn when a unit is looked at for the first time.

    Args:
        weights: (units, sources).
        shifts: (units,), biases in the ticket, 0 for others.
        odds: (units,), log odds by the tilt's preferences for units.
        weight_unit, bias_unit: initial standard deviations.
        size, tilt: of the layer.
        activations: (n, sources).
        source_biases: (sources,), in initial deviations.
        rng: source of all choices.
    """

    def __init__(
        self,
        *,
        weights: Floats,
        shifts: Floats,
        odds: Floats,
        weight_unit: float,
        bias_unit: float,
        size: LayerSizes,
        tilt: Tilt,
        activations: Floats,
        source_biases: Floats,
        rng: np.random.Generator,
    ) -> None:
        self.weights = weights
        self.shifts = shifts
        self.odds = odds
        self.weight_unit = weight_unit
        self.bias_unit = bias_unit
        self.size = size
        self.tilt = tilt
        self.activations = activations
        self.source_biases = source_biases
        self.rng = rng
        power = np.square(activations).mean(axis=0)
        self.reach: Floats = np.sqrt(power / power.mean())  # of the sources
        count = len(weights)
        self.seen = np.zeros(count, dtype=bool)
        self.usable = np.zeros(count, dtype=bool)
        self.reads = np.zeros(weights.shape, dtype=bool)
        self.results = np.zeros((len(activations), count))

    def draw(self) -> tuple[NDArray[np.intp], NDArray[np.bool_], Floats] | None:
        """Returns units (k,), what they read (k, sources), and their activations (n, k)."""
        wanted = self.size.units
        for _ in range(READING_DRAWS):
            ranking = draw_units(self.odds, self.odds.size, self.rng)
            for stop in range(wanted, ranking.size + wanted, wanted):
                first = ranking[:stop]
                self._look_at(first[~self.seen[first]])
                units = first[self.usable[first]][:wanted]
                if units.size == wanted:
                    break
            else:
                return None
            if self.reads[units].any(axis=0).all():
                return units, self.reads[units], np.maximum(self.results[:, units], 0)
        return None

    def _look_at(self, units: NDArray[np.intp]) -> None:
        """Chooses a fan-in for each of these units, if any will do."""
        count, sources = units.size, self.weights.shape[1]
        size, tilt = self.size, self.tilt
        degree = min(size.in_degree, sources)
        order = self.rng.random((count, FAN_INS, sources)).argsort(axis=2).argsort(axis=2)
        reads = order < degree  # (units, fan-ins, sources)
        masked = np.where(reads, self.weights[units, None, :], 0.0)
        shifts = np.repeat(self.shifts[units], FAN_INS)
        values = self.activations @ masked.reshape(-1, sources).T + shifts
        active = (values > 0).astype(np.float64)
        share = active.mean(axis=0).reshape(count, FAN_INS)
        fit = (share >= size.active_share) & (share <= 1 - size.inactive_share)
        if size.active_share > 0:
            together = active.T @ (self.activations > 0) / len(active)
            fit &= ((together.reshape(reads.shape) >= SHARED) | ~reads).all(axis=2)
        sums = (masked * self.reach).sum(axis=2) / self.weight_unit
        biases = self.shifts[units] / self.bias_unit
        lean = (
            tilt.weights * sums
            + tilt.agreement * sums * biases[:, None]
            + tilt.sources * (reads * self.source_biases).sum(axis=2)
        ) / np.sqrt(degree)
        preferences = np.where(fit, self.rng.gumbel(size=lean.shape) - lean, -np.inf)
        chosen = preferences.argmax(axis=1)
        places = np.arange(count)
        self.seen[units] = True
        self.usable[units] = fit.any(axis=1)
        self.reads[units] = reads[places, chosen]
        self.results[:, units] = values.reshape(len(values), count, FAN_INS)[:, places, chosen]
