"""An evaluation: who took part, on which challenges, and the results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from plantkit.challenges.facts import ChallengeFacts
from plantkit.challenges.manifests import challenge_digest
from plantkit.errors import ResultsError
from plantkit.machine import environment, git_hash
from plantkit.scoring.completeness import check_records
from plantkit.scoring.entries import Entry
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.ranking import Standing, coverage
from plantkit.scoring.records import RESULTS_VERSION, Record
from plantkit.scoring.score import SCORING_VERSION
from plantkit.scoring.starts import rank_by_start
from plantkit.version import __version__

if TYPE_CHECKING:
    from plantkit.networks.masks import Mask

#: Keys that results of this format have had for a while only, as the arguments of a KeyError.
_NEW_KEYS = {("manifest",), ("limits",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How an evaluation ran. Nothing here changes a score, but limits may fail a run.

    isolation: the level that was applied, "full", "process", "watched" or "none". speed: this
    machine's, against the reference machine's, by which effort is counted; None where it was not
    measured. time_seconds, memory_mib: the limits of a run; None where runs had different ones.
    """

    jobs: int = 1
    device: str = "cpu"
    isolation: str = "process"
    speed: float | None = None
    time_seconds: float | None = 300.0
    memory_mib: int | None = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Which software made an evaluation. environment: versions by name; see `machine`."""

    plantkit_version: str = __version__
    environment: Mapping[str, str] = field(default_factory=environment)
    git_hash: str | None = field(default_factory=git_hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All results of an evaluation; `reports` turn it into text.

    started: ISO 8601 with time zone. masks: by `Record.mask_sha256`, those that were kept.
    """

    entries: Sequence[Entry]
    challenges: Sequence[ChallengeFacts]
    suite: str | None
    protocol: Protocol
    records: Sequence[Record]
    standings: Sequence[Standing]
    settings: Settings
    started: str
    provenance: Provenance = field(default_factory=Provenance)
    masks: Mapping[str, Mask] = field(default_factory=dict, repr=False, compare=False)

    def records_of(self, pruner: str, challenge: ChallengeFacts) -> list[Record]:
        return [
            record
            for record in self.records
            if record.pruner == pruner and record.bundle_sha256 == challenge.digest
        ]

    def to_json(self) -> dict[str, Any]:
        """Returns the object that `--format json` prints; its schema is `results`."""
        return {
            "schema_version": RESULTS_VERSION,
            "plantkit_version": self.provenance.plantkit_version,
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
                "limits": {
                    "time_seconds": self.settings.time_seconds,
                    "memory_mib": self.settings.memory_mib,
                },
                "git_hash": self.provenance.git_hash,
            },
            "env": dict(self.provenance.environment),
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
                    "manifest": dict(challenge.manifest),
                }
                for challenge in self.challenges
            ],
            "pruners": [entry.to_json() for entry in self.entries],
            "records": [record.to_json() for record in self.records],
            "standings": [standing.to_json() for standing in self.standings],
        }

    @classmethod
    def from_json(
        cls,
        value: Mapping[str, Any],
        *,
        records: Sequence[Record] | None = None,
        masks: Mapping[str, Mask] = MappingProxyType({}),
    ) -> Evaluation:
        """Returns the evaluation that `to_json` made `value` of, ranked anew.

        Args:
            records: instead of those in `value`.

        Raises:
            ResultsError: it is not such a value, is of another version, or its records are not
                those of its runs.
        """
        for key, wanted, word in (
            ("schema_version", RESULTS_VERSION, "written in format"),
            ("scoring_version", SCORING_VERSION, "scored by version"),
        ):
            if value.get(key) != wanted:
                raise ResultsError(
                    f"{word} {value.get(key)}; this plantkit has {wanted}: evaluate again"
                )
        try:
            found = _parse(value, records, masks)
            _check_digests(found.challenges)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if error.args[:1] in _NEW_KEYS:
                raise ResultsError("written by an older plantkit: evaluate again") from error
            raise ResultsError(
                f"these are not the results of an evaluation ({type(error).__name__}: {error})"
            ) from error
        check_records(found.entries, found.challenges, found.protocol, found.records)
        ranked = rank_by_start(found.challenges, found.records, found.protocol)
        return replace(found, standings=ranked)


def _check_digests(challenges: Iterable[ChallengeFacts]) -> None:
    """Raises `ResultsError` unless each challenge has the manifest that its digest is of."""
    for challenge in challenges:
        if challenge_digest(challenge.manifest) != challenge.digest:
            raise ResultsError(
                f"the manifest of {challenge.id} does not have the digest {challenge.digest} that "
                "is stated: it was altered; evaluate again"
            )


def in_grid_order(
    records: Iterable[Record], entries: Sequence[Entry], challenges: Sequence[ChallengeFacts]
) -> list[Record]:
    """Returns the records in the order of the grid, whatever order they were made in."""
    entry_order = {entry.label: place for place, entry in enumerate(entries)}
    challenge_order = {challenge.digest: place for place, challenge in enumerate(challenges)}
    return sorted(
        records,
        key=lambda record: (
            challenge_order[record.bundle_sha256],
            entry_order[record.pruner],
            record.target_density,
            record.seed,
        ),
    )


def _parse(
    value: Mapping[str, Any], records: Sequence[Record] | None, masks: Mapping[str, Mask]
) -> Evaluation:
    run = value["run"]
    if records is None:
        records = [Record.from_json(one) for one in value["records"]]
    return Evaluation(
        entries=[Entry.from_json(one) for one in value["pruners"]],
        challenges=[
            ChallengeFacts.of(digest=one["bundle_sha256"], manifest=one["manifest"])
            for one in value["challenges"]
        ],
        suite=run["suite"],
        protocol=Protocol(
            densities=tuple(run["densities"]),
            seeds=run["seeds"],
            family_weights=run["family_weights"],
            **{f"{part}_weight": weight for part, weight in run["weights"].items()},
        ),
        records=records,
        standings=[],
        settings=Settings(
            jobs=run["threads"],
            device=run["device"],
            isolation=run["isolation"],
            speed=run["speed"],
            **run["limits"],
        ),
        started=run["date"],
        provenance=Provenance(
            plantkit_version=value["plantkit_version"],
            environment=value["env"],
            git_hash=run["git_hash"],
        ),
        masks=masks,
    )
