"""Criteria that count the checks which a submission passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from builders import record_of as run
from toy_benches import bench, criterion, failed

from plantkit.challenges.bundles import Challenge
from plantkit.grading.criteria import (
    Measured,
    conformance,
)
from plantkit.grading.grade import MarkVerdict
from plantkit.isolation.levels import Isolation, process_level
from plantkit.isolation.wire import Limits
from plantkit.pruners.sources import PrunerSource
from plantkit.testing import CHECKS, CheckResult, CheckStatus, Laboratory


def test_conformance_counts_its_own_runs_and_the_checks_of_its_bench(
    circle: Challenge, relu: Challenge
) -> None:
    checks = [
        CheckResult(check="a", description="", status=CheckStatus.OK, seconds=0.25),
        CheckResult(check="b", description="", status=CheckStatus.OK, seconds=0.5),
    ]
    asked = criterion(kind="conformance", density=None, at_least=None)
    records = [run(circle), run(relu), failed(relu, pruner="other"), failed(relu, seed=1)]
    records.append(failed(relu, target_density=0.125))  # which no density of the run asks for
    tested = bench([circle, relu], records)
    found = conformance.measure(asked, replace(tested, examine=lambda: checks))
    assert found == Measured(
        value=pytest.approx(2 / 3),
        got="2 of 3 checks passed",
        message="1 of 3 runs failed\ncrash: why",
        fault=MarkVerdict.ERROR,
        seconds=9.75,
    )
    # The runs of the challenges that the criterion looks at count, and no others.
    found = conformance.measure(asked, bench([circle], records, examine=lambda: checks))
    assert (found.value, found.message, found.seconds) == (1.0, "", 3.75)


def test_five_missed_checks_are_told_at_most(relu: Challenge) -> None:
    missed = [
        CheckResult(check=name, description="", status=CheckStatus.FAILED, expected="e", got="g")
        for name in "abcdef"
    ]
    asked = criterion(kind="conformance", at_least=None)
    tested = bench([relu], [run(relu)], examine=lambda: missed)
    found = conformance.measure(asked, tested)
    assert found.message == "\n".join(f"{name}: expected e; got g" for name in "abcde")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        # Only full isolation keeps a submission from reading this file.
        (f"open({__file__!r}).close()\nraise ValueError('it was read')\n", "it was read"),
        ("import time\ntime.sleep(60)\n", "ran longer than the time limit of 1 s"),
    ],
    ids=["isolation", "limits"],
)
def test_checks_are_made_with_the_laboratorys_limits_and_isolation(
    write: Callable[..., Path], code: str, told: str
) -> None:
    """The submission cannot be loaded, so that one check is made and the others are skipped."""
    source = PrunerSource(path=str(write(code)))
    isolation = Isolation(level=process_level())
    with Laboratory(limits=Limits(time_seconds=1.0), isolation=isolation) as laboratory:
        results = conformance.examine(source, laboratory)
    assert [result.check for result in results] == [
        check.name for check in CHECKS if not check.needs_trust
    ]
    first, *others = results
    assert (first.check, first.status) == ("loads", CheckStatus.FAILED)
    assert told in first.got
    assert {result.status for result in others} == {CheckStatus.SKIPPED}


def test_a_submission_that_hangs_is_not_checked_on(write: Callable[..., Path]) -> None:
    """One check takes the whole time limit, the others are not made; where runs hung, none is."""
    code = "import time\ndef prune(problem, density, seed):\n    time.sleep(60)\n"
    source = PrunerSource(path=str(write(code)))
    with Laboratory(limits=Limits(time_seconds=1.0)) as laboratory:
        first, second, *others = conformance.examine(source, laboratory)
        assert (first.check, first.status) == ("loads", CheckStatus.OK)
        assert (second.check, second.status) == ("returns-mask", CheckStatus.FAILED)
        assert {one.status for one in others} == {CheckStatus.SKIPPED}
        assert {one.reason for one in others} == {"since 'returns-mask' took the whole time limit"}
        none = conformance.examine(source, laboratory, hangs=True)
    assert [one.check for one in none] == [one.check for one in (first, second, *others)]
    assert {(one.status, one.reason) for one in none} == {
        (CheckStatus.SKIPPED, "since the rubric's runs reached the time limit")
    }


def test_checks_that_were_not_made_for_one_reason_take_one_line(relu: Challenge) -> None:
    checks = [
        CheckResult(check=name, description="", status=CheckStatus.SKIPPED, reason=reason)
        for name, reason in (("a", "after 'x' failed"), ("b", "since y"), ("c", "since y"))
    ]
    tested = bench([relu], [run(relu)], examine=lambda: checks)
    found = conformance.measure(criterion(kind="conformance", at_least=None), tested)
    assert found.message == "a: not run, after 'x' failed\nb and 1 more: not run, since y"
