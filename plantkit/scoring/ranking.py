"""From records to standings: scores, intervals over instances and seeds, ranks with ties."""

from __future__ import annotations

import enum
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, variance
from typing import Any

from plantkit.challenges.facts import ChallengeFacts
from plantkit.challenges.manifests import kind_of
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.records import Record
from plantkit.scoring.score import SeedScore, seed_score

#: Confidence of the intervals, and of calling two pruners different.
CONFIDENCE = 0.95

#: Values of one pruner by challenge digest: a list over seeds for each challenge.
_Values = Mapping[str, Sequence[float]]


class Coverage(enum.StrEnum):
    """What varies in an interval.

    INSTANCES: instances of each kind of challenge, and seeds with them. SEEDS: seeds only, as no
    kind of challenge has two instances: on other instances pruners may rank otherwise. SOME:
    instances of some kinds, and seeds of the others. NOTHING: there is no interval.
    """

    INSTANCES = "instances"
    SEEDS = "seeds"
    SOME = "some instances"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A pruner's place: its score in [0, 100] with an interval, areas and F1 in [0, 1].

    low and high are None where nothing shows the spread; see `coverage`. overlap_area is None where
    no challenge scores its overlap. f1 is the mean at the planted density, None where that was
    not run. failures counts runs that are not ok; seconds is the mean wall time of a run.
    """

    rank: int
    pruner: str
    score: float
    low: float | None
    high: float | None
    strong_area: float
    weak_area: float
    overlap_area: float | None
    f1: float | None
    failures: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Areas:
    """A score in [0, 100] and the areas in [0, 1] that it is made of, means over challenges.

    overlap is None where no challenge scores it.
    """

    score: float
    strong: float
    weak: float
    overlap: float | None


def load_quantiles() -> None:
    """Imports what only `rank` needs; that takes 0.15 s."""
    import scipy.special  # noqa: F401


def coverage(challenges: Sequence[ChallengeFacts], protocol: Protocol) -> Coverage:
    """Returns what the intervals of an evaluation cover."""
    counted = [c for c in challenges if protocol.family_weights.get(c.family, 1.0) > 0]
    sizes = [len(group) for group in by_kind(counted)]
    if min(sizes, default=0) > 1:
        return Coverage.INSTANCES
    if protocol.seeds < 2:
        return Coverage.NOTHING
    return Coverage.SOME if max(sizes, default=0) > 1 else Coverage.SEEDS


def rank(
    challenges: Sequence[ChallengeFacts], records: Sequence[Record], protocol: Protocol
) -> list[Standing]:
    """Returns the standings, best first; equal scores in name order.

    A pruner's score is the weighted mean over families of the mean over their challenges of the
    mean over seeds. Challenges of one family, shape and planting are instances of one kind: they
    were drawn by one law, and vary more than seeds do. So the interval is Student's over the
    instances of each kind, with Welch's degrees of freedom, and over seeds for a kind of which
    there is one instance only. A bootstrap of so few values would be far too narrow. Two pruners
    are compared challenge by challenge: one shares the rank of the best of its group unless the
    interval of their paired differences leaves zero out, or only one of the two has failed runs.
    Where nothing shows the spread, ranks are by score alone.
    """
    weights = challenge_weights(challenges, protocol)
    records_of = _by_pruner(records)
    seed_scores = {
        pruner: _seed_scores(challenges, mine) for pruner, mine in sorted(records_of.items())
    }
    totals = _totals(seed_scores, protocol)
    groups = [[challenge.digest for challenge in group] for group in by_kind(challenges)]
    failures = Counter(record.pruner for record in records if record.status != "ok")
    order = sorted(
        totals, key=lambda pruner: (-_mean(totals[pruner], weights), failures[pruner], pruner)
    )
    standings: list[Standing] = []
    leaders: dict[bool, tuple[str, int]] = {}  # by whether it has failures, with its rank
    for place, pruner in enumerate(order, start=1):
        leader, rank_of_leader = leaders.get(bool(failures[pruner]), ("", 0))
        is_tied = bool(leader) and _are_tied(totals[leader], totals[pruner], weights, groups)
        if not is_tied:
            leaders[bool(failures[pruner])] = pruner, place
        mine = records_of[pruner]
        margin = _margin(totals[pruner], weights, groups)
        planted = [r.overlap["f1"] for r in mine if r.is_planted_density]
        areas = mean_areas(seed_scores[pruner], challenges, protocol)
        standings.append(
            Standing(
                rank=rank_of_leader if is_tied else place,
                pruner=pruner,
                score=areas.score,
                low=None if margin is None else max(0.0, areas.score - margin),
                high=None if margin is None else min(100.0, areas.score + margin),
                strong_area=areas.strong,
                weak_area=areas.weak,
                overlap_area=areas.overlap,
                f1=fmean(planted) if planted else None,
                failures=failures[pruner],
                seconds=fmean(record.seconds for record in mine),
            )
        )
    return standings


def seed_totals(
    challenges: Sequence[ChallengeFacts], records: Sequence[Record], protocol: Protocol
) -> dict[str, dict[str, list[float]]]:
    """Returns scores in [0, 100] by pruner and challenge digest, each a list over seeds."""
    found = {pruner: _seed_scores(challenges, mine) for pruner, mine in _by_pruner(records).items()}
    return _totals(found, protocol)


def mean_areas(
    scores: Mapping[str, Sequence[SeedScore]],
    challenges: Sequence[ChallengeFacts],
    protocol: Protocol,
) -> Areas:
    """Returns the weighted means of scores by challenge digest, each a list over seeds."""
    weights = challenge_weights(challenges, protocol)

    def mean(value: Callable[[SeedScore], float | None]) -> float | None:
        found = {}
        for digest, seeds in scores.items():
            values = [number for number in map(value, seeds) if number is not None]
            if values:
                found[digest] = values
        return _mean(found, weights) if found else None

    return Areas(
        score=mean(lambda seed: seed.total(protocol)) or 0.0,
        strong=mean(lambda seed: seed.strong_area) or 0.0,
        weak=mean(lambda seed: seed.weak_area) or 0.0,
        overlap=mean(lambda seed: seed.overlap_area),
    )


def by_kind(challenges: Sequence[ChallengeFacts]) -> list[list[ChallengeFacts]]:
    """Returns the challenges by kind, in their order."""
    groups: dict[str, list[ChallengeFacts]] = {}
    for challenge in challenges:
        groups.setdefault(kind_of(challenge.manifest), []).append(challenge)
    return list(groups.values())


def challenge_weights(challenges: Sequence[ChallengeFacts], protocol: Protocol) -> dict[str, float]:
    """Returns each challenge's share in the score, by digest: its family's, equally divided."""
    families = Counter(challenge.family for challenge in challenges)
    return {
        challenge.digest: protocol.family_weights.get(challenge.family, 1.0)
        / families[challenge.family]
        for challenge in challenges
    }


def _by_pruner(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.pruner, []).append(record)
    return found


def _seed_scores(
    challenges: Sequence[ChallengeFacts], records: Sequence[Record]
) -> dict[str, list[SeedScore]]:
    """Returns the seed scores of one pruner: one list per challenge, in the order of seeds."""
    runs: dict[str, dict[int, list[Record]]] = {}
    for record in records:
        runs.setdefault(record.bundle_sha256, {}).setdefault(record.seed, []).append(record)
    return {
        challenge.digest: [seed_score(challenge, mine) for _, mine in sorted(seeds.items())]
        for challenge in challenges
        if (seeds := runs.get(challenge.digest))
    }


def _totals(
    scores: Mapping[str, Mapping[str, Sequence[SeedScore]]], protocol: Protocol
) -> dict[str, dict[str, list[float]]]:
    """Returns the totals of seed scores by pruner and challenge digest."""
    return {
        pruner: {digest: [seed.total(protocol) for seed in seeds] for digest, seeds in mine.items()}
        for pruner, mine in scores.items()
    }


def _mean(values: _Values, weights: Mapping[str, float]) -> float:
    """Returns the weighted mean over challenges of the means over seeds."""
    whole = sum(weights[digest] for digest in values)
    if not whole:
        return 0.0
    return sum(weights[digest] * fmean(seeds) for digest, seeds in values.items()) / whole


def _margin(
    values: _Values, weights: Mapping[str, float], groups: Sequence[Sequence[str]]
) -> float | None:
    """Returns half the width of the interval of `_mean`, or None where nothing shows the spread."""
    whole = sum(weights[digest] for digest in values)
    parts: list[tuple[float, int]] = []  # variances of the groups' shares, degrees of freedom
    for group in groups:
        present = [digest for digest in group if digest in values]
        if not present or not whole:
            continue
        share = sum(weights[digest] for digest in present) / whole
        if not share:
            continue
        over = [fmean(values[digest]) for digest in present]
        if len(over) < 2:
            over = list(values[present[0]])
        if len(over) < 2:
            return None
        parts.append((share**2 * variance(over) / len(over), len(over) - 1))
    total = sum(part for part, _ in parts)
    if total == 0:
        return 0.0 if parts else None
    from scipy.special import stdtrit

    freedom = total**2 / sum(part**2 / count for part, count in parts)
    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * math.sqrt(total)


def _are_tied(
    one: _Values, other: _Values, weights: Mapping[str, float], groups: Sequence[Sequence[str]]
) -> bool:
    differences = {
        digest: [a - b for a, b in zip(seeds, other[digest], strict=True)]
        for digest, seeds in one.items()
    }
    difference = _mean(differences, weights)
    return abs(difference) <= (_margin(differences, weights, groups) or 0.0)
