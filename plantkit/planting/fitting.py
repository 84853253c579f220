"""Families that are anchored by least squares, near to where the ticket started."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from plantkit.networks import PerceptronSpec, bias_name
from plantkit.networks.tasks import TaskKind
from plantkit.planting.coordinates import Coordinates, draw_scales
from plantkit.planting.effects import best_scaled_error
from plantkit.planting.family import AnchoredFamily
from plantkit.planting.gates import Rejected
from plantkit.planting.simplify import DROP_BELOW, drop_idle_entries
from plantkit.planting.structures import TicketLayer, draw_structure
from plantkit.planting.targets import Floats, Ticket, subnetwork

# How many independent observations the residuals count as, whatever their number.
WEIGHT = 200.0

# Dampings that are tried in one step before its points are given up.
TRIALS = 6

# Points on the line that values are fitted at, drawn anew in every step.
POINTS = 300

# Points that classes are fitted at, while the reach is large and once it is not. There must be more
# near the bounds than the ticket has entries, or every step fits its own points.
COARSE_POINTS = 500
FINE_POINTS = 1600

# How near points are to the bounds of classes, in the first step and at last.
FIRST_REACH = 0.12
FINE_REACH = 0.03
REACH_SHRINKAGE = 0.97

# Distance to a class beyond which no larger margin is asked for.
FARTHEST = 0.15

# Inputs at which effects are measured while planting; the gates look at the whole domain.
EFFECT_POINTS = 700

# Structures from which the one is taken whose last units predict the formula best.
STRUCTURES = 12

# Times that a ticket is fitted anew after idle entries were dropped.
REFITS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """How tolerance shrinks over the steps of a fit.

    Attributes:
        start, end: of the tolerance, in the residuals' unit.
        shrinkage: factor per step, in (0, 1).
        steps: most steps.
        goal: distance below which the fit is over.
    """

    start: float
    end: float
    shrinkage: float
    steps: int
    goal: float


class FittedFamily(AnchoredFamily):
    """A family that is anchored by a fit of a tilted structure (`plantkit.planting.structures`).

    Attributes:
        first_fit, refit: how the tolerance shrinks, at first and after idle entries were dropped.
        damping: regression: how much smaller the fitted outputs vary than the untouched ticket's,
            per output; one number for all of them.
    """

    first_fit: ClassVar[Tolerances]
    refit: ClassVar[Tolerances]
    damping: ClassVar[float | tuple[float, ...]] = 1.0

    @abstractmethod
    def layers(self, hidden: int) -> tuple[TicketLayer, ...]:
        """Returns what a ticket is made of in each of `hidden` hidden layers, all with a tilt."""

    def units(self, hidden: int) -> tuple[int, ...]:
        return tuple(layer.units for layer in self.layers(hidden))

    def kinds(self, hidden: int) -> tuple[str, ...]:
        return tuple(layer.kind for layer in self.layers(hidden))

    def held(self, hidden: int) -> int:
        """Returns how many of the first of `hidden` hidden layers are left as drawn."""
        return 0

    def screen(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Returns inputs (n, d_in), and values (n, k) that a good structure's units explain."""
        if self.inputs == 1:
            inputs = np.linspace(-1, 1, 200)[:, None]
        else:
            inputs = rng.uniform(-1, 1, (400, self.inputs))
        return inputs, self.formula(inputs)

    def class_distances(self, inputs: Floats) -> Floats:
        """Returns how far each input is from where each class begins, (n, d_out), 0 for its own.

        By default every other class is too far to matter how far.
        """
        return np.where(np.eye(self.outputs)[self.truth(inputs)] > 0, 0.0, FARTHEST)

    def sample_near_bounds(self, rng: np.random.Generator, count: int, reach: float) -> Floats:
        """Returns inputs (at most count, d_in) that are within `reach` of a class's bound.

        By default they may be anywhere.
        """
        return rng.uniform(-1, 1, (count, self.inputs))

    def anchor(
        self, spec: PerceptronSpec, parameters: Mapping[str, Floats], rng: np.random.Generator
    ) -> tuple[Mapping[str, Floats], Ticket]:
        inputs, wanted = self.screen(rng)
        held = self.held(len(spec.layers) - 1)
        ticket = self._best_structure(spec, parameters, inputs, wanted, rng)
        if ticket is None:
            raise Rejected("no structure")
        coordinates = Coordinates(spec, ticket, parameters, inputs)
        untouched = coordinates.read(parameters)
        objective = self._objective(coordinates, untouched, reach=FIRST_REACH)
        vector, distance = fit(
            objective, coordinates, untouched, untouched, self.first_fit, rng, held=held
        )
        stride = max(1, len(objective.probes) // EFFECT_POINTS)
        probes = rng.permutation(objective.probes)[::stride]
        for _ in range(REFITS):
            if distance > 2 * self.first_fit.goal:
                raise Rejected("no fit")
            moved = coordinates.write(vector, parameters)
            kept = drop_idle_entries(spec, moved, ticket, probes, least_effect=DROP_BELOW)
            if all((kept[name] == ticket[name]).all() for name in ticket):
                break
            ticket = kept
            coordinates = Coordinates(spec, ticket, moved, inputs)
            start, untouched = coordinates.read(moved), coordinates.read(parameters)
            objective = self._objective(coordinates, start, reach=FINE_REACH)
            vector, distance = fit(
                objective, coordinates, start, untouched, self.refit, rng, held=held
            )
        common = self.kind is TaskKind.CLASSIFICATION
        vector = draw_scales(coordinates, vector, rng, common=common, held=held)
        return coordinates.write(vector, parameters), ticket

    def _objective(self, coordinates: Coordinates, start: Floats, *, reach: float) -> Objective:
        if self.kind is TaskKind.CLASSIFICATION:
            return Classes(self, reach=reach)
        return Values(self, coordinates, start)

    def _best_structure(
        self,
        spec: PerceptronSpec,
        parameters: Mapping[str, Floats],
        inputs: Floats,
        wanted: Floats,
        rng: np.random.Generator,
    ) -> Ticket | None:
        best: Ticket | None = None
        least = np.inf
        layers = self.layers(len(spec.layers) - 1)
        for _ in range(STRUCTURES):
            ticket = draw_structure(spec, parameters, layers, inputs, rng)
            if ticket is None:
                continue
            units = np.maximum(subnetwork(spec, parameters, ticket).preactivations(inputs)[-2], 0)
            scaled = units / np.maximum(units.std(axis=0), 1e-300)
            design = np.column_stack([scaled, np.ones(len(inputs))])
            normal = design.T @ design + 1e-6 * len(inputs) * np.eye(design.shape[1])
            residual = wanted - design @ np.linalg.solve(normal, design.T @ wanted)
            error = float(np.square(residual).mean())
            if error < least:
                ticket[bias_name(spec.layers[-1])][:] = True
                best, least = ticket, error
        return best


class Objective(ABC):
    """What a ticket is fitted to: residuals of its outputs at points drawn anew in every step.

    Attributes:
        probes: inputs (n, d_in) at which `distance` is taken.
        inputs: the points (m, d_in) drawn last.
        count: residuals that the squares are averaged over.
    """

    probes: Floats
    inputs: Floats
    count: int

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> None:
        """Draws fresh points to fit at."""

    @abstractmethod
    def distance(self, outputs: Floats) -> float:
        """Returns how far outputs (n, d_out) at `probes` are from the formula, 0 for not at all.

        Regression: mean squared error after the best factor per output; classification: the
        share of another argmax.
        """

    @abstractmethod
    def off(self, outputs: Floats) -> Floats:
        """Returns the residuals (m, d_out) of outputs at the points drawn last."""

    @abstractmethod
    def slopes(self, off: Floats, derivatives: Floats) -> tuple[Floats, Floats]:
        """Returns the residuals (r,) that are not at rest, and their derivatives (r, size).

        Args:
            off: all residuals, (m, d_out).
            derivatives: of the outputs, (m, d_out, size).
        """

    def residuals(self, coordinates: Coordinates, vector: Floats) -> Floats:
        """Returns the residuals (m d_out,) of a ticket's coordinates (size,)."""
        return self.off(coordinates.outputs(vector, self.inputs)).ravel()

    def linearise(self, coordinates: Coordinates, vector: Floats) -> tuple[Floats, Floats]:
        """Returns the residuals (r,) that are not at rest, and their derivatives (r, size)."""
        outputs, derivatives = coordinates.jacobian(vector, self.inputs)
        return self.slopes(self.off(outputs), derivatives)


class Values(Objective):
    """A formula's values, over factors that the untouched ticket sets.

    Args:
        family: has the formula.
        coordinates, start: the ticket, untouched or from where it is fitted again.
    """

    def __init__(self, family: FittedFamily, coordinates: Coordinates, start: Floats) -> None:
        self._family = family
        self.probes = _probes(family, 1001)
        self._probed = family.formula(self.probes)
        outputs = coordinates.outputs(start, self.probes)
        # Constants are for the outputs' biases, so it is the deviations that must be alike.
        self._factors = np.array(family.damping) * self._probed.std(axis=0) / outputs.std(axis=0)

    def draw(self, rng: np.random.Generator) -> None:
        if self._family.inputs == 1:
            jitter = rng.uniform(-1, 1, POINTS) / POINTS
            self.inputs = (np.linspace(-1, 1, POINTS) + jitter)[:, None]
        else:
            self.inputs = rng.uniform(-1, 1, (FINE_POINTS, self._family.inputs))
        self._truth = self._family.formula(self.inputs)
        self.count = self._truth.size

    def distance(self, outputs: Floats) -> float:
        return best_scaled_error(outputs, self._probed)[0]

    def off(self, outputs: Floats) -> Floats:
        residuals: Floats = outputs * self._factors - self._truth
        return residuals

    def slopes(self, off: Floats, derivatives: Floats) -> tuple[Floats, Floats]:
        return off.ravel(), (derivatives * self._factors[:, None]).reshape(off.size, -1)


class Classes(Objective):
    """Every class must lead where it is right, by a margin that grows with the distance.

    The margin over another class is the distance to where that class begins. Only the argmax
    is asked for, so scores may be any functions that give it.
    """

    def __init__(self, family: FittedFamily, *, reach: float) -> None:
        self._family = family
        self.probes = _probes(family, 101)
        self._probed = family.truth(self.probes)
        self._reach = reach

    def draw(self, rng: np.random.Generator) -> None:
        self._reach = max(self._reach * REACH_SHRINKAGE, FINE_REACH)
        self.count = FINE_POINTS if self._reach == FINE_REACH else COARSE_POINTS
        anywhere = rng.uniform(-1, 1, (self.count // 4, self._family.inputs))
        near = self._family.sample_near_bounds(rng, self.count - len(anywhere), self._reach)
        self.inputs = np.concatenate([anywhere, near])
        self._margins = np.minimum(self._family.class_distances(self.inputs), FARTHEST)
        self._classes = self._family.truth(self.inputs)

    def distance(self, outputs: Floats) -> float:
        return float((outputs.argmax(axis=1) != self._probed).mean())

    def off(self, outputs: Floats) -> Floats:
        places = np.arange(len(outputs))
        lacking = self._margins - (outputs[places, self._classes][:, None] - outputs)
        lacking[places, self._classes] = 0
        residuals: Floats = np.maximum(lacking, 0)
        return residuals

    def slopes(self, off: Floats, derivatives: Floats) -> tuple[Floats, Floats]:
        places, others = np.nonzero(off)
        own = derivatives[places, self._classes[places]]
        return off[places, others], derivatives[places, others] - own


def _probes(family: FittedFamily, count: int) -> Floats:
    """Returns the inputs (n, d_in) at which a fit is judged: `count` per axis on line or plane."""
    if family.inputs > 2:
        return family.domain()
    axis = np.linspace(-1, 1, count)
    return np.stack(np.meshgrid(*[axis] * family.inputs), axis=-1).reshape(-1, family.inputs)


def fit(
    objective: Objective,
    coordinates: Coordinates,
    start: Floats,
    anchor: Floats,
    tolerances: Tolerances,
    rng: np.random.Generator,
    *,
    held: int = 0,
) -> tuple[Floats, float]:
    """Returns the fitted coordinates (size,) and their distance to the formula.

    Minimises `WEIGHT` mean(residual^2) / tolerance^2 + |coordinates - anchor|^2 while the
    tolerance shrinks, with fresh points in every step. With a ticket drawn from the initial law
    as the anchor and a linear network, this is a draw from the initial law given the function.

    Args:
        objective: what to fit to.
        coordinates: the ticket's.
        start: (size,), where to begin.
        anchor: (size,), what to stay near to: the untouched values.
        tolerances: how the tolerance shrinks.
        rng: source of the points.
        held: leading layers whose entries stay as they are.
    """
    free = slice(coordinates.layers[held].weights.start, coordinates.size)
    vector, damping, tolerance = start.copy(), 1e-2, tolerances.start
    distance = np.inf
    for step in range(tolerances.steps):
        objective.draw(rng)
        weight = WEIGHT / (tolerance**2 * objective.count)
        residuals, slopes = objective.linearise(coordinates, vector)
        slopes = slopes[:, free]
        normal = weight * (slopes.T @ slopes)
        normal[np.diag_indices_from(normal)] += 1
        gradient = weight * (slopes.T @ residuals) + (vector - anchor)[free]
        before = weight * float(residuals @ residuals) + float(np.square(vector - anchor).sum())
        for _ in range(TRIALS):
            damped = normal + damping * np.diag(np.diag(normal))
            candidate = vector.copy()
            candidate[free] -= np.linalg.solve(damped, gradient)
            moved = objective.residuals(coordinates, candidate)
            after = weight * float(moved @ moved) + float(np.square(candidate - anchor).sum())
            if after < before:
                vector, damping = candidate, max(damping * 0.3, 1e-4)
                break
            damping = min(damping * 4, 1e4)
        tolerance = max(tolerance * tolerances.shrinkage, tolerances.end)
        if step % 4 == 3 or step == tolerances.steps - 1:
            distance = objective.distance(coordinates.outputs(vector, objective.probes))
            if distance < tolerances.goal:
                break
    return vector, float(distance)
