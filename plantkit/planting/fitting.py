"""Families that are anchored by least squares, near to where the ticket started."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import PerceptronSpec, bias_name
from plantkit.networks.tasks import TaskKind
from plantkit.planting.coordinates import Coordinates, draw_scales
from plantkit.planting.family import Anchored, AnchoredFamily
from plantkit.planting.gates import Rejected
from plantkit.planting.objectives import (
    FARTHEST,
    FINE_REACH,
    FIRST_REACH,
    Classes,
    Objective,
    Values,
)
from plantkit.planting.simplify import DROP_BELOW, drop_idle_entries
from plantkit.planting.structures import TicketLayer, draw_structure
from plantkit.planting.targets import Floats, Ticket, subnetwork

# How many independent observations the residuals count as, whatever their number.
WEIGHT = 200.0

# Dampings that are tried in one step before its points are given up.
TRIALS = 6

# Inputs at which effects are measured while planting; the gates look at the whole domain.
EFFECT_POINTS = 700

# Structures from which the one is taken whose last units predict the formula best.
STRUCTURES = 12

# What a fit aims at by default, as a share of the distance to the formula that is allowed.
SPARE = 0.8

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
        damping: regression: how much smaller the fitted outputs vary than the untouched ticket's,
            per output; one number for all of them.
    """

    damping: ClassVar[float | tuple[float, ...]] = 1.0

    @property
    def first_fit(self) -> Tolerances:
        """How the tolerance shrinks at first. The goal is somewhat nearer than `bound` asks for."""
        if self.kind is TaskKind.CLASSIFICATION:
            goal = SPARE * (1 - self.bound)
            return Tolerances(start=0.3, end=0.003, shrinkage=0.9, steps=72, goal=goal)
        return Tolerances(start=1.0, end=0.03, shrinkage=0.87, steps=60, goal=SPARE * self.bound)

    @property
    def refit(self) -> Tolerances:
        """How it shrinks after idle entries were dropped."""
        return replace(self.first_fit, start=2 * self.first_fit.end, steps=20)

    @abstractmethod
    def layers(self, hidden: int) -> tuple[TicketLayer, ...]:
        """Returns what a ticket is made of in each of `hidden` hidden layers, all with a tilt."""

    def widths(self, hidden: int) -> tuple[int, ...]:
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
            inputs = self.draw_inputs(rng, 400)
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
        return self.draw_inputs(rng, count)

    def reads(self) -> NDArray[np.intp]:
        """Returns the inputs that the formula depends on: those that a ticket reads."""
        return np.arange(self.inputs)

    def anchor(
        self, spec: PerceptronSpec, parameters: Mapping[str, Floats], rng: np.random.Generator
    ) -> Anchored:
        moved, ticket = self.fit_in(spec, parameters, rng)
        return Anchored(parameters=moved, ticket=ticket)

    def fit_in(
        self,
        spec: PerceptronSpec,
        parameters: Mapping[str, Floats],
        rng: np.random.Generator,
        *,
        taken: Sequence[NDArray[np.intp]] | None = None,
    ) -> tuple[Mapping[str, Floats], Ticket]:
        """Returns the parameters with a random ticket moved into place, and the ticket.

        Args:
            spec, parameters, rng: see `anchor`.
            taken: units of every layer of neurons that it must leave alone.

        Raises:
            Rejected: it cannot be fitted.
        """
        inputs, wanted = self.screen(rng)
        held = self.held(len(spec.layers) - 1)
        ticket = self._best_structure(spec, parameters, inputs, wanted, rng, taken)
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
        taken: Sequence[NDArray[np.intp]] | None,
    ) -> Ticket | None:
        best: Ticket | None = None
        least = np.inf
        layers = self.layers(len(spec.layers) - 1)
        for _ in range(STRUCTURES):
            ticket = draw_structure(
                spec, parameters, layers, inputs, rng, inputs_read=self.reads(), taken=taken
            )
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
            if distance <= tolerances.goal:
                break
    return vector, float(distance)
