"""Scores under budgets of effort, so that one look and a long search are compared fairly.

Effort is the processor time of a pruner's run in seconds of the reference machine; see
`plantkit.evaluation.calibration`.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from plantkit.challenges.facts import ChallengeFacts
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.ranking import Standing
from plantkit.scoring.recording import record_of
from plantkit.scoring.records import Record
from plantkit.scoring.starts import rank_by_start

#: Budgets of effort of one run, in seconds of the reference machine.
BUDGETS = (2.0, 10.0, 60.0, 300.0)


def scores_at_budgets(
    challenges: Sequence[ChallengeFacts],
    records: Sequence[Record],
    protocol: Protocol,
    budgets: Sequence[float] = BUDGETS,
) -> dict[float, list[Standing]]:
    """Returns the standings at every budget, where a run that took more counts as failed.

    A pruner takes part if the effort of all its valid runs is known.
    """
    unknown = {record.pruner for record in records if is_unknown(record)}
    known = [record for record in records if record.pruner not in unknown]
    return {
        budget: rank_by_start(challenges, within(challenges, known, budget), protocol)
        for budget in budgets
    }


def within(
    challenges: Sequence[ChallengeFacts], records: Sequence[Record], budget: float
) -> list[Record]:
    """Returns the records, those of runs that took more effort than `budget` as failed."""
    by_digest = {challenge.digest: challenge for challenge in challenges}
    return [
        _failed(by_digest[record.bundle_sha256], record, budget)
        if record.status == "ok" and record.effort is not None and record.effort > budget
        else record
        for record in records
    ]


def is_unknown(record: Record) -> bool:
    """Returns whether nobody measured what a valid run took."""
    return record.status == "ok" and record.effort is None


def mean_effort(records: Sequence[Record]) -> float | None:
    """Returns the mean effort of a run, or None where that of any valid run is not known."""
    known = [record.effort for record in records if record.effort is not None]
    return fmean(known) if known and not any(map(is_unknown, records)) else None


def mean_efforts(records: Sequence[Record]) -> dict[str, float | None]:
    """Returns the mean effort of a run of each pruner; see `mean_effort`."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.pruner, []).append(record)
    return {pruner: mean_effort(mine) for pruner, mine in found.items()}


def _failed(challenge: ChallengeFacts, record: Record, budget: float) -> Record:
    """Returns the record that a run would have had if it had been stopped at `budget`."""
    attempt = Attempt(
        pruner=record.pruner,
        target_density=record.target_density,
        is_planted_density=record.is_planted_density,
        seed=record.seed,
        status="timeout",
        mask=None,
        error=f"took {record.effort:.3g} s of effort, more than the {budget:g} s allowed",
        seconds=record.seconds,
        peak_rss_mib=record.peak_rss_mib,
        cpu_seconds=record.cpu_seconds,
        effort=record.effort,
        rewind_step=record.rewind_step,
    )
    return record_of(challenge, attempt)
