"""An evaluation: who took part, on which challenges, and the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plantkit.challenges.bundles import Challenge
from plantkit.machine import environment, git_hash
from plantkit.scoring.entries import Entry
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.ranking import Standing, coverage
from plantkit.scoring.records import RESULTS_VERSION, Record
from plantkit.scoring.score import SCORING_VERSION
from plantkit.version import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How an evaluation ran. Nothing here changes a score.

    isolation: the level that was applied, "full", "process", "watched" or "none". speed: this
    machine's, against the reference machine's, by which effort is counted; None where it was not
    measured.
    """

    jobs: int = 1
    device: str = "cpu"
    isolation: str = "process"
    speed: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All results of an evaluation; `reports` turn it into text."""

    entries: Sequence[Entry]
    challenges: Sequence[Challenge]
    suite: str | None
    protocol: Protocol
    records: Sequence[Record]
    standings: Sequence[Standing]
    settings: Settings
    started: str

    def records_of(self, pruner: str, challenge: Challenge) -> list[Record]:
        return [
            record
            for record in self.records
            if record.pruner == pruner and record.bundle_sha256 == challenge.digest
        ]

    def to_json(self) -> dict[str, Any]:
        """Returns the object that `--format json` prints; its schema is `results`."""
        return {
            "schema_version": RESULTS_VERSION,
            "plantkit_version": __version__,
            "scoring_version": SCORING_VERSION,
            "run": {
                "date": self.started,
                "seeds": self.protocol.seeds,
                "suite": self.suite,
                "densities": list(self.protocol.densities),
                "weights": {
                    "strong": self.protocol.strong_weight,
                    "weak": self.protocol.weak_weight,
                    "overlap": self.protocol.overlap_weight,
                },
                "family_weights": dict(self.protocol.family_weights),
                "interval_covers": coverage(self.challenges, self.protocol).value,
                "device": self.settings.device,
                "threads": self.settings.jobs,
                "isolation": self.settings.isolation,
                "speed": self.settings.speed,
                "git_hash": git_hash(),
            },
            "env": environment(),
            "challenges": [
                {
                    "id": challenge.id,
                    "bundle_sha256": challenge.digest,
                    "planted_density": challenge.planted_density,
                    "family": challenge.family,
                    "overlap_scored": challenge.overlap_scored,
                    "trivial": challenge.trivial,
                    "ticket": challenge.ticket.strong,
                    "dense": challenge.dense.weak,
                    "trained_reference": max(challenge.ticket.weak, challenge.dense.weak),
                }
                for challenge in self.challenges
            ],
            "pruners": [entry.to_json() for entry in self.entries],
            "records": [record.to_json() for record in self.records],
            "standings": [standing.to_json() for standing in self.standings],
        }
