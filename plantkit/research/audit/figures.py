"""How well scores single out a ticket's entries, within strata, with intervals.

A stratum is one parameter, such as `layers.1.weight`. If you know only how many ticket entries
each layer has, you score 0.5 within every stratum, but well above it over the whole network. So
judge hiding by figures within strata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BOOTSTRAP_DRAWS = 2000
CONFIDENCE = 0.95


class Separation(NamedTuple):
    """How scores separate the ticket's entries from the others, in one stratum of one network.

    Attributes:
        positives: ticket entries; 0 if there is nothing to separate.
        auc: in [0, 1]; 0.5 is chance.
        average_precision, chance_average_precision: in (0, 1]; the second is what a random order
            has on average.
        hits, chance_hits: ticket entries among the `positives` best scored; ties count by their
            share.
    """

    positives: int
    auc: float
    average_precision: float
    chance_average_precision: float
    hits: float
    chance_hits: float


NOTHING = Separation(0, 0.5, 0.0, 0.0, 0.0, 0.0)
"""The separation where a stratum is wholly ticket, or has no ticket entries."""

Separations = Mapping[str, Sequence[Separation]]
"""Stratum to one separation per network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure and its bootstrap interval over test networks; None with fewer than two."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval; the value twice if there is none."""
        if self.low is None or self.high is None:
            return self.value, self.value
        return self.low, self.high

    def __format__(self, spec: str) -> str:
        """Returns the value and the interval, if any, each formatted by `spec`."""
        if self.low is None:
            return format(self.value, spec)
        low, high = self.bounds
        return f"{self.value:{spec}} [{low:{spec}}, {high:{spec}}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Separations of several strata and networks, weighted by their positives.

    Attributes:
        networks: test networks that have ticket entries and others in these strata.
        positives: ticket entries in all of them.
        auc: mean AUC; 0.5 is chance.
        average_precision, chance_average_precision: means; the second is what a random order
            has on average.
        precision_at_k, chance_precision_at_k: shares; k is the number of a stratum's ticket
            entries.
        lift: precision_at_k ÷ chance_precision_at_k.
    """

    networks: int
    positives: int
    auc: Estimate
    average_precision: Estimate
    chance_average_precision: float
    precision_at_k: Estimate
    chance_precision_at_k: float
    lift: Estimate


def separate(scores: NDArray[Any], labels: Bools) -> Separation:
    """Returns how `scores` (n,), the higher the likelier, separate `labels` (n,).

    Ties neither help nor hurt: AUC counts them half, precision at k their share, and average
    precision takes them as one threshold. AUC and average precision are scikit-learn's, which
    takes ten times as long for strata of usual size.
    """
    entries, positives = labels.size, int(labels.sum())
    if positives in (0, entries):
        return NOTHING
    _, blocks = np.unique(scores, return_inverse=True)  # blocks of ties
    sizes = np.bincount(blocks)
    gained = np.bincount(blocks[labels], minlength=sizes.size)
    auc = float(_block_aucs(sizes, gained))
    sizes, gained = sizes[::-1], gained[::-1]  # the best first
    ends, found = np.cumsum(sizes), np.cumsum(gained)
    last = int(np.searchsorted(ends, positives))  # the block of the k-th entry
    open_places = positives - int(ends[last] - sizes[last])
    return Separation(
        positives=positives,
        auc=auc,
        average_precision=float((gained * found / ends).sum()) / positives,
        chance_average_precision=chance_average_precision(positives, entries),
        hits=int(found[last] - gained[last]) + open_places / int(sizes[last]) * int(gained[last]),
        chance_hits=positives**2 / entries,
    )


def feature_aucs(codes: NDArray[np.uint8], labels: Bools) -> Floats:
    """Returns the AUC of each column of codes (n, features), high codes first.

    0.5 where all labels (n,) are equal.
    """
    features = codes.shape[1]
    if labels.all() or not labels.any():
        return np.full(features, 0.5)
    columns = codes + np.arange(features, dtype=np.int64) * 256
    sizes, gained = (
        np.bincount(chosen.ravel(), minlength=256 * features).reshape(features, 256)
        for chosen in (columns, columns[labels])
    )
    return _block_aucs(sizes, gained)


def _block_aucs(sizes: NDArray[np.int64], gained: NDArray[np.int64]) -> Floats:
    """Returns AUCs (...) of blocks of ties (..., blocks), the worst first.

    Args:
        sizes: entries in each block.
        gained: ticket entries among them.
    """
    others = sizes - gained
    below = np.cumsum(others, axis=-1) - others / 2
    pairs = gained.sum(axis=-1) * others.sum(axis=-1)
    aucs: Floats = (gained * below).sum(axis=-1) / pairs
    return aucs


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
    """Returns the figures of `strata` together, None if no network has any.

    Means are weighted by positives. Intervals: 95% percentile bootstrap over networks.
    """
    table = np.array([separations[name] for name in strata])  # (strata, networks, 6)
    table[:, :, 1:4] *= table[:, :, :1]
    sums = table.sum(axis=0)
    sums = sums[sums[:, 0] > 0]
    if not len(sums):
        return None
    total = sums.sum(axis=0)
    draws = None
    if len(sums) > 1:
        share = np.full(len(sums), 1 / len(sums))
        draws = rng.multinomial(len(sums), share, size=BOOTSTRAP_DRAWS) @ sums

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
        precision_at_k=estimate(4, 0),
        chance_precision_at_k=float(total[5] / total[0]),
        lift=estimate(4, 5),
    )


def mean_auc(aucs: Any, weights: Any) -> Floats:
    """Returns the mean of AUCs (networks, ...) weighted by positives (networks,).

    0.5 where there is nothing to separate: all weights are 0.
    """
    if not np.any(weights):
        return np.full(np.shape(aucs)[1:], 0.5)
    mean: Floats = np.average(aucs, axis=0, weights=weights)
    return mean
