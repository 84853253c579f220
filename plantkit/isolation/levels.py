"""The levels of isolation, and the one that a run gets."""

from __future__ import annotations

import enum
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from plantkit.errors import IsolationError

#: What can be asked for: a level, or the best that the machine offers.
AUTO = "auto"


class Level(enum.StrEnum):
    """How far a pruner is locked away.

    FULL: a process that reaches no file but its libraries, its problem and its scratch, no
        network, no other process, and can start none. PROCESS: a process with a clean
        environment and limits that the kernel keeps, which can read what the user can read.
        WATCHED: the same on any system, but its time, memory, disk space and processes are
        looked at from outside, many times a second. NONE: the parent's own process; for
        debugging.
    """

    FULL = "full"
    PROCESS = "process"
    WATCHED = "watched"
    NONE = "none"


def process_level() -> Level:
    """Returns the level at which this system runs a process of its own, whatever else it offers."""
    has_forks = sys.platform == "linux" and hasattr(os, "fork")
    return Level.PROCESS if has_forks else Level.WATCHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """How pruners are locked away.

    hidden: files and directories that stay closed even where they lie in a library's directory,
        such as bundles that ship with a package.
    """

    level: Level
    hidden: tuple[Path, ...] = ()


#: What a user can ask for.
REQUESTS = (AUTO, *(level.value for level in Level))


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that a level needs, and whether it was seen to work here.

    detail: what was seen. remedy: what to do where it does not work.
    """

    level: Level
    name: str
    works: bool
    detail: str
    remedy: str = ""

    @classmethod
    def of(cls, level: Level, name: str, problem: str, detail: str, remedy: str) -> Check:
        """Returns a check that works if there is no `problem`; else nothing is to be done."""
        return cls(
            level=level,
            name=name,
            works=not problem,
            detail=problem or detail,
            remedy=remedy if problem else "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a machine was seen to offer."""

    checks: Sequence[Check]

    def missing(self, level: Level) -> list[Check]:
        """Returns the checks that stand between this machine and `level`."""
        needed = {level, Level.PROCESS} if level is Level.FULL else {level}
        return [check for check in self.checks if check.level in needed and not check.works]

    def offers(self, level: Level) -> bool:
        return not self.missing(level)

    @property
    def best(self) -> Level:
        """The first level that works here."""
        return next(level for level in Level if self.offers(level))


def choose(requested: str, offer: Offer) -> tuple[Level, str]:
    """Returns the level that a run gets, and a warning where it is less than full, else "".

    `requested` is one of `REQUESTS`.

    Raises:
        IsolationError: something that the level needs is missing.
    """
    best = offer.best
    if requested != AUTO:
        level = Level(requested)
        if not offer.offers(level):
            raise IsolationError(
                f"{level} isolation is not available on this machine:\n"
                f"{_listed(offer.missing(level))}\n"
                f"see 'plantkit doctor'; --isolation {best} runs without it"
            )
        return level, ""
    if best is Level.FULL:
        return best, ""
    if best is Level.NONE:
        raise IsolationError(
            "this machine cannot run a pruner in a process of its own:\n"
            f"{_listed(offer.missing(Level.WATCHED))}\n"
            "see 'plantkit doctor'; --isolation none runs code that you trust without protection"
        )
    missing = ", ".join(check.name for check in offer.missing(Level.FULL))
    return best, (
        f"isolation is '{best}': this machine lacks {missing}, so a pruner can read what you "
        "can read; evaluate only code that you trust, or see 'plantkit doctor'"
    )


def _listed(checks: Sequence[Check]) -> str:
    return "\n".join(f"  {check.name}: {check.detail}; {check.remedy}" for check in checks)
