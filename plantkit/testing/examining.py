"""What a check of the conformance suite is, and the pruner that it examines."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from plantkit.errors import describe
from plantkit.isolation.wire import Status
from plantkit.pruners.sources import PrunerSource
from plantkit.testing.laboratory import (
    Call,
    Laboratory,
    Observation,
    Seen,
    only_pruner,
    resolve_installed,
)

#: The call that most checks make: the names, shapes and values of its mask are checked first.
USUAL = Call(density=0.3)
#: The problem that most checks set; see `plantkit.testing.problems`.
PLAIN = "classification"


class CheckFailure(AssertionError):  # noqa: N818 - as in AssertionError: a check has failed
    """What a check expected, and what it got.

    traceback: of an error, in the pruner's own lines, else "".
    """

    def __init__(self, *, expected: str, got: str, traceback: str = "") -> None:
        self.expected = expected
        self.got = got
        self.traceback = traceback
        super().__init__(f"expected {expected}; got {got}")


class CheckSkipped(Exception):  # noqa: N818 - it is not an error
    """Why a check cannot be run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One requirement.

    name: lower-case words and dashes. needs: checks that must pass first. needs_trust: whether
    it runs the pruner without protection, so that a stranger's file skips it.
    """

    name: str
    description: str
    run: Callable[[Any], None]
    needs: tuple[str, ...] = ()
    needs_trust: bool = False


def adder(
    checks: list[Check],
) -> Callable[..., Callable[[Callable[[Any], None]], None]]:
    """Returns a decorator that adds checks of what runs in this process to `checks`.

    An error of what is examined fails the check.
    """

    def check(name: str, description: str, *needs: str) -> Callable[[Callable[[Any], None]], None]:
        def add(run: Callable[[Any], None]) -> None:
            def guarded(subject: Any) -> None:
                try:
                    run(subject)
                except (CheckFailure, CheckSkipped):
                    raise
                except Exception as error:
                    raise CheckFailure(
                        expected="no error",
                        got=describe(error),
                        traceback="".join(traceback.format_exception(error)),
                    ) from error

            checks.append(Check(name=name, description=description, run=guarded, needs=needs))

        return add

    return check


class Subject:
    """The pruner under examination, and what was observed of it so far.

    source: a file, or a registered pruner with its entry point. is_trusted: whether it may
    also be run outside of the isolation. is_seeded: whether its masks may depend on the seed,
    known when it is loaded.
    """

    def __init__(self, laboratory: Laboratory, source: PrunerSource, *, is_trusted: bool) -> None:
        self.laboratory = laboratory
        self.source = source
        self.is_trusted = is_trusted or source.path is None
        self.is_seeded = True
        self._observations: dict[tuple[str, tuple[Call, ...], int], Observation] = {}

    def load(self) -> None:
        """Finds out the name of a file's pruner, or the plugin of a registered one.

        Raises:
            PluginError: the file cannot be loaded, or offers several pruners.
            UnknownNameError: no pruner of that name is registered.
        """
        if self.source.path is None:
            self.source = resolve_installed(self.source)
        self.source = self.source.read()
        described = only_pruner(self.laboratory.describe(self.source), self.source)
        self.source = replace(self.source, name=described.name)
        self.is_seeded = described.is_seeded

    def observe(self, *calls: Call, problem: str = PLAIN, interpreter: int = 0) -> Observation:
        """Returns what is seen of `calls`, made in one process; it is kept for the next time."""
        key = (problem, calls, interpreter)
        if key not in self._observations:
            self._observations[key] = self.laboratory.observe(
                self.source, problem, calls, interpreter=interpreter
            )
        return self._observations[key]

    def see(self, *calls: Call, problem: str = PLAIN, interpreter: int = 0) -> list[Seen]:
        """Returns what is seen of `calls`. All must return, and the last one a valid mask.

        Raises:
            CheckFailure: they do not.
        """
        made = self.observe(*calls, problem=problem, interpreter=interpreter)
        if made.outcome.status is not Status.OK or len(made.seen) != len(calls):
            text = made.outcome.error or "a run that cannot be observed"
            where = f"problem {problem!r}, density {calls[-1].density:.3g}"
            raise CheckFailure(
                expected=f"a valid mask ({where})",
                got=f"{made.outcome.status}: {text}",
                traceback=made.outcome.traceback,
            )
        return list(made.seen)

    def digest(self, call: Call = USUAL, *, interpreter: int = 0) -> str:
        """Returns the digest of the mask of one call; raises as `see` does."""
        (seen,) = self.see(call, interpreter=interpreter)
        return str(seen.returned["sha256"])

    def entries(self) -> dict[str, dict[str, Any]]:
        """Returns what is seen of every entry of the usual call's mask."""
        seen = self.observe(USUAL).seen[0]
        return dict(seen.returned["entries"])
