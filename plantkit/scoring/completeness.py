"""Whether the records of an evaluation are those of its runs: each once, and no others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from plantkit.challenges.facts import ChallengeFacts
from plantkit.errors import ResultsError
from plantkit.scoring.entries import Entry
from plantkit.scoring.protocol import Protocol, resolve_densities
from plantkit.scoring.records import Record


def missing_runs(
    entries: Sequence[Entry],
    challenges: Sequence[ChallengeFacts],
    protocol: Protocol,
    records: Sequence[Record],
) -> list[str]:
    """Returns the runs that have no record, in words."""
    made = {record.key for record in records}
    return [
        f"{entry.label} on {challenge.id} at density {density:.4g}, seed {seed}"
        for challenge in challenges
        for entry in entries
        for density, _ in resolve_densities(challenge, protocol)
        for seed in range(protocol.seeds)
        if (entry.label, challenge.digest, density, seed) not in made
    ]


def check_records(
    entries: Sequence[Entry],
    challenges: Sequence[ChallengeFacts],
    protocol: Protocol,
    records: Sequence[Record],
) -> None:
    """Checks that there is one record of every run, and none besides.

    Raises:
        ResultsError: there is not.
    """
    by_digest = {challenge.digest: challenge for challenge in challenges}
    by_label = {entry.label: entry for entry in entries}
    planned = {
        digest: dict(resolve_densities(challenge, protocol))
        for digest, challenge in by_digest.items()
    }
    others = [
        record
        for record in records
        if (entry := by_label.get(record.pruner)) is None
        or (challenge := by_digest.get(record.bundle_sha256)) is None
        or record.challenge != challenge.id
        or planned[record.bundle_sha256].get(record.target_density) is not record.is_planted_density
        or record.seed not in range(protocol.seeds)
        or record.rewind_step != entry.rewind
    ]
    if others:
        raise ResultsError(
            f"{len(others)} of {len(records)} records are of no run of this evaluation, the first "
            f"of {run_words(others[0])}; evaluate again"
        )
    counts = Counter(record.key for record in records)
    if repeated := [record for record in records if counts[record.key] > 1]:
        raise ResultsError(
            f"{len(repeated)} of {len(records)} records are of a run that has another one, the "
            f"first of {run_words(repeated[0])}; evaluate again"
        )
    if missing := missing_runs(entries, challenges, protocol, records):
        raise ResultsError(
            f"{len(missing)} of {len(missing) + len(records)} runs are missing, the first of "
            f"{missing[0]}; end the evaluation with --run-dir and --resume first"
        )


def run_words(record: Record) -> str:
    """Returns which run a record is of, in words."""
    return (
        f"{record.pruner} on {record.challenge} at density {record.target_density:.4g}, "
        f"seed {record.seed}"
    )
