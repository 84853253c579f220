"""Published claims, and what our records say about them.

The claims of a study are data: a TOML table that `load_claims` reads. It holds

- `[[claims]]`: `id`, short and unique in the study; `claim`, in our words; `source`, where it
  stands; `criterion`, in words, when we call it reproduced; and one or more
  `[[claims.judged_by]]`, which say the same as the name of a `rule` and its arguments. The claim
  is reproduced if all of them hold, and not tested if records are missing for one.
- `[[for_each]]`, optional: every claim is stated once for each of these, with `id` and `claim`
  put before its own, and judged by the records `where` the coordinates are these. Where a
  coordinate is one of several, each value that has records is judged by itself, and the claim
  must hold at all of them. If none has records, those of the `stand_in` on digits are judged.
  A claim that names some of these in `of` is stated for these alone; `only_if_named` keeps one
  from the claims that name none.
- `cannot_judge` of a claim: why digits say nothing of it, either way. `cannot_refute`: why they
  say nothing where its criterion is not met. Nor do they where a rule has doubts: see
  `Judgement`.
- `[where]`, optional: coordinates that a rule's own `where` leaves out.
"""

from __future__ import annotations

import enum
import itertools
import math
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.special import stdtrit

from plantkit.research.studies.records import Coordinate, Records

#: Fewer repetitions than these say nothing: no interval.
LEAST_REPETITIONS = 3


#: Why a criterion that is not met does not refute a claim.
OPEN = "with so few images and seeds the interval holds both what the claim says and its opposite"


class ClaimVerdict(enum.StrEnum):
    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    CANNOT_JUDGE = "cannot be judged on digits"
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

    holds: None where records are missing, or where there is nothing to judge.
    doubt: why a criterion that is not met does not refute the claim, or why there is nothing to
    judge. `OPEN` if an interval has values that meet the criterion, among them what the paper
    found, if the table gives that as `effect`.
    """

    holds: bool | None
    figures: tuple[Figure, ...] = ()
    doubt: str = ""


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
    where: Mapping[str, Any] = field(default_factory=dict)
    stand_in: Mapping[str, Any] | None = None
    cannot_judge: str = ""
    cannot_refute: str = ""

    def judged(self, records: Records) -> Finding:
        """Returns what `records` say about the claim."""
        each = [self._judged(records.where(**place), said) for said, place in places(self.where)]
        tested = [one for one in each if one.verdict is not ClaimVerdict.NOT_TESTED or one.reason]
        if tested:
            failed = [one for one in tested if one.verdict is ClaimVerdict.NOT_REPRODUCED]
            figures = tuple(figure for one in tested for figure in one.figures)
            found = (failed or tested)[0]
            untested = found.verdict is ClaimVerdict.NOT_TESTED
            return replace(found, figures=figures, reason=found.reason if untested else "")
        if self.stand_in is not None:
            return self._judged_on_digits(records.where(**self.stand_in))
        return each[0]

    def _judged_on_digits(self, records: Records) -> Finding:
        found = self._judged(records)
        reason = ""
        if found.verdict is ClaimVerdict.NOT_TESTED:
            reason = found.reason
        elif self.cannot_judge:
            reason = self.cannot_judge
        elif found.verdict is ClaimVerdict.NOT_REPRODUCED:
            reason = self.cannot_refute or found.reason
        if not reason:
            return found
        return self._found(ClaimVerdict.CANNOT_JUDGE, found.figures, reason)

    def _judged(self, records: Records, said: str = "") -> Finding:
        """Returns what records of one place say; `said` stands before the figures' labels."""
        found = [judge(records) for judge in self.judges]
        untested = [judgement for judgement in found if judgement.holds is None]
        failed = [judgement for judgement in found if judgement.holds is False]
        shown = untested or found
        figures = tuple(
            replace(figure, label=f"{said}: {figure.label}") if said else figure
            for judgement in shown
            for figure in judgement.figures
        )
        if untested:
            reason = next((one.doubt for one in untested if one.doubt), "")
            return self._found(ClaimVerdict.NOT_TESTED, figures, reason)
        if failed:
            reason = failed[0].doubt if all(one.doubt for one in failed) else ""
            return self._found(ClaimVerdict.NOT_REPRODUCED, figures, reason)
        return self._found(ClaimVerdict.REPRODUCED, figures, "")

    def _found(self, verdict: ClaimVerdict, figures: tuple[Figure, ...], reason: str) -> Finding:
        return Finding(claim=self, verdict=verdict, figures=figures, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A claim and what became of it. reason: why the records do not say, where they do not."""

    claim: Claim
    verdict: ClaimVerdict
    figures: tuple[Figure, ...]
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.claim.id,
            "claim": self.claim.claim,
            "source": self.claim.source,
            "criterion": self.claim.criterion,
            "verdict": str(self.verdict),
            "reason": self.reason,
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
            if each["id"] not in claim.get("of", [] if each.get("only_if_named") else [each["id"]]):
                continue
            own = [
                {**judged_by, **_effect(judged_by, each["id"])} for judged_by in claim["judged_by"]
            ]
            yield Claim(
                id=each["id"] + claim["id"],
                claim=each["claim"] + claim["claim"],
                source=claim["source"],
                criterion=claim["criterion"],
                judges=[judge(**judged_by) for judged_by in own],
                where=each["where"],
                stand_in=each.get("stand_in"),
                cannot_judge=claim.get("cannot_judge", ""),
                cannot_refute=claim.get("cannot_refute", ""),
            )


def _effect(judged_by: Mapping[str, Any], id_: str) -> dict[str, float]:
    """Returns what the paper found for one of `for_each`, where it differs among them."""
    found = {name: judged_by.get(name) for name in ("effect", "effect_share")}
    return {name: effect[id_] for name, effect in found.items() if isinstance(effect, dict)}


def places(where: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Coordinate]]]:
    """Yields every combination of the listed coordinates, the last varying fastest, labelled."""
    listed = {name: values for name, values in where.items() if isinstance(values, list)}
    for values in itertools.product(*listed.values()):
        chosen = dict(zip(listed, values, strict=True))
        said = (
            str(value) if isinstance(value, str) or name == "density" else f"{name} {value:g}"
            for name, value in chosen.items()
        )
        yield " ".join(said), {**where, **chosen}
