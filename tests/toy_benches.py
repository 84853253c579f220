"""Benches, criteria and runs that the tests of criteria share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from builders import record_of as run

from plantkit.challenges.bundles import Challenge
from plantkit.grading.criteria import (
    Bench,
)
from plantkit.grading.rubric import Criterion
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.records import Record, TrackScore


def failed(challenge: Challenge, status: str = "crash", **changes: Any) -> Record:
    """Returns the record of a failed run as the harness makes it, with zeros for figures."""
    nothing = TrackScore(performance=0.0, recovered_accuracy=0.0, recovered_digits=0.0)
    zeros: dict[str, Any] = {
        "status": status,
        "error": "why",
        "strong": nothing,
        "weak": nothing,
        "density": 0.0,
        "overlap": {},
        "metrics": {},
    }
    return run(challenge, **(zeros | changes))


def bench(challenges: Sequence[Challenge], records: Sequence[Record], **changes: Any) -> Bench:
    fields: dict[str, Any] = {
        "mine": [record for record in records if record.pruner == "mine"],
        "baselines": [record for record in records if record.pruner != "mine"],
        "challenges": challenges,
        "protocol": Protocol(densities=("planted", 0.5), seeds=2),
        "run_again": None,
        "examine": None,
    }
    return Bench(**(fields | changes))


def criterion(name: str = "f1", **changes: Any) -> Criterion:
    fields: dict[str, Any] = {
        "position": 0,
        "is_stub": False,
        "name": "one",
        "points": 4.0,
        "metric": name,
        "density": 0.5,
        "at_least": 0.5,
    }
    return Criterion(**(fields | changes))
