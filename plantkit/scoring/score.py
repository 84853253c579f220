"""A pruner's score: recovered digits, their area over density, and the weighted mean."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from plantkit.challenges.facts import ChallengeFacts
from plantkit.networks.training.accuracies import Accuracies
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.records import SCORED_OVERLAP, Record, TrackScore

#: Version of the rules by which masks become scores. Results of two versions never mix.
SCORING_VERSION = 2


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


def recovered_digits(
    accuracy: float, *, trivial: float, ticket: float, resolution: float = 0.0
) -> float:
    """Returns the share of the digits that the ticket takes off the error, clipped to [0, 1].

    With the error e = 1 - accuracy it is log(e_trivial / e) / log(e_trivial / e_ticket): how
    many orders of magnitude the error falls, over how many it falls under the ticket. From .99
    to .999 it grows as much as from 0 to .9, so that it separates masks that are nearly as good
    as the ticket. An accuracy that is not a number recovers nothing.

    Args:
        resolution: the smallest error that can be told from none; smaller ones count as this.

    Raises:
        ValueError: the ticket is no better than the trivial predictor.
    """
    if ticket <= trivial:
        raise ValueError(f"ticket accuracy {ticket} is not above the trivial {trivial}")
    if math.isnan(accuracy) or accuracy <= trivial:
        return 0.0
    if accuracy >= ticket:
        return 1.0
    worst, error, least = 1 - trivial, 1 - accuracy, max(1 - ticket, resolution)
    if error <= least:
        return 1.0
    return math.log(worst / error) / math.log(worst / least)


def area_over_density(points: Mapping[float, float | None]) -> float:
    """Returns the mean over log density of a curve, in the range of its values.

    Args:
        points: density in (0, 1] to a value. Between them the value is interpolated linearly in
            log density. One point alone is its own mean, and without points the mean is 0. Where
            a run failed it is None, and nothing counts up to the next density on either side.
    """
    densities = sorted(points)
    if len(densities) < 2:
        return next(iter(points.values()), None) or 0.0
    area = 0.0
    for low, high in itertools.pairwise(densities):
        left, right = points[low], points[high]
        if left is not None and right is not None:
            area += (math.log(high) - math.log(low)) * (left + right) / 2
    return area / (math.log(densities[-1]) - math.log(densities[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedScore:
    """What one pruner reached on one challenge with one seed; all in [0, 1].

    overlap_area is None where the challenge does not score it.
    """

    strong_area: float
    weak_area: float
    overlap_area: float | None

    def total(self, protocol: Protocol) -> float:
        """Returns the score in [0, 100]: the weighted mean of the parts that are scored."""
        parts = [
            (protocol.strong_weight, self.strong_area),
            (protocol.weak_weight, self.weak_area),
        ]
        if self.overlap_area is not None:
            parts.append((protocol.overlap_weight, self.overlap_area))
        weight = sum(share for share, _ in parts)
        return 100 * sum(share * value for share, value in parts) / weight if weight else 0.0


def seed_score(challenge: ChallengeFacts, records: Sequence[Record]) -> SeedScore:
    """Returns the score of one pruner's records for one challenge and one seed.

    Densities below the planted one are shown, not scored: the ticket itself does not fit
    there. A strong ticket needs no training, so the weak area takes what a mask recovers
    trained or untrained, whichever is more.
    """
    runs = {
        record.target_density: record if record.status == "ok" else None
        for record in records
        if record.target_density >= challenge.planted_density
    }

    def area(value: Callable[[Record], float]) -> float:
        return area_over_density(
            {density: None if run is None else value(run) for density, run in runs.items()}
        )

    return SeedScore(
        strong_area=area(lambda run: run.strong.recovered_digits),
        weak_area=area(lambda run: max(run.strong.recovered_digits, run.weak.recovered_digits)),
        overlap_area=area(lambda run: run.overlap[SCORED_OVERLAP])
        if challenge.overlap_scored
        else None,
    )


def track_score(challenge: ChallengeFacts, accuracy: float) -> TrackScore:
    """Returns an accuracy with the shares of the ticket's that it recovers."""
    trivial, ticket = challenge.trivial, challenge.ticket.strong
    return TrackScore(
        performance=accuracy if math.isfinite(accuracy) else -1e30,  # JSON has no infinity
        recovered_accuracy=recovered_accuracy(accuracy, trivial=trivial, ticket=ticket),
        recovered_digits=recovered_digits(
            accuracy,
            trivial=trivial,
            ticket=ticket,
            resolution=challenge.resolution,
        ),
    )


def ticket_score(challenge: ChallengeFacts) -> SeedScore:
    """Returns what a pruner scores that returns the ticket at every density."""
    return _constant_score(challenge, challenge.ticket, overlap=1.0)


def dense_score(challenge: ChallengeFacts) -> SeedScore:
    """Returns what the dense network would score, were it returned at every density.

    No mask is as dense. This says what training alone recovers.
    """
    return _constant_score(challenge, challenge.dense, overlap=0.0)


def _constant_score(
    challenge: ChallengeFacts, accuracies: Accuracies, *, overlap: float
) -> SeedScore:
    strong = track_score(challenge, accuracies.strong).recovered_digits
    weak = track_score(challenge, accuracies.weak).recovered_digits
    return SeedScore(
        strong_area=strong,
        weak_area=max(strong, weak),
        overlap_area=overlap if challenge.overlap_scored else None,
    )
