"""The share of checks of the plugin contract that a submission passes.

The checks are those of the conformance suite, `plantkit.testing`, that need no trust. All runs
of the rubric's grid together count as one more check: each must give a valid mask, in time and
within memory. A check that could not be made counts as missed, so that the number of checks is
the same for every submission.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from plantkit.grading.criteria import Bench, Measured, expected_share, failures_text, fault_of
from plantkit.testing import CHECKS, CheckResult, CheckStatus, Laboratory, run_checks

if TYPE_CHECKING:
    from plantkit.grading.rubric import Criterion
    from plantkit.pruners.sources import PrunerSource

#: Most missed checks that are shown. The later ones often follow from the first ones.
_MOST_TOLD = 5


def expected(criterion: Criterion) -> str:
    return expected_share("all checks passed", criterion)


def examine(
    source: PrunerSource, laboratory: Laboratory, *, hangs: bool = False
) -> list[CheckResult]:
    """Returns the results of all checks that need no trust.

    After one that fails and took the whole time limit the others are not made, nor is any where the
    submission's runs hang.
    """
    chosen = [check for check in CHECKS if not check.needs_trust]
    trusting = [check.name for check in CHECKS if check.needs_trust]
    results: list[CheckResult] = []
    reason = "since the rubric's runs reached the time limit" if hangs else ""
    made = run_checks(source, laboratory, leave_out=trusting)
    for check in chosen:
        if reason:
            results.append(
                CheckResult(
                    check=check.name,
                    description=check.description,
                    status=CheckStatus.SKIPPED,
                    reason=reason,
                )
            )
            continue
        result = next(made)
        results.append(result)
        took_all = result.seconds >= laboratory.limits.time_seconds
        if took_all and result.status is CheckStatus.FAILED:
            reason = f"since {check.name!r} took the whole time limit"
    return results


def measure(criterion: Criterion, bench: Bench) -> Measured:
    """Returns the share of passed checks, of those of the contract and the one of the runs."""
    records = [
        record for challenge in bench.challenges for record in bench.records(criterion, challenge)
    ]
    results = bench.examine()
    missed = [result for result in results if result.status is not CheckStatus.OK]
    fault = fault_of(records)
    passed = len(results) - len(missed) + (fault is None)
    lines = [*_missed_lines(missed)[:_MOST_TOLD], failures_text(records)]
    return Measured(
        value=passed / (len(results) + 1),
        got=f"{passed} of {len(results) + 1} checks passed",
        message="\n".join(filter(None, lines)),
        fault=fault,
        seconds=math.fsum(record.seconds for record in records)
        + math.fsum(result.seconds for result in results),
    )


def _missed_lines(missed: Sequence[CheckResult]) -> list[str]:
    """Returns a line for every failed check, and one for all that were not made for one reason."""
    lines: dict[str, str] = {}
    for result in missed:
        if result.status is CheckStatus.FAILED:
            lines[result.check] = f"{result.check}: expected {result.expected}; got {result.got}"
            continue
        same = [one.check for one in missed if one.reason == result.reason]
        more = f" and {len(same) - 1} more" if len(same) > 1 else ""
        lines.setdefault(f"reason {result.reason}", f"{same[0]}{more}: not run, {result.reason}")
    return list(lines.values())
