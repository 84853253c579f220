"""What backends need of the processes that run pruners, and of those who keep these warm."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from plantkit.isolation.levels import Isolation, Level
from plantkit.isolation.wire import Exit, Limits


class ServerProcess(Protocol):
    """A warm child process that runs pruners, one request at a time."""

    @property
    def levels(self) -> Collection[Level]:
        """The levels at which it can."""
        ...

    def has_ended(self) -> bool:
        """Returns whether nobody is left to take a request."""
        ...

    def get_ready(self, timeout_seconds: float) -> bool:
        """Waits until the process can take requests, and returns whether it can."""
        ...

    def ask(self, cell: Path, limits: Limits, isolation: Isolation) -> Exit | None:
        """Returns how the request in `cell` ended, or None where there is no answer in time."""
        ...

    def stop(self) -> None:
        """Ends the process, and with it anything that it still runs."""


class Server(Protocol):
    """Keeps a `ServerProcess` at work; see `servers.PrunerServer`."""

    def start(self, level: Level | None = None) -> None:
        """Starts the process; returns before it is ready."""

    def stop(self) -> None:
        """Ends the process."""

    def request(self, cell: Path, limits: Limits, isolation: Isolation) -> Exit:
        """Returns how the request in `cell` ended.

        Raises:
            IsolationError: the process cannot be started.
        """
        ...
