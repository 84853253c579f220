"""Which mother units carry a target, and at what scale: as in the paper and in its published code.

A matcher returns for every target unit of a hidden layer a mother unit of its own and a positive
scale. A scaler returns the positive scale of every output; candidate i is output i. With `common`
all outputs must share one scale, so that the plain argmax classifies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantkit.errors import PlantingError
from plantkit.planting.targets import Floats

# Distances within this share of the largest candidate's norm count as equal.
TIE_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerRequest:
    """One layer of a target to be placed on one layer of a mother network.

    Attributes:
        layer: index of the layer, from 0.
        wanted: (targets, sources + 1), each target unit's weights from the planted source
            units, divided by these units' scales, and its bias in the last column. A unit
            planted as `scale · wanted[i]` computes `scale` times the target unit. Where it is
            not zero, the ticket has an entry; only these columns of a unit matter.
        candidates: (units, sources + 1), the mother layer's own values in the same columns.
    """

    layer: int
    wanted: Floats
    candidates: Floats

    def rows(self) -> Iterator[tuple[Floats, Floats]]:
        """Yields for each target unit its entries' wanted values and the candidates'.

        Shapes: (entries of this unit,) and (units, entries of this unit).
        """
        for wanted in self.wanted:
            yield wanted[wanted != 0], self.candidates[:, wanted != 0]


# The mother unit (targets,) of each target unit, and its scale (targets,), positive.
Matching = tuple[NDArray[np.int64], Floats]


def match_least_squares(request: LayerRequest, rng: np.random.Generator) -> Matching:
    """Returns the paper's matching (Plant 'n' Seek, arXiv 2111.11153).

    Each target unit p in turn takes the unused mother unit q that minimizes ||q - μ p|| over
    the ticket entries, with the least-squares scale μ = <p, q> / <p, p>. Only units with
    μ > 0 qualify, and units whose signs agree in all entries go before the others. Where no
    unit qualifies, a random unused one is taken, with μ = ||q|| / ||p||. Ties are drawn.
    """
    free = np.ones(len(request.candidates), dtype=bool)
    units: list[int] = []
    scales: list[float] = []
    for wanted, candidates in request.rows():
        factors = candidates @ wanted / (wanted @ wanted)
        usable = free & (factors > 0)
        agreeing = usable & (np.sign(candidates) == np.sign(wanted)).all(axis=1)
        if agreeing.any():
            usable = agreeing
        if usable.any():
            distances = np.linalg.norm(candidates - factors[:, None] * wanted, axis=1)
            slack = TIE_TOLERANCE * np.linalg.norm(candidates, axis=1).max()
            nearest = usable & (distances <= distances[usable].min() + slack)
            unit = int(rng.choice(np.flatnonzero(nearest)))
            scale = float(factors[unit])
        else:
            unit = int(rng.choice(np.flatnonzero(free)))
            scale = float(np.linalg.norm(candidates[unit]) / np.linalg.norm(wanted))
        free[unit] = False
        units.append(unit)
        scales.append(scale)
    return np.array(units, dtype=np.int64), np.array(scales)


def scale_by_norm(request: LayerRequest, *, common: bool) -> Floats:
    """Returns ||q|| / ||p|| of each output's ticket entries, or of all outputs' together.

    So the planted output layer keeps the norm of the initial values that it replaces.
    """
    mother = [candidates[output] for output, (_, candidates) in enumerate(request.rows())]
    target = [wanted for wanted, _ in request.rows()]
    if common:
        scale = np.linalg.norm(np.concatenate(mother)) / np.linalg.norm(np.concatenate(target))
        return np.full(len(target), scale)
    return np.array(
        [np.linalg.norm(q) / np.linalg.norm(p) for q, p in zip(mother, target, strict=True)]
    )


def match_as_published(request: LayerRequest, _rng: np.random.Generator) -> Matching:
    """Returns the matching of the published implementation, with its slips.

    Each target unit takes the unit, of those whose signs agree, at the least L1 distance after
    its least-squares scale; the bias always counts as an entry. Where none agrees it takes the
    unit of its own index. The list of taken units starts out as zeros, so unit 0 is never free;
    on a collision the lowest index that is not in the list is taken. Both fallbacks scale by
    the first weight alone.

    Raises:
        PlantingError: only unit 0 is left.
    """
    taken = np.zeros(len(request.wanted), dtype=np.int64)
    scales = np.ones(len(request.wanted))
    for target in range(len(taken)):
        factors, distances = _fit_published(request, target, request.candidates)
        if np.isfinite(distances).any():
            unit = int(distances.argmin())
            scale = float(factors[unit])
        else:
            unit, scale = target, _first_weight_scale(request, target, target)
        if unit in taken:
            free = np.setdiff1d(np.arange(len(request.candidates)), taken)
            if not free.size:
                raise PlantingError(
                    f"layer {request.layer}: the published matching never uses unit 0 and has no "
                    "other left: use a wider network"
                )
            unit = int(free[0])
            scale = _first_weight_scale(request, target, unit)
        taken[target], scales[target] = unit, scale
    return taken, scales


def scale_as_published(request: LayerRequest) -> Floats:
    """Returns each output's own scale as the published implementation has it.

    Every class has a factor of its own, so the plain argmax is wrong. Outputs keep their places
    here; there they are matched like units and then put in order, which exchanges random initial
    values only.
    """
    scales = np.empty(len(request.wanted))
    for output in range(len(scales)):
        factors, distances = _fit_published(
            request, output, request.candidates[output : output + 1]
        )
        agrees = np.isfinite(distances[0])
        scales[output] = factors[0] if agrees else _first_weight_scale(request, output, output)
    return scales


def _fit_published(request: LayerRequest, target: int, candidates: Floats) -> tuple[Floats, Floats]:
    """Returns least-squares scales and L1 distances (units,), infinite where a sign differs."""
    entries = request.wanted[target] != 0
    entries[-1] = True
    wanted, candidates = request.wanted[target][entries], candidates[:, entries]
    factors = candidates @ wanted / (wanted @ wanted)
    distances = np.abs(candidates - factors[:, None] * wanted).sum(axis=1)
    signs = (np.sign(candidates) == np.sign(wanted))[:, wanted != 0]
    return factors, np.where((factors > 0) & signs.all(axis=1), distances, np.inf)


def _first_weight_scale(request: LayerRequest, target: int, unit: int) -> float:
    first = int(np.flatnonzero(request.wanted[target][:-1])[0])
    return float(abs(request.candidates[unit, first] / request.wanted[target, first]))
