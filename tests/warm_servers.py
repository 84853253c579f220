"""Servers for tests: forked from one process that has imported torch already.

A pool of servers takes two processor seconds until it is ready, nearly all of them for one import
of torch. Hundreds of tests open one. Here a process forks many at once; a pool takes as many as
it asks for, and ends them as usual, so that no two pools share one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from plantkit.isolation.launch import bootstrap, clean_environment

if TYPE_CHECKING:
    from plantkit.isolation.forks import ForkedServer

#: Servers that are forked together.
_COUNT = 16
#: Seconds that they may take to start.
_START_SECONDS = 120.0

Start = Callable[[int], "Sequence[ForkedServer]"]


class WarmServers:
    """Gives servers that are ready; where a test has changed what they inherit, it starts others.

    Two pools that are opened one after the other are forked from two processes: these hash
    strings in different orders, which shows who depends on that.

    Attributes:
        start: starts so many servers, as pools do.
    """

    def __init__(self, start: Start) -> None:
        self.start = start
        self._inherited = _inherited()
        self._ready: list[ForkedServer] = []
        self._next: list[ForkedServer] = []

    def take(self, most: int) -> Sequence[ForkedServer]:
        """Returns servers, at most so many; they are the caller's from now on."""
        if most > _COUNT or _inherited() != self._inherited:
            return self.start(most)
        if len(self._ready) < most or self._ready[0].has_ended():  # a test may have ended all
            _stop(self._ready)
            self._ready = [*self.start(_COUNT)]
            for server in self._ready:
                assert server.get_ready(_START_SECONDS)
        taken = self._ready[:most]
        self._ready, self._next = self._next, self._ready[most:]
        return taken

    def stop(self) -> None:
        """Ends those that nobody took."""
        _stop(self._ready + self._next)


def _stop(servers: Sequence[ForkedServer]) -> None:
    for server in servers:
        server.stop()


def _inherited() -> tuple[str, dict[str, str]]:
    return bootstrap(""), clean_environment()
