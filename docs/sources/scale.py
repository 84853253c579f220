"""Figures of what records, submissions and a cluster cost."""

from __future__ import annotations

from statistics import median

from sources import RESULTS, read, source, table

SCALE = RESULTS / "scale.json"


@source
def scale_growth() -> str:
    """Returns a table of cost and memory by numbers of records and submissions."""
    rows = [
        (
            what,
            f"{int(number):,}",
            f"{one['cpu']:.1f}",
            f"{1000 * one['cpu'] / int(number):.1f}",
            one["peak_mib"],
        )
        for what, numbers in read(SCALE).items()
        if isinstance(numbers, dict)
        for number, one in numbers.items()
    ]
    return table("of | so many | CPU seconds | ms each | peak MiB", rows)


@source
def scale_executors() -> str:
    """Returns how many times as long two workers of a cluster take as two jobs, in the median."""
    rounds = read(SCALE)["executors"]
    return f"{median(row['two workers'] / row['two jobs'] for row in rounds):.2f}"


@source
def scale_executor_seconds(name: str) -> str:
    """Returns the median wall seconds of `two_jobs` or `two_workers`."""
    return f"{median(row[name.replace('_', ' ')] for row in read(SCALE)['executors']):.1f}"


@source
def scale_load() -> str:
    """Returns the load of the machine at the end of these measurements."""
    return str(read(SCALE)["load"])
