"""From records to standings: scores, bootstrap intervals, ranks with ties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantkit.bundles import Challenge
from plantkit.catalog import Protocol
from plantkit.results import Record
from plantkit.scoring import SeedScore, seed_score

#: Resamples of the bootstrap, and the interval that is reported.
RESAMPLES = 2000
INTERVAL = (2.5, 97.5)
_BOOTSTRAP_SEED = 20211122


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A pruner's place: score in [0, 100] with its bootstrap interval; areas and F1 in [0, 1].

    f1 is None where no challenge scores its overlap. failures counts runs that are not ok;
    seconds is the mean wall time of a run.
    """

    rank: int
    pruner: str
    score: float
    low: float
    high: float
    strong_area: float
    weak_area: float
    f1: float | None
    failures: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def rank(
    challenges: Sequence[Challenge], records: Sequence[Record], protocol: Protocol
) -> list[Standing]:
    """Returns the standings, best first; ties in name order.

    A pruner's score is the mean over challenges of the mean over seeds. The interval comes
    from a bootstrap that resamples seeds within each challenge, since a suite's challenges
    are fixed (as rliable does, arXiv 2108.13264). All pruners share the resamples, so two
    pruners are compared seed by seed: a pruner shares the rank of the best one in its group
    when the interval of their difference holds zero.
    """
    scores = {
        pruner: _seed_scores(challenges, [r for r in records if r.pruner == pruner])
        for pruner in sorted({record.pruner for record in records})
    }
    totals = {
        pruner: [np.array([s.total(protocol) for s in seeds]) for seeds in by_challenge]
        for pruner, by_challenge in scores.items()
    }
    resampled = _resample(totals)
    order = sorted(totals, key=lambda pruner: (-_mean(totals[pruner]), pruner))
    standings: list[Standing] = []
    leader = ""
    for place, pruner in enumerate(order, start=1):
        is_tied = bool(leader) and _holds_zero(resampled[leader] - resampled[pruner])
        if not is_tied:
            leader = pruner
        mine = [record for record in records if record.pruner == pruner]
        low, high = np.percentile(resampled[pruner], INTERVAL)
        flat = [seed for seeds in scores[pruner] for seed in seeds]
        overlaps = [seed.f1 for seed in flat if seed.f1 is not None]
        standings.append(
            Standing(
                rank=standings[-1].rank if is_tied else place,
                pruner=pruner,
                score=_mean(totals[pruner]),
                low=float(low),
                high=float(high),
                strong_area=float(np.mean([seed.strong_area for seed in flat])),
                weak_area=float(np.mean([seed.weak_area for seed in flat])),
                f1=float(np.mean(overlaps)) if overlaps else None,
                failures=sum(record.status != "ok" for record in mine),
                seconds=float(np.mean([record.seconds for record in mine])),
            )
        )
    return standings


def _seed_scores(
    challenges: Sequence[Challenge], records: Sequence[Record]
) -> list[list[SeedScore]]:
    """Returns the seed scores of one pruner, a list a challenge, in the order of seeds."""
    by_challenge = []
    for challenge in challenges:
        mine = [record for record in records if record.bundle_sha256 == challenge.digest]
        seeds = sorted({record.seed for record in mine})
        by_challenge.append(
            [seed_score(challenge, [r for r in mine if r.seed == seed]) for seed in seeds]
        )
    return [seeds for seeds in by_challenge if seeds]


def _mean(totals: Sequence[NDArray[np.float64]]) -> float:
    return float(np.mean([seeds.mean() for seeds in totals]))


def _resample(
    totals: Mapping[str, Sequence[NDArray[np.float64]]],
) -> dict[str, NDArray[np.float64]]:
    """Returns `RESAMPLES` bootstrapped scores of every pruner, drawn alike for all."""
    generator = np.random.Generator(np.random.PCG64(_BOOTSTRAP_SEED))
    first = next(iter(totals.values()), [])
    draws = [generator.integers(len(seeds), size=(RESAMPLES, len(seeds))) for seeds in first]
    return {
        pruner: np.mean(
            [seeds[draw].mean(axis=1) for seeds, draw in zip(by_challenge, draws, strict=True)],
            axis=0,
        )
        for pruner, by_challenge in totals.items()
    }


def _holds_zero(differences: NDArray[np.float64]) -> bool:
    low, high = np.percentile(differences, INTERVAL)
    return bool(low <= 0 <= high)
