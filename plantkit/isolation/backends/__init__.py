"""Ways to run a pruner's code, each a file; the level of isolation picks one.

A new way is a file here with a `Backend`, and a line in `_LOCAL` where a level is to pick it.
"""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING, Protocol

from plantkit.isolation.levels import Level

if TYPE_CHECKING:
    from plantkit.isolation.backends.local import LocalBackend
    from plantkit.isolation.jobs import Outcome, PruneJob

_LOCAL = {
    Level.FULL: "plantkit.isolation.backends.locked_down:LockedDown",
    Level.PROCESS: "plantkit.isolation.backends.process:ChildProcess",
    Level.WATCHED: "plantkit.isolation.backends.watched:Watched",
    Level.NONE: "plantkit.isolation.backends.in_process:InProcess",
}


class Backend(Protocol):
    """Runs pruners, one job at a time."""

    def start(self) -> None:
        """Starts what `run` needs; returns before it is ready. `run` starts it otherwise."""

    def run(self, job: PruneJob) -> Outcome:
        """Returns what came of one run of a pruner, whatever that did.

        Raises:
            IsolationError: nothing can be run.
        """
        ...

    def stop(self) -> None:
        """Ends what runs, with the job under way."""


def backend_class(level: Level) -> type[LocalBackend]:
    """Returns the class that runs pruners on this machine at `level`."""
    found: type[LocalBackend] = pkgutil.resolve_name(_LOCAL[level])
    return found
