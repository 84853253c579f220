"""Watching a run from outside: its time, its disk space, its processes and threads."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from plantkit.isolation.descendants import count_processes
from plantkit.isolation.scratch import MOST_ENTRIES, unlinked_bytes, used_bytes
from plantkit.isolation.wire import Limits

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

    def wait(self) -> tuple[int, resource.struct_rusage] | None:
        """Returns the exit status and usage of the run, killing it where it breaks a limit.

        Returns None if standard input was closed: nobody waits for the answer.
        """
        parent = select.poll()
        parent.register(0, 0)  # hang-up only
        look = time.monotonic() + _LOOK_SECONDS
        killed = False
        with contextlib.closing(_Nap(self.pid)) as nap:
            while True:
                done, status, usage = os.wait4(self.pid, os.WNOHANG)
                if done:
                    return None if self._is_abandoned(parent) else (status, usage)
                now = time.monotonic()
                if not killed:
                    if now > self.deadline:
                        self.timed_out = True
                    elif now > look:
                        self.exceeded = self._exceeded()
                        # A look at many files takes a while; never spend most of the time on it.
                        took = time.monotonic() - now
                        look = now + took + max(_LOOK_SECONDS, 4 * took)
                    if self.timed_out or self.exceeded or self._is_abandoned(parent):
                        killed = True
                        kill_group(self.pid)
                nap.take()

    def _exceeded(self) -> str:
        processes, threads = count_processes(self.pid)
        if processes > self.limits.processes:
            return f"started more than {self.limits.processes} processes"
        if threads > self.limits.threads:
            return f"started more than {self.limits.threads} threads"
        most = self.limits.disk_mib * _MIB
        if used_bytes(self.cell, most) + unlinked_bytes(self.pid) > most:
            return (
                f"wrote more than {self.limits.disk_mib} MiB or {MOST_ENTRIES} files to its "
                "working directory"
            )
        return ""

    @staticmethod
    def _is_abandoned(parent: select.poll) -> bool:
        return any(event & (select.POLLHUP | select.POLLERR) for _, event in parent.poll(0))


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


def signal_name(number: int) -> str:
    """Returns `SIGKILL` for 9; a real-time signal has no name and gets its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
