"""Processes and all that they started, found, measured and ended on any system, with psutil."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection

import psutil

from plantkit.isolation.wire import MARKER

_MIB = 1024 * 1024
#: Most seconds that the end of a family takes.
_END_SECONDS = 10.0


class Family:
    """A process and all that it started, as far as they can be found.

    Members are found by their parents, and known from then on, whatever becomes of a parent. One
    that lost its parent before anybody looked is found by the marker in its environment, unless
    it started with that taken away.

    Args:
        root: the first member's process id.
        marker: the value of `MARKER` in its environment.
    """

    def __init__(self, root: int, marker: str) -> None:
        self.root = psutil.Process(root)
        self._marker = marker
        self._known: set[psutil.Process] = set()
        self._cpu: dict[psutil.Process, float] = {}
        self._strangers = set(psutil.pids()) - {root}  # by process id

    def look(self) -> list[psutil.Process]:
        """Returns the members that run, the root first, and takes note of new ones."""
        with contextlib.suppress(psutil.Error):
            self._known.update(self.root.children(recursive=True))
        running = set(psutil.pids())
        self._strangers &= running
        for pid in running - self._strangers - {one.pid for one in self._found()}:
            with contextlib.suppress(psutil.Error, OSError):
                process = psutil.Process(pid)
                if process.environ().get(MARKER) == self._marker:
                    self._known.add(process)
                    continue
            self._strangers.add(pid)
        root, *others = self._found()
        self._known = set(filter(is_running, others))
        return [*filter(is_running, [root]), *self._known]

    def _found(self) -> tuple[psutil.Process, ...]:
        """Returns all known members, in a copy: another thread may end the family meanwhile."""
        return (self.root, *self._known)

    def memory_mib(self) -> float:
        """Returns the memory that all known members hold now, in MiB."""
        total = 0
        for process in self._found():
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return total / _MIB

    def cpu_seconds(self) -> float:
        """Returns the processor time of all members so far.

        Those that have ended count as far as they were seen, or as far as the system has added
        them to the root, which waited for them, where that is more.
        """
        whole = 0.0
        for process in (self.root, *self._known):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                self._cpu[process] = times.user + times.system
                if process == self.root:
                    whole = sum(times[:4])
        return max(whole, sum(self._cpu.values()))

    def threads(self) -> int:
        """Returns how many threads all known members have now."""
        total = 0
        for process in self._found():
            with contextlib.suppress(psutil.Error):
                total += process.num_threads()
        return total

    def end(self, *, spare_root: bool = False) -> None:
        """Kills all members, or all but the root.

        They are stopped first, until no new ones appear, so that none can start another while
        it is being killed.
        """
        spared = {self.root} if spare_root else set()
        deadline = time.monotonic() + _END_SECONDS
        while time.monotonic() < deadline:
            stopped: set[psutil.Process] = set()
            while new := set(self.look()) - stopped - spared:
                _each(new, "suspend")
                stopped |= new
                if time.monotonic() > deadline:
                    break
            if not stopped:
                break
            _each(stopped, "kill")
            psutil.wait_procs(stopped, timeout=0.1)
        self._known.clear()


def is_running(process: psutil.Process) -> bool:
    """Returns whether a process has not ended; one that nobody took note of yet has."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _each(processes: Collection[psutil.Process], action: str) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            getattr(process, action)()
