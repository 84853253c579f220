"""The parent's side: warm processes that run pruners, and the requests that they are sent.

Imports no torch, so that servers can start before the parent imports it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plantkit.errors import IsolationError
from plantkit.isolation import backends, kernel
from plantkit.isolation.levels import Isolation, Level, process_level
from plantkit.isolation.serving import ServerProcess
from plantkit.isolation.wire import OUTPUT_FILE, Exit, Limits

#: Seconds that a server may take to start.
START_SECONDS = 120.0


class PrunerServer:
    """A warm child process that runs pruners; a context manager.

    A server handles one request at a time. When it dies or hangs, the next request starts another.
    `process` is one that was started already.
    """

    def __init__(self, process: ServerProcess | None = None) -> None:
        self._process = process

    def __enter__(self) -> PrunerServer:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self, level: Level | None = None) -> None:
        """Starts the process, anew if it has died; returns before it is ready.

        level: the usual one of this system, see `process_level`, if None.
        """
        self._running(level or process_level())

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

    def _running(self, level: Level) -> ServerProcess:
        process = self._process
        if process is not None and (process.has_ended() or level not in process.levels):
            self.stop()
        if self._process is None:
            [self._process] = backends.backend_class(level).start_processes(1)
        return self._process

    def _request(self, cell: Path, limits: Limits, isolation: Isolation) -> Exit:
        process = self._running(isolation.level)
        if not process.get_ready(START_SECONDS):
            self.stop()
            raise IsolationError(
                "the process that runs pruners did not start; "
                f"check that '{sys.executable} -c \"import torch\"' works"
            )
        started = time.monotonic()
        found = process.ask(cell, limits, isolation)
        if found is not None:
            return found
        seconds = time.monotonic() - started
        self.stop()
        timed_out = seconds > limits.time_seconds
        return Exit(seconds=seconds, signal="SIGKILL", timed_out=timed_out)


@contextmanager
def server_pool(
    count: int, level: Level | None = None, *, most_started: int | None = None
) -> Iterator[list[PrunerServer]]:
    """Makes `count` servers, and ends them with the block.

    As many as the level's backend thinks fit start at once, at most `most_started`; the others
    start when they get work. On Linux, until the block ends, processes of the same user can look
    neither into this process nor into the servers.
    """
    was_dumpable = kernel.is_dumpable()
    kernel.set_dumpable(False)
    backend = backends.backend_class(level or process_level())
    started = backend.start_processes(min(count, most_started or count))
    servers = [PrunerServer(process) for process in started]
    servers += [PrunerServer() for _ in range(count - len(servers))]
    try:
        yield servers
    finally:
        for server in servers:
            server.stop()
        kernel.set_dumpable(was_dumpable)
