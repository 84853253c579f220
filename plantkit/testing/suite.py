"""Running the checks: all at once for a report, or one by one as tests."""

from __future__ import annotations

import enum
import time
import unittest
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from plantkit.errors import UnknownNameError
from plantkit.pruners.sources import PrunerSource, parse_pruner
from plantkit.testing.checks import CHECKS
from plantkit.testing.examining import Check, CheckFailure, CheckSkipped, Subject
from plantkit.testing.laboratory import Laboratory


class CheckStatus(enum.StrEnum):
    """What came of a check."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What came of one check.

    expected, got: of a failed one. traceback: of its error, in the pruner's own lines. reason: of
    a skipped one.
    """

    check: str
    description: str
    status: CheckStatus
    expected: str = ""
    got: str = ""
    traceback: str = ""
    reason: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"status": self.status.value, "seconds": round(self.seconds, 3)}


class Examination:
    """One subject and the results of its checks, each made once and when it is asked for."""

    def __init__(self, subject: Any, checks: Sequence[Check] = CHECKS) -> None:
        self._subject = subject
        self._checks = {check.name: check for check in checks}
        self._results: dict[str, CheckResult] = {}

    def result(self, name: str) -> CheckResult:
        """Returns the result of the check called `name`, and makes those that it needs."""
        if name not in self._results:
            check = self._checks[name]
            self._results[name] = CheckResult(
                check=name, description=check.description, **self._find_out(check)
            )
        return self._results[name]

    def _find_out(self, check: Check) -> dict[str, Any]:
        """Returns status, texts and seconds of a check's result."""
        for need in check.needs:
            before = self.result(need)
            if before.status is not CheckStatus.OK:
                root = need if before.status is CheckStatus.FAILED else before.reason
                reason = root if root.startswith("after ") else f"after {root!r} failed"
                return {"status": CheckStatus.SKIPPED, "reason": reason}
        started = time.monotonic()
        found: dict[str, Any] = {"status": CheckStatus.OK}
        try:
            check.run(self._subject)
        except CheckFailure as failure:
            found = {
                "status": CheckStatus.FAILED,
                "expected": failure.expected,
                "got": failure.got,
                "traceback": failure.traceback,
            }
        except CheckSkipped as skipped:
            return {"status": CheckStatus.SKIPPED, "reason": str(skipped)}
        return found | {"seconds": time.monotonic() - started}


class BoundCheck:
    """A check of one subject, to be called by a test.

    Calling it raises `CheckFailure`, an AssertionError, or `unittest.SkipTest`.
    """

    def __init__(self, examination: Examination, check: Check, subject: str) -> None:
        self._examination = examination
        self.name = check.name
        self.description = check.description
        self.subject = subject

    def __call__(self) -> None:
        result = self._examination.result(self.name)
        if result.status is CheckStatus.SKIPPED:
            raise unittest.SkipTest(result.reason)
        if result.status is CheckStatus.FAILED:
            raise CheckFailure(expected=result.expected, got=result.got)

    def __repr__(self) -> str:
        return f"{self.subject}-{self.name}"


def run_checks(
    source: PrunerSource,
    laboratory: Laboratory,
    *,
    is_trusted: bool = False,
    leave_out: Collection[str] = (),
) -> Iterator[CheckResult]:
    """Yields the result of every check of the one pruner that `source` stands for.

    Args:
        source: a file, or a registered pruner, whose entry point is looked up.
        is_trusted: whether a file may also be run outside of the isolation. Registered
            pruners always may: you have installed them.
        leave_out: names of checks that are not asked for.

    Raises:
        UnknownNameError: no such pruner. UsageError: options that it does not take. Both are
            raised when the first check runs.
    """
    examination = Examination(Subject(laboratory, source, is_trusted=is_trusted))
    return (examination.result(check.name) for check in CHECKS if check.name not in leave_out)


def pruner_checks(
    pruner: str | Path,
    *,
    is_trusted: bool = True,
    leave_out: Sequence[str] = (),
    laboratory: Laboratory | None = None,
) -> list[BoundCheck]:
    """Returns the checks of a pruner, to be called one by one; nothing runs before that.

    Args:
        pruner: a registered name or a path, with `:option=value,...` where it has options.
        is_trusted: whether it may also be run outside of the isolation.
        leave_out: names of checks that it need not pass.
        laboratory: where they run; a new one if None.

    Raises:
        UsageError: a file that does not exist. UnknownNameError: no such check to leave out.
    """
    known = {check.name: check for check in CHECKS}
    for name in leave_out:
        if name not in known:
            raise UnknownNameError("check", name, known)
    source = parse_pruner(str(pruner))
    place = Laboratory() if laboratory is None else laboratory
    examination = Examination(Subject(place, source, is_trusted=is_trusted))
    label = Path(source.path).name if source.path is not None else str(pruner)
    return [
        BoundCheck(examination, check, label) for check in CHECKS if check.name not in leave_out
    ]


def parametrize_pruner_checks(
    *pruners: str | Path, is_trusted: bool = True, leave_out: Sequence[str] = ()
) -> Callable[[Callable[..., None]], Any]:
    """Returns a decorator that runs a test with every check of every pruner, as `check`.

    @parametrize_pruner_checks("my-pruner")
    def test_conformance(check):
        check()
    """
    import pytest

    laboratory = Laboratory()
    checks = [
        check
        for pruner in pruners
        for check in pruner_checks(
            pruner, is_trusted=is_trusted, leave_out=leave_out, laboratory=laboratory
        )
    ]
    return pytest.mark.parametrize("check", checks, ids=repr)
