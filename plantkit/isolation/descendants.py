"""Finding and ending every process that a run started, wherever it went."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

if sys.platform != "linux":
    raise ImportError("this module needs Linux")

_PROC = Path("/proc")


def descendants(root: int) -> set[int]:
    """Returns the ids of all processes beneath `root`; none where /proc is missing."""
    if not (_PROC / "self" / "stat").exists():
        return set()
    parents = _parents()
    found: set[int] = set()
    frontier = {root}
    while frontier:
        frontier = {pid for pid, parent in parents.items() if parent in frontier} - found
        found |= frontier
    return found


def count_processes(root: int) -> tuple[int, int]:
    """Returns the number of processes, and of threads, of `root` and all beneath it."""
    processes = {root} if not has_children(root) else {root, *descendants(root)}
    return len(processes), sum(_threads(pid) for pid in processes)


def has_children(pid: int) -> bool:
    """Returns whether a process has children; True where that cannot be told cheaply."""
    try:
        with os.scandir(f"/proc/{pid}/task") as tasks:
            return any(Path(task.path, "children").read_bytes() for task in tasks)
    except (OSError, ValueError):
        return (_PROC / str(pid)).exists()


def end_descendants(root: int, *, timeout_seconds: float = 10.0) -> None:
    """Kills all processes beneath `root` and reaps those that are its children.

    They are stopped first, until no new ones appear, so that none can start another while it
    is being killed. Where the kernel says that `root` has no child there is nothing beneath it.
    """
    if not has_children(root):
        return
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        stopped: set[int] = set()
        while new := descendants(root) - stopped:
            for pid in new:
                _send(pid, signal.SIGSTOP)
            stopped |= new
            if time.monotonic() > deadline:
                break
        for pid in stopped:
            _send(pid, signal.SIGKILL)
        reap_children()
        if not descendants(root):
            reap_children()  # those that ended since; their processor time counts
            return
        time.sleep(0.002)


def end_marked(marker: str) -> None:
    """Kills every process whose initial environment holds `marker`, where that can be read."""
    wanted = marker.encode()
    for _ in range(20):
        found = [pid for pid in _pids() if wanted in _environment(pid)]
        for pid in found:
            _send(pid, signal.SIGKILL)
        if not found:
            return
        time.sleep(0.01)


def reap_children() -> None:
    """Takes note of the end of all children that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _pids() -> list[int]:
    try:
        return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    except OSError:
        return []


def _parents() -> dict[int, int]:
    """Returns the parent of every process that is not a zombie."""
    found = {}
    for pid in _pids():
        fields = process_fields(pid)
        if fields and fields[0] not in {"Z", "X"}:
            found[pid] = int(fields[1])
    return found


def _threads(pid: int) -> int:
    fields = process_fields(pid)
    return int(fields[17]) if fields else 0


def process_fields(pid: int) -> list[str]:
    """Returns the fields of /proc/pid/stat from the state on; [] if the process does not exist."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _environment(pid: int) -> bytes:
    if pid == os.getpid():
        return b""
    try:
        return (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return b""
