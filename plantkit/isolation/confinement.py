"""Locking a forked child away, before it loads a submission's code."""

from __future__ import annotations

import math
import os
import resource
import signal
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from plantkit.isolation import files, kernel, syscalls
from plantkit.isolation.levels import Level
from plantkit.isolation.wire import Limits
from plantkit.machine import available_cores

_MIB = 1024 * 1024
#: Descriptors that a run may hold open.
MOST_DESCRIPTORS = 256


def prepare(level: Level, hidden: Sequence[Path]) -> None:
    """Does, before a fork, what every child at this level would do again.

    Raises:
        ImportError: a package that full isolation is made of is not installed.
        OSError: the system lacks what it needs.
    """
    if level is Level.FULL:
        import landlockpy
        import seccompy

        landlockpy.abi_version()  # both look for the C library once, by starting a program
        seccompy.supported()
        syscalls.static_filter()
        _system_files(hidden)


def _system_files(hidden: Sequence[Path]) -> tuple[tuple[str, bool], ...]:
    return files.readable_paths((*hidden, *shipped_bundles()), plugin_modules())


@cache
def plugin_modules() -> tuple[str, ...]:
    """Returns the modules that installed plugins are loaded from."""
    from importlib.metadata import entry_points

    return tuple(sorted({entry.module for entry in entry_points(group="plantkit")}))


def confine(
    cell: Path, limits: Limits, level: Level, readable: Sequence[Path], hidden: Sequence[Path]
) -> None:
    """Binds this process, for good, to `level` and `limits`.

    cell: its scratch and working directory. readable: the submission's file and the problem.
    hidden: what stays closed even inside of a readable tree.

    Raises:
        OSError: the system refuses; the caller must not go on.
    """
    if level is Level.NONE:
        return
    kernel.close_descriptors()
    set_limits(limits)
    kernel.die_with_parent(signal.SIGKILL)
    os.environ.update({"HOME": str(cell), "TMPDIR": str(cell)})
    tempfile.tempdir = None
    if kernel.is_linux() and not kernel.forgo_privileges():
        raise OSError("cannot give up privileges")
    # The server's own is closed; it must see what this process holds open. Under full isolation
    # no other pruner can look all the same.
    kernel.set_dumpable(True)
    if level is Level.FULL:
        files.restrict(_system_files(hidden), readable, [cell])
        syscalls.apply()


def shipped_bundles() -> list[Path]:
    """Returns where bundles lie in the package itself."""
    return [Path(__file__).resolve().parents[1] / "shipped_challenges"]


def set_limits(limits: Limits) -> None:
    """Sets what the system counts for one process: memory, file size, processor time."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    size = limits.output_mib * _MIB
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    _lower(resource.RLIMIT_NOFILE, MOST_DESCRIPTORS)
    _lower(resource.RLIMIT_CPU, math.ceil(limits.time_seconds) * available_cores() + 1)
    if hasattr(resource, "RLIMIT_MSGQUEUE"):
        _lower(resource.RLIMIT_MSGQUEUE, 0)
    statm = Path("/proc/self/statm")
    if statm.exists():
        used = int(statm.read_text().split()[0]) * resource.getpagesize()
        allowed = used + limits.memory_mib * _MIB
        resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard == resource.RLIM_INFINITY or value < hard:
        resource.setrlimit(kind, (value, value))
