"""Figures of how long an evaluation takes."""

from __future__ import annotations

from statistics import median

from sources import RESULTS, read, source, table

LOOP = RESULTS / "loop.json"
#: States of `benchmarks/loop.py`, and what is in the cache in each.
STATES = {
    "cold": "nothing, on `relu-5x100` alone",
    "changed": "all but a changed submission",
    "watched": "the same, with `--watch`",
    "unchanged": "all",
}


@source
def loop_seconds() -> str:
    """Returns a table of how long evaluations take; see `benchmarks/loop.py`."""
    rows = []
    for state, runs in read(LOOP)["states"].items():
        walls, cpus = ([run[name] for run in runs] for name in ("wall", "cpu"))
        wall = f"{min(walls):.1f} to {max(walls):.1f}"
        rows.append((STATES[state], wall, f"{median(cpus):.1f}"))
    return table("what is in the cache | wall | CPU", rows)


@source
def loop_processes() -> str:
    """Returns a table of the processor seconds of each kind of process."""
    states = read(LOOP)["states"]
    kinds = dict.fromkeys(
        kind for runs in states.values() for one in runs for kind in one["processes"]
    )
    rows = [
        (
            kind,
            *(
                f"{median(one['processes'].get(kind, 0.0) for one in runs):.2f}"
                for runs in states.values()
            ),
        )
        for kind in kinds
    ]
    return table(" | ".join(["processor seconds of", *states]), rows)


@source
def loop_busy(state: str) -> str:
    """Returns the wall seconds that a state would take if no core ever waited."""
    found = read(LOOP)
    cores = min(found["jobs"], found["cores"])
    return f"{median(run['cpu'] for run in found['states'][state]) / cores:.1f}"


@source
def loop_baselines() -> str:
    """Returns which baselines were ranked with the submission."""
    return str(read(LOOP)["baselines"])


@source
def loop_load() -> str:
    """Returns the greatest load of the machine during these measurements."""
    return f"{read(LOOP)['load']:.1f}"
