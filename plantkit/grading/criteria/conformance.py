"""The share of checks of the plugin contract that a submission passes.

These are the checks of the conformance suite, `plantkit.testing`, that need no trust, and the
runs of the rubric's grid, which together count as one check: each must give a valid mask, in
time and within memory. A check that could not be made counts as missed, so that the number of
checks is the same for every submission.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from plantkit.grading.criteria import Bench, Measured, failures_text, fault_of
from plantkit.testing import CHECKS, CheckResult, CheckStatus, Laboratory, run_checks

if TYPE_CHECKING:
    from plantkit.grading.rubric import Criterion

#: Checks that are missed and told; the first ones are what the later ones follow from.
_MOST_TOLD = 5


def measure(criterion: Criterion, bench: Bench) -> Measured:
    """Returns the share of checks that pass."""
    records = bench.run_records(criterion, bench.entry.label)
    results = _examine(bench)
    missed = [result for result in results if result.status is not CheckStatus.OK]
    fault = fault_of(records)
    passed = len(results) - len(missed) + (fault is None)
    total = sum(not check.needs_trust for check in CHECKS) + 1
    return Measured(
        value=passed / total,
        got=f"{passed} of {total} checks passed",
        message="\n".join(
            [*map(_missed_line, missed[:_MOST_TOLD]), *filter(None, [failures_text(records)])]
        ),
        fault=fault,
        seconds=math.fsum(record.seconds for record in records)
        + math.fsum(result.seconds for result in results),
    )


def _examine(bench: Bench) -> list[CheckResult]:
    """Returns the results of all checks that need no trust."""
    with Laboratory(limits=bench.limits, isolation=bench.isolation) as laboratory:
        trusting = [check.name for check in CHECKS if check.needs_trust]
        return list(run_checks(bench.entry.source, laboratory, leave_out=trusting))


def _missed_line(result: CheckResult) -> str:
    if result.status is CheckStatus.SKIPPED:
        return f"{result.check}: not run, {result.reason}"
    return f"{result.check}: expected {result.expected}; got {result.got}"
