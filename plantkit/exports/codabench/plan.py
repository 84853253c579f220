"""What both programs are told: which challenges, densities and seeds are run, and how long."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plantkit.errors import ResultsError
from plantkit.files import write_whole
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.score import SCORING_VERSION

PLAN_FILE = "plan.json"
ATTEMPTS_FILE = "attempts.json"
#: The secret key of sealed challenges, in the scoring program's directory and nowhere else.
KEY_FILE = "contest.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """One run of the submission. file: of its mask, relative to ingestion's output."""

    challenge: str
    density: float
    is_planted_density: bool
    seed: int

    @property
    def file(self) -> str:
        return f"{self.challenge}/{self.density:.17g}-{self.seed}.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The runs of a competition. protocol: numbers only; densities differ by challenge."""

    suite: str
    protocol: Protocol
    densities: Mapping[str, Sequence[tuple[float, bool]]]
    time_seconds: float
    memory_mib: int

    def runs(self) -> list[PlannedRun]:
        """Returns the runs, a challenge at a time."""
        return [
            PlannedRun(challenge=challenge, density=density, is_planted_density=planted, seed=seed)
            for challenge, densities in self.densities.items()
            for density, planted in densities
            for seed in range(self.protocol.seeds)
        ]

    def write(self, directory: Path) -> None:
        value = {
            "scoring_version": SCORING_VERSION,
            "suite": self.suite,
            "challenges": {name: list(map(list, d)) for name, d in self.densities.items()},
            "protocol_densities": list(self.protocol.densities),
            "seeds": self.protocol.seeds,
            "weights": [
                self.protocol.strong_weight,
                self.protocol.weak_weight,
                self.protocol.overlap_weight,
            ],
            "family_weights": dict(self.protocol.family_weights),
            "time_seconds": self.time_seconds,
            "memory_mib": self.memory_mib,
        }
        write_whole(directory / PLAN_FILE, json.dumps(value, indent=2) + "\n")

    @classmethod
    def read(cls, directory: Path) -> Plan:
        """Returns the plan in a directory that the organisers wrote.

        Raises:
            ResultsError: it was written for other scoring rules than those of this plantkit.
        """
        value: dict[str, Any] = json.loads((directory / PLAN_FILE).read_text(encoding="utf-8"))
        if value["scoring_version"] != SCORING_VERSION:
            raise ResultsError(
                f"{directory / PLAN_FILE} is of scoring version {value['scoring_version']}; the "
                f"image's plantkit scores by version {SCORING_VERSION}: export the bundle again"
            )
        strong, weak, overlap = value["weights"]
        return cls(
            suite=value["suite"],
            protocol=Protocol(
                densities=tuple(value["protocol_densities"]),
                seeds=value["seeds"],
                strong_weight=strong,
                weak_weight=weak,
                overlap_weight=overlap,
                family_weights=value["family_weights"],
            ),
            densities={
                name: [(density, planted) for density, planted in densities]
                for name, densities in value["challenges"].items()
            },
            time_seconds=value["time_seconds"],
            memory_mib=value["memory_mib"],
        )
