"""The share of checks of the plugin contract that a submission passes.

These are the conformance suite, `plantkit.testing`, where this plantkit has it, and the runs
of the rubric's grid, which together count as one check: each must give a valid mask, in time
and within memory. Without the suite every run of the grid is a check.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from typing import TYPE_CHECKING, Any

from plantkit.grading.criteria import Bench, Measured, failures_text

if TYPE_CHECKING:
    from plantkit.grading.rubric import Criterion

#: Offers `Laboratory(limits=, isolation=)`, a context manager, and `run_checks(source,
#: laboratory)`, which yields results with check, description, status, expected, got and reason.
SUITE = "plantkit.testing"


def measure(criterion: Criterion, bench: Bench) -> Measured:
    """Returns the share of checks that pass; without the suite, of runs with a valid mask."""
    records = bench.run_records(criterion, bench.entry.label)
    good = sum(record.status == "ok" for record in records)
    seconds = math.fsum(record.seconds for record in records)
    failures = failures_text(records)
    is_error = good < len(records)
    if importlib.util.find_spec(SUITE) is None:
        return Measured(
            value=good / len(records),
            got=f"{good} of {len(records)} runs gave a valid mask",
            message=failures,
            is_error=is_error,
            seconds=seconds,
        )
    results = _examine(bench)
    missed = [result for result in results if not _has_passed(result)]
    passed, total = len(results) - len(missed) + (not is_error), len(results) + 1
    return Measured(
        value=passed / total,
        got=f"{passed} of {total} checks passed",
        message="\n".join([*map(_missed_line, missed[:5]), *filter(None, [failures])]),
        is_error=is_error,
        seconds=math.fsum([seconds, *(result.seconds for result in results)]),
    )


def _examine(bench: Bench) -> list[Any]:
    """Returns the results of all checks that could be made."""
    suite = importlib.import_module(SUITE)
    with suite.Laboratory(limits=bench.limits, isolation=bench.isolation) as laboratory:
        results = list(suite.run_checks(bench.entry.source, laboratory))
    return [result for result in results if not _is_left_out(result)]


def _has_passed(result: Any) -> bool:
    return str(result.status) == "ok"


def _is_left_out(result: Any) -> bool:
    """Whether a check does not count: skipped, but not since another one failed."""
    return str(result.status) == "skipped" and not str(result.reason).startswith("after ")


def _missed_line(result: Any) -> str:
    if str(result.status) == "skipped":
        return f"{result.check}: not run, {result.reason}"
    return f"{result.check}: expected {result.expected}; got {result.got}"
