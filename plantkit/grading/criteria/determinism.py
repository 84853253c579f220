"""The share of runs that give the same mask again, in another process."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from plantkit.grading.criteria import Bench, Measured, expected_share, fault_of
from plantkit.isolation.jobs import PruneJob
from plantkit.isolation.leftovers import scratch_directory
from plantkit.isolation.opening import open_backend
from plantkit.isolation.problems import write_problem

if TYPE_CHECKING:
    from plantkit.grading.rubric import Criterion
    from plantkit.scoring.records import Record


def expected(criterion: Criterion) -> str:
    return expected_share("the same mask again", criterion)


def measure(criterion: Criterion, bench: Bench) -> Measured:
    """Returns the share of repeated runs, one per challenge and density, whose mask is the same.

    The repeat runs in a freshly started interpreter, which hashes strings in another order.
    """
    seconds = 0.0
    firsts: list[Record] = []
    different: list[str] = []
    with (
        scratch_directory() as directory,
        open_backend(directory / "cells", bench.isolation) as backend,
    ):
        for challenge in bench.challenges:
            problem_directory = directory / challenge.digest
            write_problem(problem_directory, challenge.problem(density=1.0, seed=0))
            for record in bench.records(criterion, bench.entry.label, challenge):
                if record.seed != 0:
                    continue
                firsts.append(record)
                where = f"{challenge.id} at density {record.target_density:.4g}"
                if record.status != "ok":
                    different.append(f"{where}: {record.status}: {record.error}")
                    continue
                job = PruneJob(
                    source=bench.entry.source,
                    problem=problem_directory,
                    network=challenge.network,
                    density=record.target_density,
                    seed=record.seed,
                    limits=bench.limits,
                )
                outcome = backend.run(job)
                seconds += outcome.seconds
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
