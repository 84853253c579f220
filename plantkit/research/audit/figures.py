"""How well scores single out a ticket's entries, within strata, with intervals.

A stratum is one parameter, such as `layers.1.weight`. Whoever knows only how many ticket
entries a layer has scores 0.5 within every stratum, but well above it over the whole network,
so figures within strata are the ones to judge hiding by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BOOTSTRAP_DRAWS = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """How scores separate the positives among a stratum's entries in one network.

    Attributes:
        positives, entries: how many ticket entries, of how many.
        auc: in [0, 1]; 0.5 is chance.
        average_precision: in (0, 1].
        hits: ticket entries among the `positives` best scored; ties count by their share.
    """

    positives: int
    entries: int
    auc: float
    average_precision: float
    hits: float

    @property
    def chance_average_precision(self) -> float:
        return chance_average_precision(self.positives, self.entries)

    @property
    def chance_hits(self) -> float:
        return self.positives**2 / self.entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure and its bootstrap interval over test networks; None with fewer than two."""

    value: float
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, float | None]:
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Separations of several strata and networks, weighted by their positives.

    Attributes:
        networks: test networks that have ticket entries and others in these strata.
        positives: ticket entries in all of them.
        auc: mean AUC; 0.5 is chance.
        average_precision, chance_average_precision: means; the second is what a random order
            has on average.
        precision, chance_precision: at k, the number of a stratum's ticket entries; shares.
        lift: precision ÷ chance_precision.
    """

    networks: int
    positives: int
    auc: Estimate
    average_precision: Estimate
    chance_average_precision: float
    precision: Estimate
    chance_precision: float
    lift: Estimate

    def to_json(self) -> dict[str, Any]:
        return {
            "networks": self.networks,
            "positives": self.positives,
            "auc": self.auc.to_json(),
            "average_precision": self.average_precision.to_json(),
            "chance_average_precision": self.chance_average_precision,
            "precision_at_k": self.precision.to_json(),
            "chance_precision_at_k": self.chance_precision,
            "lift": self.lift.to_json(),
        }


Separations = Mapping[str, Sequence[Separation | None]]
"""Stratum to one separation a network, None where it is all ticket there or has none."""


def separate(scores: NDArray[Any], labels: Bools) -> Separation | None:
    """Returns how `scores` (n,), the higher the likelier, separate `labels` (n,).

    Returns None where all labels are equal. Ties neither help nor hurt: AUC counts them half,
    precision at k their share, and average precision takes them as one threshold.
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    starts = np.append(0, np.flatnonzero(ordered[1:] != ordered[:-1]) + 1)  # of blocks of ties
    gained = np.add.reduceat(labels[order].astype(np.int64), starts)
    return _separate_blocks(gained, np.diff(starts, append=labels.size))


def separate_codes(codes: NDArray[np.uint8], labels: Bools) -> tuple[Separation, ...] | None:
    """Returns how each column of codes (n, features) separates `labels` (n,), high codes first.

    The same as `separate` column by column, but without sorting. None where all labels are
    equal.
    """
    features = codes.shape[1]
    if labels.all() or not labels.any():
        return None
    columns = codes + np.arange(features, dtype=np.int64) * 256
    sizes = np.bincount(columns.ravel(), minlength=256 * features).reshape(features, 256)
    gained = np.bincount(columns[labels].ravel(), minlength=256 * features).reshape(features, 256)
    found = []
    for feature in range(features):
        present = np.flatnonzero(sizes[feature])[::-1]
        separation = _separate_blocks(gained[feature, present], sizes[feature, present])
        assert separation is not None
        found.append(separation)
    return tuple(found)


def _separate_blocks(gained: NDArray[np.int64], sizes: NDArray[np.int64]) -> Separation | None:
    """Returns the separation by blocks of ties, the best first: positives and entries each."""
    ends, found = np.cumsum(sizes), np.cumsum(gained)
    entries, positives = int(ends[-1]), int(found[-1])
    if positives in (0, entries):
        return None
    negatives = sizes - gained
    below = (entries - positives) - np.cumsum(negatives)
    auc = float((gained * (below + negatives / 2)).sum()) / (positives * (entries - positives))
    block = int(np.searchsorted(ends, positives))  # where the k-th entry lies
    above, before = (int(ends[block - 1]), int(found[block - 1])) if block else (0, 0)
    return Separation(
        positives=positives,
        entries=entries,
        auc=auc,
        average_precision=float((gained * found / ends).sum()) / positives,
        hits=before + (positives - above) / int(sizes[block]) * int(gained[block]),
    )


def chance_average_precision(positives: int, entries: int) -> float:
    """Returns the expected average precision of a random order without ties."""
    if entries == 1:
        return 1.0
    places = np.arange(1, entries + 1)
    others = (places - 1) * (positives - 1) / (entries - 1)
    return float(((1 + others) / places).sum() / entries)


def summarize(
    separations: Separations, strata: Sequence[str], rng: np.random.Generator
) -> Figures | None:
    """Returns the figures of `strata` together, None where no network has any.

    Means are weighted by positives. Intervals: 95% percentile bootstrap over networks.
    """
    networks = len(next(iter(separations.values())))
    sums = np.zeros((networks, 6))
    for name in strata:
        for network, found in enumerate(separations[name]):
            if found is not None:
                sums[network] += (
                    found.positives,
                    found.positives * found.auc,
                    found.positives * found.average_precision,
                    found.positives * found.chance_average_precision,
                    found.hits,
                    found.chance_hits,
                )
    sums = sums[sums[:, 0] > 0]
    if not len(sums):
        return None
    draws = None
    if len(sums) > 1:
        share = np.full(len(sums), 1 / len(sums))
        draws = rng.multinomial(len(sums), share, size=BOOTSTRAP_DRAWS) @ sums
    total = sums.sum(axis=0)

    def estimate(numerator: int, denominator: int) -> Estimate:
        value = float(total[numerator] / total[denominator])
        if draws is None:
            return Estimate(value=value)
        tail = (1 - CONFIDENCE) / 2
        low, high = np.quantile(draws[:, numerator] / draws[:, denominator], [tail, 1 - tail])
        return Estimate(value=value, low=float(low), high=float(high))

    return Figures(
        networks=len(sums),
        positives=int(total[0]),
        auc=estimate(1, 0),
        average_precision=estimate(2, 0),
        chance_average_precision=float(total[3] / total[0]),
        precision=estimate(4, 0),
        chance_precision=float(total[5] / total[0]),
        lift=estimate(4, 5),
    )


def mean_auc(separations: Sequence[Separation | None]) -> float:
    """Returns the AUC weighted by positives, 0.5 where there is nothing to separate."""
    found = [value for value in separations if value is not None]
    if not found:
        return 0.5
    return float(np.average([v.auc for v in found], weights=[v.positives for v in found]))
