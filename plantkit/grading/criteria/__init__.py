"""Kinds of criteria: each measures one value of a submission.

A new kind is a new module here, with functions `expected` and `measure`, and its name in the
rubric's schema.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from plantkit.grading.grade import MarkVerdict, worst_fault

if TYPE_CHECKING:
    from plantkit.challenges.bundles import PublicChallenge
    from plantkit.challenges.facts import ChallengeFacts
    from plantkit.grading.rubric import Criterion
    from plantkit.isolation.levels import Isolation
    from plantkit.isolation.wire import Limits
    from plantkit.scoring.entries import Entry
    from plantkit.scoring.evaluation import Evaluation
    from plantkit.scoring.protocol import Protocol as ScoringProtocol
    from plantkit.scoring.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a criterion measures on.

    evaluation: of the rubric's run, or of the criterion's fresh instances. challenges: those
    that the criterion looks at; the evaluation may hold more. protocol: densities, seeds and
    weights of the rubric's run; the evaluation may hold more densities. isolation: the
    evaluation's level, and what no pruner may read.
    """

    evaluation: Evaluation
    challenges: Sequence[PublicChallenge]
    entry: Entry
    protocol: ScoringProtocol
    limits: Limits
    isolation: Isolation

    def records(self, criterion: Criterion, pruner: str, challenge: ChallengeFacts) -> list[Record]:
        """Returns a pruner's records at the criterion's density, or all of the run's, by seed
        and density."""
        asked = self.protocol.densities if criterion.density is None else [criterion.density]
        wanted = {challenge.density_of(density) for density in asked} - {None}
        found = [
            record
            for record in self.evaluation.records_of(pruner, challenge)
            if record.target_density in wanted
        ]
        return sorted(found, key=lambda record: (record.seed, record.target_density))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A criterion's value.

    got: the value in words. message: what went wrong, else "". fault: see `fault_of`.
    """

    value: float | None
    got: str
    message: str = ""
    fault: MarkVerdict | None = None
    seconds: float = 0.0


class Kind(Protocol):
    """A module of this package."""

    def expected(self, criterion: Criterion) -> str: ...

    def measure(self, criterion: Criterion, bench: Bench) -> Measured: ...


def kind_of(criterion: Criterion) -> Kind:
    """Returns the module that measures a criterion."""
    kind: Kind = importlib.import_module(f"{__name__}.{criterion.kind}")
    return kind


def expected_share(what: str, criterion: Criterion) -> str:
    """Returns what is expected in words: `what`, and how much of it unless it is all."""
    return what if criterion.credit.target == 1.0 else f"{what}: {criterion.credit.expected()}"


def fault_of(records: Sequence[Record]) -> MarkVerdict | None:
    """Returns the worst that happened in runs: `ERROR`, `INVALID`, or None."""
    return worst_fault(
        MarkVerdict.INVALID if record.status == "invalid" else MarkVerdict.ERROR
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
