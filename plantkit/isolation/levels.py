"""The levels of isolation, and the one that a run gets."""

from __future__ import annotations

import enum
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
        environment and limits, which can read what the user can read. NONE: the parent's own
        process; for debugging.
    """

    FULL = "full"
    PROCESS = "process"
    NONE = "none"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a machine was seen to offer."""

    checks: Sequence[Check]

    def missing(self, level: Level) -> list[Check]:
        """Returns the checks that stand between this machine and `level`."""
        needed = {Level.FULL: {Level.FULL, Level.PROCESS}, Level.PROCESS: {Level.PROCESS}}
        return [
            check
            for check in self.checks
            if check.level in needed.get(level, set()) and not check.works
        ]

    def offers(self, level: Level) -> bool:
        return not self.missing(level)


def choose(requested: str, offer: Offer) -> tuple[Level, str]:
    """Returns the level that a run gets, and a warning where it is less than full, else "".

    `requested` is one of `REQUESTS`.

    Raises:
        IsolationError: full isolation was asked for and something that it needs is missing.
    """
    if requested != AUTO:
        level = Level(requested)
        if level is Level.FULL and not offer.offers(level):
            raise IsolationError(
                "full isolation is not available on this machine:\n"
                f"{_listed(offer.missing(level))}\n"
                "see 'plantkit doctor'; --isolation process runs without it"
            )
        return level, ""
    if offer.offers(Level.FULL):
        return Level.FULL, ""
    missing = ", ".join(check.name for check in offer.missing(Level.FULL))
    return Level.PROCESS, (
        f"isolation is 'process': this machine lacks {missing}, so a pruner can read what you "
        "can read; evaluate only code that you trust, or see 'plantkit doctor'"
    )


def _listed(checks: Sequence[Check]) -> str:
    return "\n".join(f"  {check.name}: {check.detail}; {check.remedy}" for check in checks)
