"""Confidence intervals of means over seeds, and figures made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import fmean, stdev

from plantkit.errors import MissingExtraError
from plantkit.research.studies.claims import Figure
from plantkit.research.studies.records import Coordinate, Records

#: Fewer repetitions than these say nothing: no interval.
LEAST_REPETITIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Student's 95% interval of a mean of `n` values."""

    mean: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Interval | None:
        """Returns the interval, or None for fewer than `LEAST_REPETITIONS` values.

        Raises:
            MissingExtraError: SciPy, which comes with scikit-learn, is not installed.
        """
        if len(values) < LEAST_REPETITIONS:
            return None
        if find_spec("scipy") is None:
            raise MissingExtraError(extra="studies", needed_for="judging claims by intervals")
        from scipy.stats import t

        mean = fmean(values)
        half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
        return cls(mean=mean, low=mean - half, high=mean + half, n=len(values))

    def figure(self, label: str) -> Figure:
        """Returns the interval as a figure of a report."""
        return Figure(
            label=f"{label} (95% interval)", mean=self.mean, low=self.low, high=self.high, n=self.n
        )


def by_seed(records: Records, value: str) -> dict[Coordinate, float]:
    """Returns the value of every seed that has one; the records have one a seed."""
    return {
        record.coordinates["seed"]: found
        for record in records
        if (found := record.values.get(value)) is not None
    }


def differences(
    first: Mapping[Coordinate, float], second: Mapping[Coordinate, float]
) -> list[float]:
    """Returns first - second of every seed that both have."""
    return [value - second[seed] for seed, value in first.items() if seed in second]
