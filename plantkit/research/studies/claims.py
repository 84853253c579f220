"""Published claims, and what our records say about them.

The claims of a study are data: a TOML table that `load_claims` reads. It holds

- `[[claims]]`: `id`, short and unique in the study; `claim`, in our words; `source`, where it
  stands; `criterion`, in words, when we call it reproduced; and one or more
  `[[claims.judged_by]]`, which say the same as the name of a `rule` and its arguments. The claim
  is reproduced if all of them hold, and not tested if records are missing for one.
- `[[for_each]]`, optional: every claim is stated once for each of these, with `id` and `claim`
  put before its own, and judged by the records `where` the coordinates are these.
- `[where]`, optional: coordinates that a rule's own `where` leaves out.
"""

from __future__ import annotations

import enum
import math
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.special import stdtrit

from plantkit.research.studies.records import Coordinate, Records

#: Fewer repetitions than these say nothing: no interval.
LEAST_REPETITIONS = 3


class ClaimVerdict(enum.StrEnum):
    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    NOT_TESTED = "not tested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured quantity over `n` repetitions: its mean, and a range around it."""

    label: str
    mean: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, label: str, values: Sequence[float]) -> Figure:
        """Returns the mean with the least and the greatest of one value or more.

        Raises:
            ValueError: there are no values.
        """
        if not values:
            raise ValueError(f"{label!r} has no values")
        return cls(
            label=label, mean=fmean(values), low=min(values), high=max(values), n=len(values)
        )

    @classmethod
    def interval(cls, label: str, values: Sequence[float]) -> Figure | None:
        """Returns the mean with Student's 95% interval; None below `LEAST_REPETITIONS` values."""
        n = len(values)
        if n < LEAST_REPETITIONS:
            return None
        mean = fmean(values)
        half = float(stdtrit(n - 1, 0.975)) * stdev(values) / math.sqrt(n)
        return cls(
            label=f"{label} (95% interval)", mean=mean, low=mean - half, high=mean + half, n=n
        )

    def __str__(self) -> str:
        return f"{self.label}: {self.mean:.3g} [{self.low:.3g}, {self.high:.3g}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a rule found: whether the claim holds, and the figures that it looked at.

    holds: None where records are missing.
    """

    holds: bool | None
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a source states; see the module for the words.

    judges: functions of the records, all of which must hold.
    """

    id: str
    claim: str
    source: str
    criterion: str
    judges: Sequence[Callable[[Records], Judgement]] = field(repr=False)
    where: Mapping[str, Coordinate] = field(default_factory=dict)

    def judged(self, records: Records) -> Finding:
        """Returns what `records` say about the claim."""
        here = records.where(**self.where)
        found = [judge(here) for judge in self.judges]
        untested = [judgement for judgement in found if judgement.holds is None]
        if untested:
            verdict = ClaimVerdict.NOT_TESTED
        elif all(judgement.holds for judgement in found):
            verdict = ClaimVerdict.REPRODUCED
        else:
            verdict = ClaimVerdict.NOT_REPRODUCED
        figures = tuple(figure for judgement in untested or found for figure in judgement.figures)
        return Finding(claim=self, verdict=verdict, figures=figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A claim and what became of it."""

    claim: Claim
    verdict: ClaimVerdict
    figures: tuple[Figure, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.claim.id,
            "claim": self.claim.claim,
            "source": self.claim.source,
            "criterion": self.claim.criterion,
            "verdict": str(self.verdict),
            "figures": [asdict(figure) for figure in self.figures],
        }


def load_claims(path: Path, rules: Mapping[str, Callable[..., Judgement]]) -> tuple[Claim, ...]:
    """Returns the claims of a TOML table.

    rules: name to function of records and the arguments that the table gives.
    """
    return tuple(_claims(tomllib.loads(path.read_text(encoding="utf-8")), rules))


def _claims(
    table: Mapping[str, Any], rules: Mapping[str, Callable[..., Judgement]]
) -> Iterator[Claim]:
    default = table.get("where", {})

    def judge(rule: str, **arguments: Any) -> Callable[[Records], Judgement]:
        if default:
            where = arguments["where"]
            left_out = {name: value for name, value in default.items() if name not in where}
            arguments["where"] = left_out | where
        return partial(rules[rule], **arguments)

    for each in table.get("for_each", [{"id": "", "claim": "", "where": {}}]):
        for claim in table["claims"]:
            yield Claim(
                id=each["id"] + claim["id"],
                claim=each["claim"] + claim["claim"],
                source=claim["source"],
                criterion=claim["criterion"],
                judges=[judge(**judged_by) for judged_by in claim["judged_by"]],
                where=each["where"],
            )
