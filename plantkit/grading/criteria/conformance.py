"""The share of checks of the plugin contract that a submission passes.

Without the conformance suite these are the runs of the rubric's grid: each must give a valid
mask, in time and within memory.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from plantkit.grading.criteria import Bench, Measured, failures_text

if TYPE_CHECKING:
    from plantkit.grading.rubric import Criterion


def measure(criterion: Criterion, bench: Bench) -> Measured:
    """Returns the share of runs that gave a valid mask."""
    records = bench.run_records(criterion, bench.entry.label)
    good = sum(record.status == "ok" for record in records)
    return Measured(
        value=good / len(records),
        got=f"{good} of {len(records)} runs gave a valid mask",
        message=failures_text(records),
        is_error=good < len(records),
        seconds=math.fsum(record.seconds for record in records),
    )
