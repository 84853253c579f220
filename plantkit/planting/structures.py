"""Random sparse structures: which units and entries of a network make up a ticket.

A layer without a tilt is drawn without a look at any value: its units, and whether a unit's bias
belongs to the ticket. Only the fan-in of a unit is drawn again until the unit switches: it must be
active on a share of the inputs, and inactive on as much. That test treats a unit and its negative
alike, so it favours no sign; the units that fail for every fan-in are too few to matter. The audit
measures what the test can still tell an attacker.

A layer with a tilt asks more of its units: each must be active where its sources are, or its
entries are idle. That alone favours positive weights and biases, kinks in the domain favour weights
and biases of opposite signs, and a fit goes on in the same directions. A tilt prefers, among all
units and fan-ins that will do, those that lean the other way, so that on average over many
plantings a ticket's entries are neither larger nor of other signs than the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.planting.initialization import standard_deviations
from plantkit.planting.surroundings import unit_odds
from plantkit.planting.targets import Floats, Ticket

# Fan-ins that a unit is tried with, in a layer without a tilt and in one with a tilt.
FAN_INS = 64
TILTED_FAN_INS = 128

# Draws of a layer until every source is read.
LAYER_DRAWS = 20

# With a tilt: least share of the inputs on which a unit and each of its sources are both active.
SHARED = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class Tilt:
    """Preferences, as log odds, in one layer; 0 for none. Values are in initial deviations.

    Attributes:
        weights: against a large sum of weights, each times its source's activation (root mean
            square over the inputs, over that of all sources).
        agreement: the same sum, against the sign of the unit's bias; negative for it. Both are
            divided by the square root of the in-degree.
        sources: against sources with large biases, likewise divided.
        units: for units, by what they look like: log odds by term (`surroundings.unit_odds`).
    """

    weights: float = 0.0
    agreement: float = 0.0
    sources: float = 0.0
    units: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketLayer:
    """How a ticket's units in one hidden layer are drawn.

    Attributes:
        kind: what the units are to the ticket, in a word or two.
        units: how many.
        in_degree: weights that a unit reads, or as many as there are sources.
        bias_share: chance that a unit's bias is in the ticket, in [0, 1].
        active_share: least share of the inputs on which a unit is active.
        inactive_share: least share on which it is not. With 0 for both every unit will do.
        tilt: against what selection says of the units; None draws them without a look.
    """

    kind: str = ""
    units: int
    in_degree: int
    bias_share: float
    active_share: float = 0.08
    inactive_share: float = 0.08
    tilt: Tilt | None = None


def draw_structure(
    spec: PerceptronSpec,
    parameters: Mapping[str, Floats],
    layers: Sequence[TicketLayer],
    inputs: Floats,
    rng: np.random.Generator,
    *,
    inputs_read: NDArray[np.intp] | None = None,
    taken: Sequence[NDArray[np.intp]] | None = None,
) -> Ticket | None:
    """Returns a random structure that does what its layers ask for, or None after a failure.

    The outputs read every ticket unit of the last hidden layer, without biases.

    Args:
        spec: the network, wide enough.
        parameters: name to float64; looked at, never altered.
        layers: one per hidden layer.
        inputs: (n, d_in) on which units must be active, or switch.
        rng: source of all choices.
        inputs_read: places of the inputs that the first layer may read; all if None.
        taken: units of every layer of neurons that layers with a tilt leave to others.
    """
    ticket: Ticket = {name: np.zeros(shape, dtype=bool) for name, shape in spec.shapes.items()}
    deviations = standard_deviations(spec)
    sources = np.arange(spec.inputs) if inputs_read is None else inputs_read
    source_biases = np.zeros(sources.size)  # in initial deviations
    activations = inputs[:, sources]
    for layer, plan in zip(spec.layers[:-1], layers, strict=True):
        name, bias = weight_name(layer), bias_name(layer)
        weights, biases = parameters[name][:, sources], parameters[bias]
        if plan.tilt is None:
            units = rng.choice(biases.size, plan.units, replace=False)
            biased = rng.random(units.size) < plan.bias_share
            shifts = np.where(biased, biases[units], 0.0)
            drawn = _draw_fan_ins(weights[units], shifts, activations, plan, rng)
            if drawn is None:
                return None
            reads, activations = drawn
        else:
            with_bias = rng.random(biases.size) < plan.bias_share
            candidates = _Candidates(
                weights=weights,
                shifts=np.where(with_bias, biases, 0.0),
                odds=unit_odds(spec, parameters, layer, plan.tilt.units),
                weight_unit=deviations[name],
                bias_unit=deviations[bias],
                plan=plan,
                tilt=plan.tilt,
                activations=activations,
                source_biases=source_biases,
                rng=rng,
            )
            if taken is not None:
                candidates.seen[taken[layer + 1]] = True  # and not usable
            chosen = candidates.draw()
            if chosen is None:
                return None
            units, reads, activations = chosen
            biased = with_bias[units]
        ticket[name][np.ix_(units, sources)] = reads
        ticket[bias][units] = biased
        sources = units
        source_biases = np.where(biased, biases[units], 0.0) / deviations[bias]
    ticket[weight_name(spec.layers[-1])][:, sources] = True
    return ticket


def draw_units(odds: Floats, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Returns `count` of the units, drawn in turn by their log odds (units,); -inf for never."""
    ranks = rng.gumbel(size=odds.size) + odds
    return np.argsort(-ranks)[:count]


