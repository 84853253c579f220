"""Kinds of criteria: each measures one value of a submission. A new kind is a new file here,
a line in `KINDS`, and its name in the rubric's schema."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from plantkit.grading.grade import Verdict, worst_fault

if TYPE_CHECKING:
    from plantkit.challenges.bundles import Challenge
    from plantkit.grading.rubric import Criterion, Rubric
    from plantkit.isolation.levels import Isolation
    from plantkit.isolation.wire import Limits
    from plantkit.scoring.entries import Entry
    from plantkit.scoring.evaluation import Evaluation
    from plantkit.scoring.protocol import Protocol as ScoringProtocol
    from plantkit.scoring.records import Record

KINDS = {
    "conformance": "plantkit.grading.criteria.conformance",
    "determinism": "plantkit.grading.criteria.determinism",
    "metric": "plantkit.grading.criteria.metric",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What criteria measure on: the evaluation that the rubric asked for.

    protocol: densities, seeds and weights of the rubric's run; the evaluation may hold more
    densities. challenges: those of the run, without those that only a criterion names.
    places: the challenges of every criterion that names one, by the criterion's position.
    isolation: the level that the evaluation had, and what no pruner may read.
    """

    rubric: Rubric
    evaluation: Evaluation
    entry: Entry
    protocol: ScoringProtocol
    challenges: Sequence[Challenge]
    places: Mapping[int, Sequence[Challenge]]
    limits: Limits
    isolation: Isolation

    def challenges_of(self, criterion: Criterion) -> Sequence[Challenge]:
        return self.places.get(criterion.position, self.challenges)

    def run_records(self, criterion: Criterion, pruner: str) -> list[Record]:
        """Returns a pruner's records at the run's densities, on the criterion's challenges."""
        return [
            record
            for challenge in self.challenges_of(criterion)
            for record in self.evaluation.records_of(pruner, challenge)
            if self.is_run_density(record)
        ]

    def is_run_density(self, record: Record) -> bool:
        return any(matches(record, density) for density in self.protocol.densities)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A criterion's value.

    got: the value in words. message: what went wrong, else "". fault: see `fault_of`.
    """

    value: float | None
    got: str
    message: str = ""
    fault: Verdict | None = None
    seconds: float = 0.0


class Kind(Protocol):
    """A module of this package."""

    def measure(self, criterion: Criterion, bench: Bench) -> Measured: ...


def kind_of(criterion: Criterion) -> Kind:
    """Returns the module that measures a criterion."""
    kind: Kind = importlib.import_module(KINDS[criterion.kind])
    return kind


def matches(record: Record, density: float | str) -> bool:
    """Returns whether a record was made at `density`, a number or "planted"."""
    if density == "planted":
        return record.is_planted_density
    return record.target_density == density


def fault_of(records: Sequence[Record]) -> Verdict | None:
    """Returns what went wrong in runs, the gravest: `ERROR`, `INVALID`, or None."""
    return worst_fault(
        Verdict.INVALID if record.status == "invalid" else Verdict.ERROR
        for record in records
        if record.status != "ok"
    )


def failures_text(records: Sequence[Record]) -> str:
    """Returns what went wrong in runs, one line for each distinct error; "" if nothing did."""
    failed = [record for record in records if record.status != "ok"]
    if not failed:
        return ""
    distinct = dict.fromkeys((record.status, record.error) for record in failed)
    shown = [f"{status}: {error}" for status, error in distinct]
    more = [f"and {len(shown) - 3} other errors"] if len(shown) > 3 else []
    return "\n".join([f"{len(failed)} of {len(records)} runs failed", *shown[:3], *more])
