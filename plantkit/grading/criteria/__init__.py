"""Kinds of criteria: each measures one value of a submission.

A new kind is a new module here, with functions `expected` and `measure`, and its name in the
rubric's schema.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from plantkit.grading.grade import MarkVerdict, worst_fault

if TYPE_CHECKING:
    from plantkit.challenges.facts import ChallengeFacts
    from plantkit.grading.rubric import Criterion
    from plantkit.isolation.jobs import Outcome
    from plantkit.scoring.protocol import Protocol as ScoringProtocol
    from plantkit.scoring.records import Record
    from plantkit.testing import CheckResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a criterion measures on.

    mine: records of the submission; baselines: of the pruners that it is compared with.
    challenges: those that the criterion looks at; there may be records on more. protocol:
    densities, seeds and weights of the rubric's run; there may be records at more densities.
    run_again: returns what comes of the run of a record in another interpreter. examine: makes
    the checks of the plugin contract.
    """

    mine: Sequence[Record]
    baselines: Sequence[Record]
    challenges: Sequence[ChallengeFacts]
    protocol: ScoringProtocol
    run_again: Callable[[Record], Outcome]
    examine: Callable[[], Sequence[CheckResult]]

    def records(
        self, criterion: Criterion, challenge: ChallengeFacts, *, baseline: str | None = None
    ) -> list[Record]:
        """Returns the records at the criterion's density, or all of the run's, by seed and density.

        Args:
            baseline: whose records; the submission's if None.
        """
        asked = self.protocol.densities if criterion.density is None else [criterion.density]
        wanted = {challenge.density_of(density) for density in asked} - {None}
        of_baseline = [record for record in self.baselines if record.pruner == baseline]
        found = [
            record
            for record in (self.mine if baseline is None else of_baseline)
            if record.bundle_sha256 == challenge.digest and record.target_density in wanted
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
