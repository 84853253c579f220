"""Masks that pruners found without a look at the truth, judged against the planted ticket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plantkit.challenges.bundles import Challenge
from plantkit.networks.masks import overlap
from plantkit.networks.training.accuracy import strong_accuracy
from plantkit.scoring.attempts import Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One mask beside the planted ticket.

    pruner, seed: where it comes from. kept: its entries.
    strong: performance on the test data, untrained.
    recovered: its gain over the constant predictor as a share of the ticket's, not clipped.
    f1, recall: overlap with the ticket; recall is the share of ticket entries that it has.
    is_as_good: whether it recovers all but the tolerance. is_as_sparse: whether it keeps no
        more entries than the ticket.
    """

    pruner: str
    seed: int
    kept: int
    strong: float
    recovered: float
    f1: float
    recall: float
    is_as_good: bool
    is_as_sparse: bool

    def to_json(self) -> dict[str, Any]:
        return {
            "pruner": self.pruner,
            "seed": self.seed,
            "kept": self.kept,
            "strong": self.strong,
            "recovered": self.recovered,
            "f1": self.f1,
            "recall": self.recall,
            "as_good": self.is_as_good,
            "as_sparse": self.is_as_sparse,
        }


def judge(
    challenge: Challenge, attempts: Sequence[Attempt], *, tolerance: float = 0.01
) -> list[Found]:
    """Returns what the masks of `attempts` are worth, in their order; runs that failed are left
    out, and so are masks whose performance is no number.

    Args:
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
        if not -_MOST < recovered < _MOST:  # an exploding network's, or not a number
            continue
        shared = overlap(mask, ticket)
        found.append(
            Found(
                pruner=attempt.pruner,
                seed=attempt.seed,
                kept=mask.kept,
                strong=strong,
                recovered=recovered,
                f1=shared.f1,
                recall=shared.recall,
                is_as_good=recovered >= 1 - tolerance,
                is_as_sparse=mask.kept <= ticket.kept,
            )
        )
    return found


#: No figure beyond it is worth a row.
_MOST = 1e9
