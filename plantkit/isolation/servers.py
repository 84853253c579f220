"""The parent's side: warm processes that run pruners, and the requests that they are sent.

Imports no torch, so that servers can start before the parent imports it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from plantkit.errors import IsolationError
from plantkit.isolation import kernel
from plantkit.isolation.descendants import end_marked
from plantkit.isolation.forks import ForkedServer, Zygote, hold, new_marker, numbered
from plantkit.isolation.launch import bootstrap, clean_environment
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
#: Seconds that a server may take to end itself before it is killed.
_STOP_SECONDS = 5.0


class PrunerServer:
    """A warm child process that runs pruners; a context manager.

    A server handles one request at a time. When it dies or hangs, the next request starts another.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | ForkedServer | None = None
        self._ready = False
        self._marker = ""

    def __enter__(self) -> PrunerServer:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the process, anew if it has died; returns before it is ready."""
        if self._process is not None and self._process.poll() is not None:
            self.stop()
        if self._process is not None:
            return
        self._marker = new_marker()
        name, _, value = self._marker.partition("=")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-c", bootstrap("plantkit.isolation.fork_server")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**clean_environment(), name: value},
            start_new_session=True,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        hold(self._process.stdin, self._process.stdout)
        self._ready = False

    def adopt(self, process: ForkedServer, marker: str) -> None:
        """Takes a process that was started already, with `marker` in its environment."""
        self._process, self._marker, self._ready = process, marker, False

    def stop(self) -> None:
        """Ends the process, and with it anything that it still runs."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()  # the server ends what it runs, then itself
        if not self._ready:
            process.kill()  # it runs nothing yet, and may still import for a while
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        if process.returncode != 0:
            if isinstance(process, subprocess.Popen):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
            end_marked(self._marker)
        assert process.stdout is not None
        process.stdout.close()

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

    def _request(self, cell: Path, limits: Limits, isolation: Isolation) -> Exit:
        self.start()
        if not self._ready:
            greeting = self._read_line(START_SECONDS)
            if greeting is None:
                self.stop()
                raise IsolationError(
                    "the process that runs pruners did not start; "
                    f"check that '{sys.executable} -c \"import torch\"' works"
                )
            self._ready = True
            if isinstance(self._process, ForkedServer):
                self._process.identify(greeting["pid"])
        process = self._process
        assert process is not None
        assert process.stdin is not None
        started = time.monotonic()
        request = {
            "cell": str(cell),
            "limits": asdict(limits),
            "level": isolation.level.value,
            "hidden": [str(path) for path in isolation.hidden],
        }
        answer = None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer = self._read_line(limits.time_seconds + GRACE_SECONDS)
        if answer is not None:
            return Exit(**answer)
        seconds = time.monotonic() - started
        self.stop()
        return Exit(
            code=None,
            signal="SIGKILL",
            timed_out=seconds > limits.time_seconds,
            seconds=seconds,
            peak_rss_mib=None,
        )

    def _read_line(self, timeout_seconds: float) -> dict[str, Any] | None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        # There is one answer per request, so nothing can wait in the text buffer.
        readable, _, _ = select.select([process.stdout], [], [], timeout_seconds)
        line = process.stdout.readline() if readable else ""
        if not line:
            return None
        value: dict[str, Any] = json.loads(line)
        return value


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
    servers = [PrunerServer() for _ in range(count)]
    was_dumpable = kernel.is_dumpable()
    kernel.set_dumpable(False)
    zygote = None
    if count == 1:
        servers[0].start()
    else:
        zygote = Zygote(min(count, most_forked, _room_for_forks()))
        for number, (server, process) in enumerate(
            zip(servers, zygote.servers, strict=False), start=1
        ):
            server.adopt(process, numbered(zygote.marker, number))
    try:
        yield servers
    finally:
        for server in servers:
            server.stop()
        if zygote is not None:
            zygote.stop()
        kernel.set_dumpable(was_dumpable)
