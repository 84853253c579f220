"""Level `process`: a pruner runs in a child process with limits and a clean environment."""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from plantkit.isolation import kernel
from plantkit.isolation.backends.local import LocalBackend
from plantkit.isolation.forks import ForkedServer, Zygote, room_for_forks
from plantkit.isolation.wire import Limits
from plantkit.machine import available_cores

if sys.platform != "linux":
    raise ImportError("this module needs Linux")

_MIB = 1024 * 1024
#: Descriptors that a run may hold open.
MOST_DESCRIPTORS = 256


class ChildProcess(LocalBackend):
    """Runs each job in a fork of a warm server process. It can read what the user can read."""

    @classmethod
    def start_processes(cls, most: int) -> Sequence[ForkedServer]:
        return Zygote(min(most, room_for_forks())).servers

    @classmethod
    def confine(
        cls, cell: Path, limits: Limits, readable: Sequence[Path], hidden: Sequence[Path]
    ) -> None:
        kernel.close_descriptors()
        _set_limits(limits)
        kernel.die_with_parent(signal.SIGKILL)
        os.environ.update({"HOME": str(cell), "TMPDIR": str(cell)})
        tempfile.tempdir = None
        if kernel.is_linux() and not kernel.forgo_privileges():
            raise OSError("cannot give up privileges")
        # The server's own memory is closed. The server must see what this process holds open;
        # other pruners cannot look even so under full isolation.
        kernel.set_dumpable(True)


def _set_limits(limits: Limits) -> None:
    """Sets what the system counts for one process: memory, file size, processor time."""
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, limits.output_mib * _MIB)
    _lower(resource.RLIMIT_NOFILE, MOST_DESCRIPTORS)
    _lower(resource.RLIMIT_CPU, math.ceil(limits.time_seconds) * available_cores() + 1)
    if hasattr(resource, "RLIMIT_MSGQUEUE"):
        _lower(resource.RLIMIT_MSGQUEUE, 0)
    statm = Path("/proc/self/statm")
    if statm.exists():
        used = int(statm.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        _lower(resource.RLIMIT_AS, used + limits.memory_mib * _MIB)


def _lower(kind: int, value: int) -> None:
    """Sets a limit for good, to `value` or to what is in force where that is less."""
    in_force = [one for one in resource.getrlimit(kind) if one != resource.RLIM_INFINITY]
    least = min([value, *in_force])
    resource.setrlimit(kind, (least, least))
