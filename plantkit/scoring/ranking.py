"""From records to standings: scores, intervals over seeds, ranks with ties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, variance
from typing import Any

from plantkit.challenges.bundles import Challenge
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.records import Record
from plantkit.scoring.score import SeedScore, seed_score

#: Confidence of the intervals, and of calling two pruners different.
CONFIDENCE = 0.95

#: Scores of one pruner: a list over seeds for each challenge.
_Totals = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A pruner's place: its score in [0, 100] with an interval, areas and F1 in [0, 1].

    low and high are None with a single seed, since one seed does not show the spread. f1 is
    None where no challenge scores its overlap. failures counts runs that are not ok; seconds is
    the mean wall time of a run.
    """

    rank: int
    pruner: str
    score: float
    low: float | None
    high: float | None
    strong_area: float
    weak_area: float
    f1: float | None
    failures: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def load_quantiles() -> None:
    """Imports what only `rank` needs; that takes 0.15 s."""
    import scipy.special  # noqa: F401


def rank(
    challenges: Sequence[Challenge], records: Sequence[Record], protocol: Protocol
) -> list[Standing]:
    """Returns the standings, best first; equal scores in name order.

    A pruner's score is the mean over challenges of the mean over seeds. Its interval is
    Student's over seeds, stratified by challenge with Welch's degrees of freedom; the suite's
    challenges are fixed, so the interval does not cover other challenges. A bootstrap of so few
    seeds would be far too narrow. Two pruners are compared seed by seed: one shares the rank of the
    best of its group unless the interval of their paired differences leaves zero out. With a
    single seed, ranks are by score alone.
    """
    scores = {
        pruner: _seed_scores(challenges, [r for r in records if r.pruner == pruner])
        for pruner in sorted({record.pruner for record in records})
    }
    totals = {
        pruner: [[seed.total(protocol) for seed in seeds] for seeds in by_challenge]
        for pruner, by_challenge in scores.items()
    }
    order = sorted(totals, key=lambda pruner: (-_mean(totals[pruner]), pruner))
    standings: list[Standing] = []
    leader = ""
    for place, pruner in enumerate(order, start=1):
        is_tied = bool(leader) and _are_tied(totals[leader], totals[pruner])
        if not is_tied:
            leader = pruner
        mine = [record for record in records if record.pruner == pruner]
        mean, margin = _mean(totals[pruner]), _margin(totals[pruner])
        flat = [seed for seeds in scores[pruner] for seed in seeds]
        overlaps = [seed.f1 for seed in flat if seed.f1 is not None]
        standings.append(
            Standing(
                rank=standings[-1].rank if is_tied else place,
                pruner=pruner,
                score=mean,
                low=None if margin is None else max(0.0, mean - margin),
                high=None if margin is None else min(100.0, mean + margin),
                strong_area=fmean(seed.strong_area for seed in flat),
                weak_area=fmean(seed.weak_area for seed in flat),
                f1=fmean(overlaps) if overlaps else None,
                failures=sum(record.status != "ok" for record in mine),
                seconds=fmean(record.seconds for record in mine),
            )
        )
    return standings


def _seed_scores(
    challenges: Sequence[Challenge], records: Sequence[Record]
) -> list[list[SeedScore]]:
    """Returns the seed scores of one pruner: one list per challenge, in the order of seeds."""
    by_challenge = []
    for challenge in challenges:
        mine = [record for record in records if record.bundle_sha256 == challenge.digest]
        seeds = sorted({record.seed for record in mine})
        by_challenge.append(
            [seed_score(challenge, [r for r in mine if r.seed == seed]) for seed in seeds]
        )
    return [seeds for seeds in by_challenge if seeds]


def _mean(totals: _Totals) -> float:
    return fmean(fmean(seeds) for seeds in totals)


def _margin(totals: _Totals) -> float | None:
    """Returns half the width of the interval of `_mean`, or None where a challenge has one seed."""
    if any(len(seeds) < 2 for seeds in totals):
        return None
    parts = [variance(seeds) / len(seeds) for seeds in totals]
    if sum(parts) == 0:
        return 0.0
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(seeds) - 1) for part, seeds in zip(parts, totals, strict=True)
    )
    from scipy.special import stdtrit

    quantile = float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
    return quantile * math.sqrt(sum(parts)) / len(totals)


def _are_tied(one: _Totals, other: _Totals) -> bool:
    differences = [
        [a - b for a, b in zip(mine, theirs, strict=True)]
        for mine, theirs in zip(one, other, strict=True)
    ]
    difference, margin = _mean(differences), _margin(differences)
    return abs(difference) <= (margin or 0.0)
