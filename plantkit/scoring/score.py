"""A pruner's score: recovered accuracy, its area over density, and the weighted mean."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plantkit.challenges.bundles import Challenge
from plantkit.networks.training.accuracy import Accuracies
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.records import Record

#: Version of the rules by which masks become scores. Results of two versions never mix.
SCORING_VERSION = 1


def recovered_accuracy(accuracy: float, *, trivial: float, ticket: float) -> float:
    """Returns the share of the ticket's gain over the trivial predictor, clipped to [0, 1].

    An accuracy that is not a number, for example of an exploding network, recovers nothing.

    Raises:
        ValueError: the ticket is no better than the trivial predictor.
    """
    if ticket <= trivial:
        raise ValueError(f"ticket accuracy {ticket} is not above the trivial {trivial}")
    if math.isnan(accuracy):
        return 0.0
    return min(1.0, max(0.0, (accuracy - trivial) / (ticket - trivial)))


def recovery_area(points: Mapping[float, float | None]) -> float:
    """Returns the area under recovered accuracy over log density, normalised to [0, 1].

    Args:
        points: density in (0, 1] to recovered accuracy, at least two densities. Between
            them recovered accuracy is interpolated linearly in log density. Where a run failed
            it is None, and nothing counts up to the next density on either side.
    """
    densities = sorted(points)
    if len(densities) < 2:
        raise ValueError("an area needs at least two densities")
    area = 0.0
    for low, high in itertools.pairwise(densities):
        left, right = points[low], points[high]
        if left is not None and right is not None:
            area += (math.log(high) - math.log(low)) * (left + right) / 2
    return area / (math.log(densities[-1]) - math.log(densities[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedScore:
    """What one pruner reached on one challenge with one seed; all in [0, 1].

    f1 is None where the challenge's overlap is not scored or the planted density was not run.
    """

    strong_area: float
    weak_area: float
    f1: float | None

    def total(self, protocol: Protocol) -> float:
        """Returns the score in [0, 100]: the weighted mean of the parts that are scored."""
        parts = [
            (protocol.strong_weight, self.strong_area),
            (protocol.weak_weight, self.weak_area),
        ]
        if self.f1 is not None:
            parts.append((protocol.f1_weight, self.f1))
        weight = sum(share for share, _ in parts)
        return 100 * sum(share * value for share, value in parts) / weight if weight else 0.0


def seed_score(challenge: Challenge, records: Sequence[Record]) -> SeedScore:
    """Returns the score of one pruner's records for one challenge and one seed.

    The areas end at density 1, where every mask is the same: the dense network's recovered
    accuracy, as the bundle states it, stands there. A strong ticket needs no training, so the
    weak area takes what a mask recovers trained or untrained, whichever is more.
    """
    by_density = {
        record.target_density: Accuracies(
            strong=record.strong.recovered_accuracy, weak=record.weak.recovered_accuracy
        )
        if record.status == "ok"
        else None
        for record in records
    }
    planted = [r.overlap["f1"] for r in records if r.is_planted_density]
    return _seed_score(challenge, by_density, f1=planted[0] if planted else None)


def ticket_score(challenge: Challenge, protocol: Protocol, densities: Sequence[float]) -> float:
    """Returns the score in [0, 100] of a pruner that returns the ticket at every density."""
    ticket = recovered(challenge, challenge.ticket)
    by_density = {density: ticket for density in densities if density < 1.0}
    f1 = 1.0 if challenge.planted_density in densities else None
    return _seed_score(challenge, by_density, f1=f1).total(protocol)


def _seed_score(
    challenge: Challenge, by_density: Mapping[float, Accuracies | None], *, f1: float | None
) -> SeedScore:
    # Below the planted density the ticket itself does not fit: those runs are shown, not scored.
    counted = {d: p for d, p in by_density.items() if d >= challenge.planted_density}
    points = {1.0: recovered(challenge, challenge.dense), **counted}
    strong = {density: None if p is None else p.strong for density, p in points.items()}
    weak = {density: None if p is None else max(p.strong, p.weak) for density, p in points.items()}
    return SeedScore(
        strong_area=recovery_area(strong) if len(strong) > 1 else strong[1.0] or 0.0,
        weak_area=recovery_area(weak) if len(weak) > 1 else weak[1.0] or 0.0,
        f1=f1 if challenge.overlap_scored else None,
    )


def recovered(challenge: Challenge, accuracies: Accuracies) -> Accuracies:
    """Returns the recovered accuracies, in [0, 1], of a mask's accuracies."""
    ticket, trivial = challenge.ticket.strong, challenge.trivial
    return Accuracies(
        strong=recovered_accuracy(accuracies.strong, trivial=trivial, ticket=ticket),
        weak=recovered_accuracy(accuracies.weak, trivial=trivial, ticket=ticket),
    )
