"""The parent's hold on servers that are forked from one process, which imports torch for all."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import subprocess
import sys
import time
import weakref
from typing import IO

from plantkit.isolation.launch import bootstrap, clean_environment
from plantkit.isolation.wire import FAREWELL, MARKER

#: Seconds that a zygote may take to end once its servers were told to.
_STOP_SECONDS = 5.0

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


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def new_marker(number: int = 0) -> str:
    """Returns `NAME=value`, which only the processes of one server have in their environment."""
    return numbered(f"{MARKER}={secrets.token_hex(16)}-0000", number)


def numbered(marker: str, number: int) -> str:
    """Returns the marker of the server `number`, from 1, of the zygote with `marker`."""
    return f"{marker[:-4]}{number:04x}"


class Zygote:
    """A process that forks `count` servers, at most 65535, and waits for their end.

    servers: in the order of their numbers. marker: its own; see `numbered` for theirs.
    """

    def __init__(self, count: int) -> None:
        self.marker = new_marker()
        name, _, value = self.marker.partition("=")
        requests = [os.pipe() for _ in range(count)]
        answers = [os.pipe() for _ in range(count)]
        self.servers = [
            ForkedServer(
                self,
                stdin=os.fdopen(write, "w", encoding="utf-8"),
                stdout=os.fdopen(read, encoding="utf-8"),
            )
            for (_, write), (read, _) in zip(requests, answers, strict=True)
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
                env={**clean_environment(), name: value},
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

    def stop(self) -> None:
        """Ends the process; its servers must have been told to end before."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class ForkedServer:
    """A zygote's child, with as much of `subprocess.Popen` as the client of a server needs.

    pid: 0 until `identify` is called. returncode: None until `wait` returns; then 0 where the
    server ended by itself, else -9.
    """

    def __init__(self, zygote: Zygote, *, stdin: IO[str], stdout: IO[str]) -> None:
        self._zygote = zygote
        self.stdin = stdin
        self.stdout = stdout
        self.pid = 0
        self.returncode: int | None = None
        self._descriptor = -1
        hold(stdin, stdout)

    def identify(self, pid: int) -> None:
        """Takes note of the id that the server gives when it is ready."""
        self.pid = pid
        with contextlib.suppress(AttributeError, OSError):  # Linux 5.3 and later have it
            self._descriptor = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Returns None while the server runs."""
        if self.returncode is None and not self.stdin.closed:
            requests = select.poll()
            requests.register(self.stdin, 0)
            if requests.poll(0):  # nobody is left to read a request
                return -signal.SIGKILL
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Returns how the server ended; what it had left to say is read and dropped.

        Raises:
            TimeoutExpired: it still runs after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        last = ""
        while self.returncode is None:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self.stdout], [], [], left)[0]:
                raise subprocess.TimeoutExpired("server", timeout or 0.0)
            if line := self.stdout.readline():
                last = line
                continue
            self.returncode = 0 if last.strip() == FAREWELL else -signal.SIGKILL
            self._forget()
        return self.returncode

    def kill(self) -> None:
        """Kills the server, if it still runs; before `identify`, what would fork it.

        A server that was forked but is not known yet has run nothing, and ends by itself when
        `stdin` is closed.
        """
        if self.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._descriptor >= 0:
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
            elif self.pid:
                os.kill(self.pid, signal.SIGKILL)
            else:
                self._zygote.kill()

    def _forget(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self.pid = 0
