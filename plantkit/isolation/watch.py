"""Watching a run from outside: its time, its disk space, its processes and threads."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from plantkit.isolation.descendants import count_processes
from plantkit.isolation.scratch import unlinked_bytes, used_bytes
from plantkit.isolation.wire import Limits

if sys.platform != "linux":
    raise ImportError("this module needs Linux")

_MIB = 1024 * 1024
#: Seconds between two looks at disk space and processes.
_LOOK_SECONDS = 0.05
#: Seconds between two looks at the clock and at whether anybody still waits.
_NAP_SECONDS = 0.02


@dataclass(slots=True, kw_only=True)
class Watch:
    """One run under watch. `deadline` is on the clock of time.monotonic().

    timed_out and exceeded tell, after `wait`, why the run was killed.
    """

    pid: int
    cell: Path
    limits: Limits
    deadline: float
    timed_out: bool = False
    exceeded: str = ""

    def wait(self) -> tuple[int, int] | None:
        """Returns exit status and peak KiB of memory of the run, killed if it breaks a limit.

        Returns None if standard input was closed: nobody waits for the answer.
        """
        parent = select.poll()
        parent.register(0, 0)  # hang-up only

        def is_abandoned() -> bool:
            return any(event & (select.POLLHUP | select.POLLERR) for _, event in parent.poll(0))

        look = time.monotonic() + _LOOK_SECONDS
        killed = False
        with contextlib.closing(_Nap(self.pid)) as nap:
            while True:
                done, status, usage = os.wait4(self.pid, os.WNOHANG)
                if done:
                    return None if is_abandoned() else (status, usage.ru_maxrss)
                now = time.monotonic()
                if not killed:
                    if now > self.deadline:
                        self.timed_out = True
                    elif now > look:
                        self.exceeded = self._exceeded()
                        # A look at many files takes a while; never spend most of the time on it.
                        took = time.monotonic() - now
                        look = now + took + max(_LOOK_SECONDS, 4 * took)
                    if self.timed_out or self.exceeded or is_abandoned():
                        killed = True
                        kill_group(self.pid)
                nap.take()

    def _exceeded(self) -> str:
        processes, threads = count_processes(self.pid)
        used = used_bytes(self.cell, self.limits.disk_mib * _MIB) + unlinked_bytes(self.pid)
        return self.limits.exceeded(processes=processes, threads=threads, disk_bytes=used)


class _Nap:
    """Sleeps of a process that waits for its child: a moment, or until the child has ended."""

    def __init__(self, pid: int) -> None:
        self._seconds = 0.0005
        self._descriptor = -1
        self._ended = select.poll()
        with contextlib.suppress(AttributeError, OSError):  # Linux 5.3 and later have it
            self._descriptor = os.pidfd_open(pid)
            self._ended.register(self._descriptor, select.POLLIN)
            self._seconds = _NAP_SECONDS

    def take(self) -> None:
        if self._descriptor < 0:
            time.sleep(self._seconds)
            self._seconds = min(self._seconds * 1.3, _NAP_SECONDS)
        else:
            self._ended.poll(1000 * self._seconds)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def kill_group(pid: int) -> None:
    """Kills a process and its group, whether it has become the leader of one yet or not."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