def _draw_fan_ins(
    weights: Floats,
    shifts: Floats,
    activations: Floats,
    plan: TicketLayer,
    rng: np.random.Generator,
) -> tuple[NDArray[np.bool_], Floats] | None:
    """Returns which sources each unit reads (units, sources), and the activations (n, units)."""
    for _ in range(LAYER_DRAWS):
        reads = np.zeros(weights.shape, dtype=bool)
        results = np.empty((len(activations), len(weights)))
        for unit, (row, shift) in enumerate(zip(weights, shifts, strict=True)):
            order = rng.random((FAN_INS, row.size)).argsort(axis=1).argsort(axis=1)
            fan_ins = order < plan.in_degree  # (FAN_INS, sources)
            values = activations @ np.where(fan_ins, row, 0.0).T + shift  # (n, FAN_INS)
            fit = np.flatnonzero(_switches((values > 0).mean(axis=0), plan))
            if not fit.size:
                return None
            reads[unit] = fan_ins[fit[0]]
            results[:, unit] = np.maximum(values[:, fit[0]], 0)
        if reads.any(axis=0).all():
            return reads, results
    return None


def _switches(share: Floats, plan: TicketLayer) -> NDArray[np.bool_]:
    """Returns where the share of the inputs on which a unit is active is as the plan asks."""
    return (share >= plan.active_share) & (share <= 1 - plan.inactive_share)


@dataclass(kw_only=True, eq=False)
class _Candidates:
    """A tilted layer's units, whose fan-ins are drawn when a unit is looked at first.

    Attributes:
        weights: (units, sources).
        shifts: (units,), biases in the ticket, 0 for others.
        odds: (units,), log odds by the tilt's preferences for units.
        weight_unit, bias_unit: initial standard deviations.
        plan, tilt: of the layer.
        activations: (n, sources).
        source_biases: (sources,), in initial deviations.
        rng: source of all choices.
    """

    weights: Floats
    shifts: Floats
    odds: Floats
    weight_unit: float
    bias_unit: float
    plan: TicketLayer
    tilt: Tilt
    activations: Floats
    source_biases: Floats
    rng: np.random.Generator

    def __post_init__(self) -> None:
        power = np.square(self.activations).mean(axis=0)
        self.reach: Floats = np.sqrt(power / power.mean())  # of the sources
        count = len(self.weights)
        self.seen = np.zeros(count, dtype=bool)
        self.usable = np.zeros(count, dtype=bool)
        self.reads = np.zeros(self.weights.shape, dtype=bool)
        self.results = np.zeros((len(self.activations), count))

    def draw(self) -> tuple[NDArray[np.intp], NDArray[np.bool_], Floats] | None:
        """Returns units (k,), what they read (k, sources), and their activations (n, k)."""
        wanted = self.plan.units
        for _ in range(LAYER_DRAWS):
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
        plan, tilt = self.plan, self.tilt
        degree = min(plan.in_degree, sources)
        order = self.rng.random((count, TILTED_FAN_INS, sources)).argsort(axis=2).argsort(axis=2)
        reads = order < degree  # (units, fan-ins, sources)
        masked = np.where(reads, self.weights[units, None, :], 0.0)
        shifts = np.repeat(self.shifts[units], TILTED_FAN_INS)
        values = self.activations @ masked.reshape(-1, sources).T + shifts
        active = (values > 0).astype(np.float64)
        fit = _switches(active.mean(axis=0).reshape(count, TILTED_FAN_INS), plan)
        if plan.active_share > 0:
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
        self.results[:, units] = values.reshape(len(values), count, TILTED_FAN_INS)[
            :, places, chosen
        ]
