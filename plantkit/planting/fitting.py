"""Fits of many parts at once: near to where each part started, by Levenberg-Marquardt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from plantkit.planting.objectives import Fitted, Objective, objective_of
from plantkit.planting.parts import Parts

# What a layer costs whose weights lean to one side, in squared initial deviations.
BALANCE = 30.0

# How many independent observations the residuals count as, whatever their number.
WEIGHT = 200.0

# Steps in which the tolerance shrinks, steps between two looks after that, and most steps.
SHRINKING = 45
BETWEEN = 10
MOST_STEPS = 115

# Dampings that are tried in one step before its points are given up.
TRIALS = 5
DAMPINGS = (1e-4, 1e4)

# What a fit aims at, as a share of the distance to the formula that is allowed, and the multiple of
# it beyond which a part is given up once the tolerance has shrunk.
SPARE = 0.8
HOPELESS = 15.0


def fit(
    families: Sequence[Fitted],
    parts: Parts,
    anchor: Tensor,
    rng: np.random.Generator,
    *,
    tolerances: tuple[float, float],
    bound: float,
) -> Tensor:
    """Returns fitted coordinates (parts, size).

    Minimises `WEIGHT` mean(residual^2) / tolerance^2 + |coordinates - anchor|^2 for every part,
    and how far the weights of a layer lean to one side (`_leaning`), while the tolerance shrinks,
    with fresh points in every step. A part whose distance is well within the bound is left there,
    and so is one that is far beyond.

    Args:
        families: of every part, what it is fitted to.
        parts: what is fitted.
        anchor: (parts, size), where to begin and what to stay near to.
        rng: source of the points.
        tolerances: at first and at last, in the residuals' unit.
        bound: distance that is allowed (`Objective.distances`).
    """
    objective = objective_of(families, parts, anchor)
    vector, dampings = anchor.clone(), torch.full((len(parts),), 1e-2, dtype=torch.float64)
    left = torch.arange(len(parts))
    tolerance, end = tolerances
    shrinkage = (end / tolerance) ** (1 / SHRINKING)
    for step in range(1, MOST_STEPS + 1):
        some = parts.take(left.numpy())
        objective.draw(rng)
        weight = WEIGHT / (tolerance**2 * objective.count)
        vector[left], dampings[left] = _step(
            objective, some, vector[left], anchor[left], dampings[left], left, weight
        )
        tolerance = max(tolerance * shrinkage, end)
        if step >= SHRINKING and (step - SHRINKING) % BETWEEN == 0:
            far = objective.distances(some, vector[left], left)
            left = left[(far > SPARE * bound) & (far < (HOPELESS * bound or torch.inf))]
            if not len(left):
                break
    return vector


def _step(
    objective: Objective,
    parts: Parts,
    vector: Tensor,
    anchor: Tensor,
    dampings: Tensor,
    places: Tensor,
    weight: float,
) -> tuple[Tensor, Tensor]:
    """Returns the coordinates (parts, size) and dampings (parts,) after one step."""
    residuals, slopes = objective.linearise(parts, vector, places)
    leaning = _leaning(parts, vector, objective.inputs[places])
    rows = slopes.numpy()  # whose product takes half as long in NumPy
    normal = weight * torch.from_numpy(rows.transpose(0, 2, 1) @ rows)
    normal.diagonal(dim1=1, dim2=2).add_(1)
    normal += BALANCE * leaning.transpose(1, 2) @ leaning
    moved = vector - anchor
    leans = (leaning @ vector[:, :, None])[:, :, 0]
    gradient = weight * (residuals[:, None] @ slopes)[:, 0] + moved
    gradient += BALANCE * (leans[:, None] @ leaning)[:, 0]
    before = weight * residuals.square().sum(dim=1) + moved.square().sum(dim=1)
    before += BALANCE * leans.square().sum(dim=1)
    found, dampings = vector.clone(), dampings.clone()
    todo = torch.arange(len(parts))
    for _ in range(TRIALS):
        damped = normal[todo]
        diagonal = damped.diagonal(dim1=1, dim2=2)
        diagonal.mul_(1 + dampings[todo, None])
        factors, _ = torch.linalg.cholesky_ex(damped)
        candidate = vector[todo] - torch.cholesky_solve(gradient[todo, :, None], factors)[:, :, 0]
        some = parts if len(todo) == len(parts) else parts.take(todo.numpy())
        outputs = some.outputs(candidate, objective.inputs[places[todo]])
        off = objective.residuals(outputs, places[todo]).square().sum(dim=1)
        after = weight * off + (candidate - anchor[todo]).square().sum(dim=1)
        leans = (leaning[todo] @ candidate[:, :, None])[:, :, 0]
        after += BALANCE * leans.square().sum(dim=1)
        better = after < before[todo]  # not a number is not better
        done, todo = todo[better], todo[~better]
        found[done] = candidate[better]
        dampings[done] = (0.3 * dampings[done]).clamp_min(DAMPINGS[0])
        dampings[todo] = (4 * dampings[todo]).clamp_max(DAMPINGS[1])
        if not len(todo):
            break
    return found, dampings


def _leaning(parts: Parts, vector: Tensor, inputs: Tensor) -> Tensor:
    """Returns directions (parts, layers, size): the weights of each layer between hidden layers.

    A weight counts by what it adds to its unit while that is active, root mean square. Weights that
    are positive on the whole would make the outputs of the whole network huge, where all of it is
    such parts.
    """
    activations = parts.activations(vector, inputs)
    layers = range(1, len(parts.layers) - 1)
    found = torch.zeros(len(parts), len(layers), parts.size, dtype=torch.float64)
    for place, layer in enumerate(layers):
        one = parts.layers[layer]
        active = (activations[layer + 1] > 0).to(torch.float64)
        together = (active.transpose(1, 2) @ activations[layer].square()).sqrt()
        flat = torch.from_numpy(one.rows * one.shape[1] + one.columns)
        adds = together.flatten(1).gather(1, flat)
        found[:, place, one.weights] = adds / adds.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return found
