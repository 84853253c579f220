"""Levenberg-Marquardt that keeps to where it started, in whitened coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plantkit.planting.coordinates import Coordinates
from plantkit.planting.objectives import Objective
from plantkit.planting.targets import Floats

WEIGHT = 200.0
"""How many independent observations the residuals count as, whatever their number."""

TRIALS = 6
"""Dampings that are tried in one step before its points are given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How tolerance shrinks over the steps of a fit.

    Attributes:
        start, end: of the tolerance, in the residuals' unit.
        shrinkage: factor a step, in (0, 1).
        steps: most steps.
        goal: distance below which the fit is over.
    """

    start: float
    end: float
    shrinkage: float
    steps: int
    goal: float


def fit(
    objective: Objective,
    coordinates: Coordinates,
    start: Floats,
    anchor: Floats,
    schedule: Schedule,
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
        schedule: of the tolerance.
        rng: source of the points.
        held: leading layers whose entries stay as they are.
    """
    free = slice(coordinates.layers[held].weights.start, coordinates.size)
    vector, damping, tolerance = start.copy(), 1e-2, schedule.start
    distance = np.inf
    for step in range(schedule.steps):
        batch = objective.draw(rng)
        weight = WEIGHT / (tolerance**2 * batch.count)
        residuals, slopes = batch.linearise(coordinates, vector)
        slopes = slopes[:, free]
        normal = weight * (slopes.T @ slopes)
        normal[np.diag_indices_from(normal)] += 1
        gradient = weight * (slopes.T @ residuals) + (vector - anchor)[free]
        before = weight * float(residuals @ residuals) + float(np.square(vector - anchor).sum())
        for _ in range(TRIALS):
            damped = normal + damping * np.diag(np.diag(normal))
            candidate = vector.copy()
            candidate[free] -= np.linalg.solve(damped, gradient)
            moved = batch.residuals(coordinates, candidate)
            after = weight * float(moved @ moved) + float(np.square(candidate - anchor).sum())
            if after < before:
                vector, damping = candidate, max(damping * 0.3, 1e-4)
                break
            damping = min(damping * 4, 1e4)
        tolerance = max(tolerance * schedule.shrinkage, schedule.end)
        if step % 4 == 3 or step == schedule.steps - 1:
            distance = objective.distance(coordinates.outputs(vector, objective.probes))
            if distance < schedule.goal:
                break
    return vector, float(distance)
