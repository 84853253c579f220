"""The parent's hold on servers that are forked from one process, which imports torch for all."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import secrets
import select
import signal
import subprocess
import sys
import time
import weakref
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from plantkit.isolation.descendants import end_marked
from plantkit.isolation.launch import bootstrap, clean_environment
from plantkit.isolation.levels import Isolation, Level
from plantkit.isolation.wire import FAREWELL, MARKER, Exit, Limits

if sys.platform != "linux":
    raise ImportError("this module needs Linux")

#: Seconds that a process may take to end itself before it is killed.
_STOP_SECONDS = 5.0
#: Seconds that the server may take beyond a run's time limit before it is killed.
GRACE_SECONDS = 15.0
#: Servers that are forked from one process. Each takes four descriptors while it starts, which
#: must leave most of those that this process may have.
_MOST_FORKED = 64
_DESCRIPTORS_PER_FORK = 16
#: glibc then asks for huge pages; other C libraries ignore it. To fork what has imported torch
#: takes less than half the time so, and the fork's first writes to its memory take less, too.
_HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}

_held: weakref.WeakSet[IO[str] | IO[bytes]] = weakref.WeakSet()


def hold(*pipes: IO[str] | IO[bytes]) -> None:
    """Keeps the ends of pipes to servers from every process that is forked from this one.

    A server ends when its requests do, and they do not while another process holds that end.
    """
    _held.update(pipes)


def _let_go() -> None:
    if not _held:
        return
    null = os.open(os.devnull, os.O_RDWR)
    for pipe in list(_held):
        if not pipe.closed:
            os.dup2(null, pipe.fileno(), inheritable=False)
    os.close(null)


os.register_at_fork(after_in_child=_let_go)


def room_for_forks() -> int:
    """Returns how many servers one process may fork."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return _MOST_FORKED
    return max(1, min(_MOST_FORKED, descriptors // _DESCRIPTORS_PER_FORK))


def numbered(marker: str, number: int) -> str:
    """Returns the marker of the server `number`, from 1, of the zygote with `marker`."""
    return f"{marker[:-4]}{number:04x}"


class Zygote:
    """A process that forks `count` servers, at most 65535, and ends with the last of them.

    servers: those that have not been stopped, in the order of their numbers.
    """

    def __init__(self, count: int) -> None:
        marker = f"{MARKER}={secrets.token_hex(16)}-0000"
        name, _, value = marker.partition("=")
        requests = [os.pipe() for _ in range(count)]
        answers = [os.pipe() for _ in range(count)]
        self.servers = [
            ForkedServer(
                self,
                numbered(marker, number),
                requests=os.fdopen(write, "w", encoding="utf-8", newline="\n"),
                answers=os.fdopen(read, encoding="utf-8"),
            )
            for number, ((_, write), (read, _)) in enumerate(
                zip(requests, answers, strict=True), start=1
            )
        ]
        theirs = [(read, write) for (read, _), (_, write) in zip(requests, answers, strict=True)]
        descriptors = [descriptor for pair in theirs for descriptor in pair]
        try:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-B", "-c", bootstrap("plantkit.isolation.zygote")),
                    *(f"{read},{write}" for read, write in theirs),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**clean_environment(), **_HUGE_PAGES, name: value},
                start_new_session=True,
                pass_fds=descriptors,
            )
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        assert self._process.stdin is not None
        hold(self._process.stdin)

    def kill(self) -> None:
        """Kills the process; servers that it has forked go on."""
        self._process.kill()

    def forget(self, server: ForkedServer) -> None:
        """Takes note that a server has ended; with the last of them the process ends."""
        self.servers.remove(server)
        if self.servers:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class ForkedServer:
    """A zygote's child, which answers one request at a time.

    marker: `NAME=value`, which only the processes of this server have in their environment.
    pid: 0 until the server is ready.
    """

    levels: frozenset[Level] = frozenset({Level.FULL, Level.PROCESS})

    def __init__(self, zygote: Zygote, marker: str, *, requests: IO[str], answers: IO[str]) -> None:
        self._zygote = zygote
        self._requests = requests
        self._answers = answers
        self._descriptor = -1
        self.marker = marker
        self.pid = 0
        hold(requests, answers)

    def has_ended(self) -> bool:
        """See `ServerProcess.has_ended`."""
        requests = select.poll()
        requests.register(self._requests, 0)
        return bool(requests.poll(0))

    def get_ready(self, timeout_seconds: float) -> bool:
        """See `ServerProcess.get_ready`."""
        if not self.pid:
            greeting = self._read(timeout_seconds)
            if greeting is None:
                return False
            self.pid = greeting["pid"]
            with contextlib.suppress(AttributeError, OSError):  # Linux 5.3 and later have it
                self._descriptor = os.pidfd_open(self.pid)
        return True

    def ask(self, cell: Path, limits: Limits, isolation: Isolation) -> Exit | None:
        """See `ServerProcess.ask`."""
        request = {
            "cell": str(cell),
            "limits": asdict(limits),
            "level": isolation.level.value,
            "hidden": [str(path) for path in isolation.hidden],
        }
        try:
            self._requests.write(json.dumps(request) + "\n")
            self._requests.flush()
        except BrokenPipeError:
            return None
        answer = self._read(limits.time_seconds + GRACE_SECONDS)
        return None if answer is None else Exit(**answer)

    def stop(self) -> None:
        """See `ServerProcess.stop`."""
        with contextlib.suppress(BrokenPipeError):
            self._requests.close()  # the server ends what it runs, then itself
        if not self.pid:
            self._kill()  # it runs nothing yet, and may still import for a while
        if not self._says_farewell(_STOP_SECONDS):
            self._kill()
            self._says_farewell(None)
            end_marked(self.marker)
        self._answers.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._zygote.forget(self)

    def _read(self, timeout_seconds: float) -> dict[str, Any] | None:
        # There is one answer per request, so nothing can wait in the text buffer.
        readable, _, _ = select.select([self._answers], [], [], timeout_seconds)
        line = self._answers.readline() if readable else ""
        if not line:
            return None
        value: dict[str, Any] = json.loads(line)
        return value

    def _says_farewell(self, timeout_seconds: float | None) -> bool:
        """Waits for the server's end, and returns whether it ended by itself, and in time.

        What it had left to say is read and dropped.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        last = ""
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._answers], [], [], left)[0]:
                return False
            line = self._answers.readline()
            if not line:
                return last.strip() == FAREWELL
            last = line

    def _kill(self) -> None:
        """Kills the server; before it is ready, what would fork it.

        A server that was forked but is not known yet has run nothing, and ends by itself when
        its requests do.
        """
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._descriptor >= 0:
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
            elif self.pid:
                os.kill(self.pid, signal.SIGKILL)
            else:
                self._zygote.kill()
