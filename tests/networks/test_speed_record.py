"""`benchmarks/speed.py --short` warns of what has become slower, and of nothing else."""

from __future__ import annotations

from speed import compared


def warnings(found, record):
    return [line for line in compared(found, record) if line.startswith("::warning::")]


def test_a_ratio_that_has_fallen_by_more_than_three_tenths_is_warned_of():
    record = {"one run": 10.0, "many runs": 20.0}
    assert warnings({"one run": 7.1, "many runs": 25.0}, record) == []
    [line] = warnings({"one run": 7.1, "many runs": 10.0}, record)
    assert line == "::warning::many runs: 50% slower than on record; see docs/speed.md"


def test_every_ratio_is_shown_even_one_without_a_record():
    assert list(compared({"new": 3.14}, {})) == [
        "new: 3.1 times faster than the plain loop; on record None"
    ]
