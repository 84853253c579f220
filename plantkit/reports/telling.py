"""What published results must not tell of tickets that are secret."""

from __future__ import annotations

from collections.abc import Callable

from plantkit.challenges.facts import ChallengeFacts
from plantkit.scoring.evaluation import Evaluation

OVERLAP_NOTE = (
    "overlap: not shown, since a ticket is secret, and with one challenge or one density it would "
    "help to guess it."
)


def is_overlap_telling(evaluation: Evaluation, is_secret: Callable[[ChallengeFacts], bool]) -> bool:
    """Returns whether the overlap in standings would help to guess a secret ticket: where it is
    that of one challenge, or at one density."""
    scored = [one for one in evaluation.challenges if one.overlap_scored]
    is_single = len(scored) == 1 or len(evaluation.protocol.densities) == 1
    return is_single and any(map(is_secret, scored))
