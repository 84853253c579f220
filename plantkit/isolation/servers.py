"""The parent's side: warm processes that run pruners, and the requests that they are sent.

Imports no torch, so that servers can start before the parent imports it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from plantkit.errors import IsolationError
from plantkit.isolation import kernel
from plantkit.isolation.forks import ForkedServer, Zygote
from plantkit.isolation.levels import Isolation
from plantkit.isolation.wire import OUTPUT_FILE, Exit, Limits

#: Seconds that the server may take beyond a run's time limit before it is killed.
GRACE_SECONDS = 15.0
#: Servers that are forked from one process. Each takes four descriptors while it starts, which
#: must leave most of those that this process may have.
MOST_FORKED = 64
_DESCRIPTORS_PER_FORK = 16
#: Seconds that a server may take to start.
START_SECONDS = 120.0


class PrunerServer:
    """A warm child process that runs pruners; a context manager.

    A server handles one request at a time. When it dies or hangs, the next request starts another.
    `process` is one that was started already.
    """

    def __init__(self, process: ForkedServer | None = None) -> None:
        self._process = process

    def __enter__(self) -> PrunerServer:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the process, anew if it has died; returns before it is ready."""
        self._running()

    def stop(self) -> None:
        """Ends the process, and with it anything that it still runs."""
        process, self._process = self._process, None
        if process is not None:
            process.stop()

    def request(self, cell: Path, limits: Limits, isolation: Isolation) -> Exit:
        """Runs the request in `cell` and returns how its process ended.

        Raises:
            IsolationError: the server cannot be started.
        """
        found = self._request(cell, limits, isolation)
        if found.signal == "SIGKILL" and not os.path.lexists(cell / OUTPUT_FILE):
            # The server died before the run began, which is not the run's fault.
            found = self._request(cell, limits, isolation)
        return found

    def _running(self) -> ForkedServer:
        if self._process is not None and self._process.has_ended():
            self.stop()
        if self._process is None:
            [self._process] = Zygote(1).servers
        return self._process

    def _request(self, cell: Path, limits: Limits, isolation: Isolation) -> Exit:
        process = self._running()
        if not process.get_ready(START_SECONDS):
            self.stop()
            raise IsolationError(
                "the process that runs pruners did not start; "
                f"check that '{sys.executable} -c \"import torch\"' works"
            )
        started = time.monotonic()
        request = {
            "cell": str(cell),
            "limits": asdict(limits),
            "level": isolation.level.value,
            "hidden": [str(path) for path in isolation.hidden],
        }
        answer = process.ask(request, limits.time_seconds + GRACE_SECONDS)
        if answer is not None:
            return Exit(**answer)
        seconds = time.monotonic() - started
        self.stop()
        timed_out = seconds > limits.time_seconds
        return Exit(seconds=seconds, signal="SIGKILL", timed_out=timed_out)


def _room_for_forks() -> int:
    import resource

    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MOST_FORKED
    return max(1, descriptors // _DESCRIPTORS_PER_FORK)


@contextmanager
def server_pool(count: int, *, most_forked: int = MOST_FORKED) -> Iterator[list[PrunerServer]]:
    """Starts `count` servers, forks of one process, and ends them with the block.

    At most `most_forked` start at once; those beyond start when they get work. Until the block
    ends, processes of the same user can look neither into this process nor into the servers.
    """
    was_dumpable = kernel.is_dumpable()
    kernel.set_dumpable(False)
    zygote = Zygote(min(count, most_forked, _room_for_forks()))
    servers = [PrunerServer(process) for process in zygote.servers]
    servers += [PrunerServer() for _ in range(count - len(servers))]
    try:
        yield servers
    finally:
        for server in servers:
            server.stop()
        kernel.set_dumpable(was_dumpable)
