"""`relu`: y = max(0, x), one neuron per layer (Plant 'n' Seek, arXiv 2111.11153).

Anchored it is exact, by its output weights alone. Without biases a ReLU network is a multiple of
x on either side of zero. Its ticket here is two streams that meet in the output alone: units that
are active for x > 0 and read only such units, and units that are active for x < 0. So a unit must
satisfy one inequality, and not two: the sum of its weights times its sources' activations must be
positive. Which units of the network do is looked up, and preferences among them make up for what
the inequality says of the weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from plantkit.networks import PerceptronSpec, weight_name
from plantkit.planting.effects import entry_effects, relative_error
from plantkit.planting.family import Alternatives, Anchored, AnchoredFamily, LineFamily
from plantkit.planting.gates import Rejected
from plantkit.planting.initialization import standard_deviations
from plantkit.planting.simplify import DROP_BELOW
from plantkit.planting.structures import draw_units
from plantkit.planting.targets import Floats, Target, Ticket, subnetwork

# Ticket entries per layer of weights, on average, at most; the paper's ticket has one.
MOST_ENTRIES = 10

# Weights, at which the log odds of single weights are given, in initial deviations.
KNOTS = (-2.0, -1.4, -0.9, -0.4, 0.0, 0.4, 0.9, 1.4, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterweight:
    """Preferences among units that satisfy their inequality, as log odds, against what it says.

    Values are in initial deviations. Fixed numbers, tuned at 5x100 (`PAIRS`: at 8x50) to bring
    the means that they act on near 0 over plantings.

    Attributes:
        sum: against a large sum of weights, over the square root of their number.
        activation: against a large activation, over the norm of the sources' activations.
        power: for a large sum of squares, less its mean and over its deviation.
        values: against single weights, at `KNOTS`, linear between them.
    """

    sum: float = 0.0
    activation: float = 0.0
    power: float = 0.0
    values: tuple[float, ...] = (0.0,) * len(KNOTS)

    def odds(self, weights: Floats, activations: Floats) -> Floats:
        """Returns the log odds of units with weights (k, n), their sources having (n,)."""
        count = activations.size
        sums = weights.sum(axis=1) / count**0.5
        reached = weights @ activations / np.linalg.norm(activations)
        powers = (np.square(weights).sum(axis=1) - count) / (2 * count) ** 0.5
        singly = np.interp(weights, KNOTS, self.values).sum(axis=1)
        odds: Floats = self.power * powers - self.sum * sums - self.activation * reached - singly
        return odds


# In the first layer a sum of weights is the sign that the stream asks for.
AT_FIRST = Counterweight()

# In the second layer an attacker sees the sources' activations: they are their weights.
ON_INPUTS = Counterweight(sum=0.5, activation=6.0, power=0.6)

DEEP = Counterweight(sum=1.9)

# Tickets that are planted to keep one: 0.45 s of CPU time in all at 5x100, 11 s at 10x100.
CANDIDATES = 16

# Inputs on which entries must not be idle; the gates look at the whole domain.
SCREEN = np.linspace(-1, 1, 21)[:, None]

# Behind two sources, where small positive weights would be rather more frequent than others.
PAIRS = Counterweight(sum=1.9, values=(-0.22, -0.5, -0.63, -0.58, 0.0, 0.61, 0.39, 0.09, -0.71))

# Hidden layers up to which `PAIRS` are made up for: of deeper structures too few are left.
MOST_HIDING = 6

# Units of a hidden layer that are active for x > 0, and for x < 0. In the last layer the negative
# stream has to cancel, and every further unit leaves its weights freer.
FULL = (3, 3)
NARROW = (2, 2)
LAST = (1, 3)


class ReluFamily(LineFamily, AnchoredFamily):
    """y = max(0, x) for x in [-1, 1]: a chain of unit weights without biases.

    Anchored it is two streams of a few units per layer, no biases; only the output weights move.
    Projecting the output weights of the negative stream onto those that give 0 makes the
    network a multiple of max(0, x), whose sign is free, as scoring fits a factor to every
    output of a regression.
    """

    name = "relu"
    title = "ReLU: y = max(0, x)"
    outputs = 1
    # Every path of positive weights through the network is a ticket too.
    overlap_scored = False
    bound = 1e-10
    # Through many layers the negative stream's units grow alike, and then single entries are idle:
    # of the structures 34% pass at 5x100, 2.3% at 8x50, 1.2% at 10x100, none of 320 at 20x50.
    most_attempts = 1000
    audited_depths = range(5, 9)
    audited_width = 50

    def formula(self, inputs: Floats) -> Floats:
        return np.maximum(inputs, 0)

    def _build(self, depth: int) -> Target:
        layers = depth - 1
        return Target(weights=(np.ones((1, 1)),) * layers, biases=(np.zeros(1),) * layers)

    def alternatives(self, spec: PerceptronSpec, parameters: Mapping[str, Floats]) -> Alternatives:
        """Returns the exact number of paths that compute max(0, x) up to one output factor.

        A ticket of one weight per layer is a path; it computes a multiple of max(0, x) if and
        only if all its weights but the last are positive. The last may have either sign, since
        scoring fits a factor to every output of a regression.
        """
        paths = np.ones(spec.inputs, dtype=object)  # Python integers never overflow
        for layer in spec.layers[:-1]:
            paths = (parameters[weight_name(layer)] > 0).astype(object) @ paths
        last = (parameters[weight_name(spec.layers[-1])] != 0).astype(object)
        return Alternatives(
            count=int((last @ paths).sum()),
            basis="paths whose weights before the last are positive, counted exactly",
        )

    def widths(self, hidden: int) -> tuple[int, ...]:
        return tuple(sum(sides) for sides in layer_sides(hidden))

    def candidates(self, hidden: int) -> int:
        return CANDIDATES

    def kinds(self, hidden: int) -> tuple[str, ...]:
        if hidden == 1:
            return ("first alone",)
        words = {FULL: "full", NARROW: "narrow", LAST: "last"}
        return ("first", *(words[sides] for sides in layer_sides(hidden)[1:]))

    def anchor(
        self, spec: PerceptronSpec, parameters: Mapping[str, Floats], rng: np.random.Generator
    ) -> Anchored:
        found = draw_streams(spec, parameters, rng)
        if found is None:
            raise Rejected("too few units of a sign")
        ticket, left = found
        name = weight_name(spec.layers[-1])
        moved = {key: np.array(value) for key, value in parameters.items()}
        row = moved[name][0]
        read = ticket[name][0]
        row[read] -= left[read] * (left[read] @ row[read]) / (left @ left)
        # The factor of the output is free: it gives back what the projection took.
        row[read] *= np.sqrt(read.sum() / (read.sum() - 1))
        network = subnetwork(spec, moved, ticket)
        effects = entry_effects(network, SCREEN, measure=relative_error)
        if min(float(found.min()) for found in effects.values()) < DROP_BELOW:
            raise Rejected("an idle entry")
        return Anchored(parameters=moved, ticket=ticket)


def counterweight_of(layer: int, sides: Sequence[tuple[int, int]]) -> Counterweight:
    """Returns the counterweight of a hidden layer, from 0, given the sides of all of them."""
    if layer < 2:
        return (AT_FIRST, ON_INPUTS)[layer]
    few = len(sides) <= MOST_HIDING
    return PAIRS if few and sides[layer - 1] == NARROW else DEEP


def layer_sides(hidden: int) -> tuple[tuple[int, int], ...]:
    """Returns the units of each stream in each of `hidden` layers.

    As many layers as `MOST_ENTRIES` allows are full, the first ones before the others.
    """
    if hidden == 1:
        return (LAST,)
    for full in range(hidden - 1, 0, -1):
        layers = (FULL,) * full + (NARROW,) * (hidden - 1 - full) + (LAST,)
        if count_entries(layers) <= MOST_ENTRIES * (hidden + 1):
            return layers
    return (FULL,) + (NARROW,) * (hidden - 2) + (LAST,)


def count_entries(layers: tuple[tuple[int, int], ...]) -> int:
    """Returns the weights of streams in which every unit reads all units before it."""
    inner = sum(
        sum(here * before for here, before in zip(after, sides, strict=True))
        for sides, after in itertools.pairwise(layers)
    )
    return sum(layers[0]) + inner + sum(layers[-1])


def draw_streams(
    spec: PerceptronSpec, parameters: Mapping[str, Floats], rng: np.random.Generator
) -> tuple[Ticket, Floats] | None:
    """Returns a random ticket of two streams, and its last hidden units' activations at x = -1.

    The activations are (width,), zero outside of the negative stream. None if a layer has not
    enough units of a kind.

    Args:
        spec: a network with one input and one output.
        parameters: name to float64; looked at, never altered.
        rng: source of all choices.
    """
    sides = layer_sides(len(spec.layers) - 1)
    ticket: Ticket = {name: np.zeros(shape, dtype=bool) for name, shape in spec.shapes.items()}
    deviations = standard_deviations(spec)
    streams = [(np.zeros(1, dtype=np.intp), np.array([sign])) for sign in (1.0, -1.0)]
    for layer, counts in zip(spec.layers[:-1], sides, strict=True):
        name = weight_name(layer)
        taken = np.zeros(spec.widths[layer + 1], dtype=bool)
        counterweight = counterweight_of(layer, sides)
        for stream in rng.permutation(2):
            sources, activations = streams[stream]
            weights = parameters[name][:, sources]
            values = weights @ activations
            odds = counterweight.odds(weights / deviations[name], activations)
            fits = (values > 0) & ~taken
            if fits.sum() < counts[stream]:
                return None
            units = draw_units(np.where(fits, odds, -np.inf), counts[stream], rng)
            taken[units] = True
            ticket[name][np.ix_(units, sources)] = True
            streams[stream] = (units, values[units])
    for units, _ in streams:
        ticket[weight_name(spec.layers[-1])][0, units] = True
    left = np.zeros(spec.widths[-2])
    left[streams[1][0]] = streams[1][1]
    return ticket, left


FAMILY = ReluFamily()
