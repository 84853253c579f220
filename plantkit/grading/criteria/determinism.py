"""The share of runs that give the same mask again, in another process."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from plantkit.grading.criteria import Bench, Measured, expected_share, fault_of
from plantkit.isolation.wire import Status

if TYPE_CHECKING:
    from plantkit.grading.rubric import Criterion
    from plantkit.scoring.records import Record


def expected(criterion: Criterion) -> str:
    return expected_share("the same mask again", criterion)


def measure(criterion: Criterion, bench: Bench) -> Measured:
    """Returns the share of repeated runs, one per challenge and density, whose mask is the same.

    The repeat runs in another interpreter, which hashes strings in another order. After one that
    reaches the time limit no other is made on its challenge.
    """
    seconds = 0.0
    firsts: list[Record] = []
    different: list[str] = []
    for challenge in bench.challenges:
        hung = False
        for record in bench.records(criterion, challenge):
            if record.seed != 0:
                continue
            firsts.append(record)
            where = f"{challenge.id} at density {record.target_density:.4g}"
            if record.status != "ok":
                different.append(f"{where}: {record.status}: {record.error}")
                continue
            if hung:
                different.append(f"{where}: not repeated, since a repeated run took too long")
                continue
            outcome = bench.run_again(record)
            seconds += outcome.seconds
            hung = outcome.status is Status.TIMEOUT
            if outcome.mask is None:
                different.append(f"{where}: {outcome.status.value}: {outcome.error}")
            elif outcome.mask.digest() != record.mask_sha256:
                different.append(f"{where}: another mask for the same seed")
    same = len(firsts) - len(different)
    return Measured(
        value=same / len(firsts),
        got=f"{same} of {len(firsts)} repeated runs gave the same mask",
        message="\n".join(different[:3]),
        fault=fault_of(firsts),
        seconds=math.fsum([seconds, *(record.seconds for record in firsts)]),
    )
