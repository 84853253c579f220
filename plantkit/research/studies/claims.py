"""Published claims, and what our records say to them.

A verdict is computed: a claim has a criterion in words and the same criterion as a function of
the records. Where the records that it needs are not there, it is not tested.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from plantkit.research.studies.records import Records


class Verdict(enum.StrEnum):
    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    NOT_TESTED = "not tested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured quantity over `n` repetitions: mean, least and greatest."""

    label: str
    mean: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, label: str, values: Sequence[float]) -> Figure:
        """Returns the figure of one value or more.

        Raises:
            ValueError: there are no values.
        """
        if not values:
            raise ValueError(f"{label!r} has no values")
        return cls(
            label=label, mean=fmean(values), low=min(values), high=max(values), n=len(values)
        )

    def __str__(self) -> str:
        return f"{self.label}: {number(self.mean)} [{number(self.low)}, {number(self.high)}]"

    def to_json(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "mean": self.mean,
            "low": self.low,
            "high": self.high,
            "n": self.n,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a criterion found: whether the claim holds, and the figures it looked at.

    holds: None where records are missing.
    """

    holds: bool | None
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A claim and what became of it."""

    id: str
    claim: str
    source: str
    criterion: str
    verdict: Verdict
    figures: tuple[Figure, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "claim": self.claim,
            "source": self.source,
            "criterion": self.criterion,
            "verdict": str(self.verdict),
            "figures": [figure.to_json() for figure in self.figures],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a source states.

    id: short, unique in its study.
    claim: in our words. source: where it stands.
    criterion: when we call it reproduced. judge: the same, computed.
    """

    id: str
    claim: str
    source: str
    criterion: str
    judge: Callable[[Records], Evidence] = field(repr=False)

    def judged(self, records: Records) -> Finding:
        """Returns what `records` say to the claim."""
        evidence = self.judge(records)
        verdict = {
            None: Verdict.NOT_TESTED,
            True: Verdict.REPRODUCED,
            False: Verdict.NOT_REPRODUCED,
        }[evidence.holds]
        return Finding(
            id=self.id,
            claim=self.claim,
            source=self.source,
            criterion=self.criterion,
            verdict=verdict,
            figures=evidence.figures,
        )


def number(value: float) -> str:
    """Returns a number for people, three significant digits."""
    return f"{value:.3g}"
