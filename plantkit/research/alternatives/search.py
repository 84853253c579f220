"""Masks that pruners found without a look at the truth, judged against the planted ticket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from plantkit.challenges.bundles import Challenge
from plantkit.networks.masks import overlap
from plantkit.networks.training.accuracy import strong_accuracy
from plantkit.scoring.attempts import Attempt

_MOST = 1e9
"""Gains beyond it, as shares of the ticket's, come from exploding networks."""


def judge(
    challenge: Challenge, attempts: Sequence[Attempt], *, tolerance: float = 0.01
) -> list[dict[str, Any]]:
    """Returns what the masks of `attempts` are worth, in their order, as a record lists them.

    Runs that failed are left out, and so are masks whose performance is not a number.
    `recovered` is the gain over the constant predictor as a share of the ticket's, not clipped.

    Args:
        challenge: with its truth.
        attempts: of any pruners.
        tolerance: share of the ticket's gain that a mask may lose and still be as good.
    """
    done = [(attempt, attempt.mask) for attempt in attempts if attempt.mask is not None]
    ticket = challenge.truth.ticket
    planted, *reached = strong_accuracy(
        challenge.network,
        challenge.task,
        challenge.weights,
        [ticket, *(mask for _, mask in done)],
        train_data=challenge.train,
        test_data=challenge.truth.test,
    )
    found = []
    for (attempt, mask), strong in zip(done, reached, strict=True):
        recovered = (strong - challenge.trivial) / (planted - challenge.trivial)
        if not -_MOST < recovered < _MOST:  # also if it is not a number
            continue
        shared = overlap(mask, ticket)
        found.append(
            {
                "pruner": attempt.pruner,
                "seed": attempt.seed,
                "kept": mask.kept,
                "strong": strong,
                "recovered": recovered,
                "f1": shared.f1,
                "recall": shared.recall,
                "as_good": recovered >= 1 - tolerance,
                "as_sparse": mask.kept <= ticket.kept,
            }
        )
    return found


def search_json(
    seeds: int, attempts: Sequence[Attempt], found: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Returns the part of the record on what pruners found; `found` is from `judge`."""
    runs = Counter(attempt.pruner for attempt in attempts)
    failed = Counter(attempt.pruner for attempt in attempts if attempt.mask is None)
    return {
        "seeds": seeds,
        "searchers": [
            {"pruner": pruner, "runs": count, "failed": failed[pruner]}
            for pruner, count in runs.items()
        ],
        "masks": len({a.mask.digest() for a in attempts if a.mask is not None}),
        "as_good": sum(one["as_good"] and one["as_sparse"] for one in found),
        "best": max(found, key=lambda one: one["strong"], default=None),
        "found": list(found),
    }
