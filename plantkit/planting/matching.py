"""Which mother units carry a target, and at what scale.

Both choices are functions that `plantkit.planting.planting.plant` takes, so that another
way to plant replaces them and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from plantkit.errors import PlantingError
from plantkit.planting.targets import Floats

TIE_TOLERANCE = 1e-12
"""Distances within this share of the largest candidate's norm count as equal."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerRequest:
    """One layer of a target to be placed on one layer of a mother network.

    Attributes:
        layer: index of the layer, from 0.
        wanted: (targets, sources + 1), each target unit's weights from the planted source
            units, divided by these units' scales, and its bias in the last column. A unit
            planted as `scale · wanted[i]` computes `scale` times the target unit.
        entries: bool of the same shape, True where the ticket has an entry; only these
            columns of a unit matter.
        candidates: (units, sources + 1), the mother layer's own values in the same columns.
    """

    layer: int
    wanted: Floats
    entries: NDArray[np.bool_]
    candidates: Floats

    def rows(self) -> Iterator[tuple[Floats, Floats]]:
        """Yields for each target unit its entries' wanted values and the candidates'.

        Shapes: (entries of this unit,) and (units, entries of this unit).
        """
        for wanted, entries in zip(self.wanted, self.entries, strict=True):
            yield wanted[entries], self.candidates[:, entries]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matching:
    """The mother unit (targets,) of each target unit, and its scale (targets,), positive."""

    units: NDArray[np.int64]
    scales: Floats


class UnitMatcher(Protocol):
    """Chooses for every target unit of a hidden layer a mother unit of its own, and a scale."""

    def __call__(self, request: LayerRequest, rng: np.random.Generator, /) -> Matching: ...


class OutputScaler(Protocol):
    """Chooses the positive scale (outputs,) of each output; candidate i is output i.

    With `common` all of them must be equal, so that the plain argmax classifies.
    """

    def __call__(
        self, request: LayerRequest, rng: np.random.Generator, /, *, common: bool
    ) -> Floats: ...


def least_squares_matcher(request: LayerRequest, rng: np.random.Generator) -> Matching:
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
    return Matching(units=np.array(units, dtype=np.int64), scales=np.array(scales))


def norm_output_scales(request: LayerRequest, _rng: np.random.Generator, *, common: bool) -> Floats:
    """Returns ||q|| / ||p|| of each output's ticket entries, or of all outputs' together.

    The planted output layer so keeps the norm of the initial values that it replaces.
    """
    mother = [candidates[output] for output, (_, candidates) in enumerate(request.rows())]
    target = [wanted for wanted, _ in request.rows()]
    if common:
        scale = np.linalg.norm(np.concatenate(mother)) / np.linalg.norm(np.concatenate(target))
        return np.full(len(target), scale)
    return np.array(
        [np.linalg.norm(q) / np.linalg.norm(p) for q, p in zip(mother, target, strict=True)]
    )


def published_matcher(request: LayerRequest, _rng: np.random.Generator) -> Matching:
    """Returns the matching of the published implementation, with its slips.

    Each target unit takes the unit, of those whose signs agree, at the least L1 distance after
    its least-squares scale; the bias always counts as an entry. Where none agrees it takes the
    unit of its own index. The list of taken units starts out as zeros, so unit 0 is never free;
    on a collision the lowest index that is not in the list is taken. Both fallbacks scale by
    the first weight alone.

    Raises:
        PlantingError: no unit but 0 is left.
    """
    taken = np.zeros(len(request.wanted), dtype=np.int64)
    scales = np.ones(len(request.wanted))
    for target in range(len(taken)):
        unit, scale = _published_match(request, target)
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
    return Matching(units=taken, scales=scales)


def published_output_scales(
    request: LayerRequest, _rng: np.random.Generator, *, common: bool
) -> Floats:
    """Returns each output's own scale as the published implementation has it.

    It ignores `common`: every class has a factor of its own, so the plain argmax is wrong.
    Outputs keep their places here; there they are matched like units and then put in order,
    which exchanges random initial values only.
    """
    scales = np.empty(len(request.wanted))
    for output in range(len(scales)):
        wanted, mother = request.wanted[output], request.candidates[output]
        entries = request.entries[output].copy()
        entries[-1] = True
        factor = mother[entries] @ wanted[entries] / (wanted[entries] @ wanted[entries])
        agrees = (np.sign(mother) == np.sign(wanted))[request.entries[output]].all()
        scales[output] = (
            factor if agrees and factor > 0 else _first_weight_scale(request, output, output)
        )
    return scales


def _published_match(request: LayerRequest, target: int) -> tuple[int, float]:
    entries = request.entries[target].copy()
    entries[-1] = True
    wanted, candidates = request.wanted[target][entries], request.candidates[:, entries]
    factors = candidates @ wanted / (wanted @ wanted)
    distances = np.abs(candidates - factors[:, None] * wanted).sum(axis=1)
    signed = wanted != 0
    usable = (factors > 0) & (np.sign(candidates) == np.sign(wanted))[:, signed].all(axis=1)
    if not usable.any():
        return target, _first_weight_scale(request, target, target)
    unit = int(np.where(usable, distances, np.inf).argmin())
    return unit, float(factors[unit])


def _first_weight_scale(request: LayerRequest, target: int, unit: int) -> float:
    first = int(np.flatnonzero(request.entries[target][:-1])[0])
    return float(abs(request.candidates[unit, first] / request.wanted[target, first]))


def check_matching(request: LayerRequest, matching: Matching) -> None:
    """Checks what planting relies on.

    Raises:
        PlantingError: a unit is used twice or does not exist, or a scale is not positive.
    """
    count, units = len(request.wanted), matching.units.tolist()
    width = len(request.candidates)
    if len(units) != count or len(set(units)) != count:
        raise PlantingError(
            f"layer {request.layer}: the matcher gave units {units}; "
            f"expected {count} different ones"
        )
    if any(not 0 <= unit < width for unit in units):
        raise PlantingError(
            f"layer {request.layer}: the matcher gave units {units}; "
            f"the mother layer has 0 to {width - 1}"
        )
    check_scales(request, matching.scales)


def check_scales(request: LayerRequest, scales: Floats) -> None:
    """Checks the scales (targets,) of a layer.

    Raises:
        PlantingError: their number is wrong, or one is not positive and finite.
    """
    if len(scales) != len(request.wanted):
        raise PlantingError(
            f"layer {request.layer}: {len(scales)} scales were given; "
            f"expected {len(request.wanted)}"
        )
    for index, scale in enumerate(scales.tolist()):
        if not (math.isfinite(scale) and scale > 0):
            raise PlantingError(
                f"layer {request.layer}: the scale of target unit {index} is {scale}; "
                "expected a positive number"
            )
