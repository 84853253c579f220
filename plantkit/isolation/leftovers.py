"""Scratch directories in the system's temporary directory, and those that dead owners left.

A directory's name says who owns it: `plantkit-<pid>-<start>-<machine>-<random>`, where `start`
is the owner's start in clock ticks since boot (elsewhere than on Linux: in milliseconds since
1970), so that a pid that was given out again is not taken for the owner, and `machine` is a
digest of boot and pid namespace (elsewhere: of the machine's name): a pid means nothing to
another machine or container that shares the directory.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plantkit.errors import UsageError
from plantkit.isolation.scratch import free_bytes, remove_tree

_NAME = re.compile(r"plantkit-([1-9][0-9]{0,9})-([0-9]{1,19})-([0-9a-f]{12})-[a-z0-9_]{8}")
#: Most entries of the temporary directory that are looked at, and leftovers that are removed.
_MOST_ENTRIES = 10_000
_MOST_LEFTOVERS = 100
_MIB = 1024 * 1024
#: Space for scratch files without which nothing is begun; a small challenge takes 1 MiB.
_FEWEST_FREE_MIB = 16
_REMEDY = "set the variable TMPDIR to a directory that can be written"
#: Where in the fields of /proc/pid/stat from the state on the start is.
_START_FIELD = 19


def make_scratch() -> Path:
    """Returns a new directory that only this user can enter; leftovers of others go first.

    Raises:
        UsageError: no directory can be written, or there is too little space.
    """
    try:
        root = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise UsageError(
            f"no scratch directory can be made: {error.strerror}; {_REMEDY}"
        ) from error
    remove_leftovers(root)
    free = free_bytes(root)
    if free < _FEWEST_FREE_MIB * _MIB:
        raise UsageError(
            f"{root} has {free // _MIB} MiB left for scratch files; expected "
            f"{_FEWEST_FREE_MIB} MiB or more; free some space there, or {_REMEDY}"
        )
    return _new_directory(root)


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Makes a directory that only this user can enter, and removes it with the block."""
    path = make_scratch()
    try:
        yield path
    finally:
        remove_tree(path)


def remove_leftovers(root: Path) -> list[str]:
    """Removes scratch directories in `root` whose owners are dead, and returns their names.

    Only real directories of this user whose names are exactly those of `make_scratch` are
    touched. Each is first moved, in one step, into a new scratch directory: of several
    processes that clean up one gets it, and what was swapped for it in between is looked at
    again there, and given back.
    """
    removed: list[str] = []
    for name in _leftovers(root):
        try:
            claim = _new_directory(root)
            try:
                taken = claim / "taken"
                os.rename(root / name, taken)  # noqa: PTH104 - moves a link, not its target
                if _is_own_directory(taken.lstat()):
                    remove_tree(taken)
                    removed.append(name)
                else:  # swapped: give it back
                    os.rename(taken, root / name)  # noqa: PTH104
            finally:
                claim.rmdir()
        except OSError:
            continue  # another process was faster, or it cannot be removed
    return removed


def _new_directory(root: Path) -> Path:
    pid = os.getpid()
    prefix = f"plantkit-{pid}-{_start_of(pid) or 0}-{_machine()}-"
    return Path(tempfile.mkdtemp(prefix=prefix, dir=root))


def _leftovers(root: Path) -> list[str]:
    found: list[str] = []
    with contextlib.suppress(OSError), os.scandir(root) as entries:
        for number, entry in enumerate(entries):
            if number >= _MOST_ENTRIES or len(found) >= _MOST_LEFTOVERS:
                break
            matched = _NAME.fullmatch(entry.name)
            if matched is None or matched[3] != _machine():
                continue
            with contextlib.suppress(OSError):
                is_own = _is_own_directory(entry.stat(follow_symlinks=False))
                if is_own and not _is_alive(int(matched[1]), int(matched[2])):
                    found.append(entry.name)
    return found


def _is_own_directory(status: os.stat_result) -> bool:
    is_own = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()  # Windows has no ids
    return is_own and stat.S_ISDIR(status.st_mode)


def _is_alive(pid: int, start: int) -> bool:
    """Whether the process `pid` that started at `start` runs; in doubt it does."""
    import psutil  # where there are no leftovers, it need not be imported

    try:
        if not psutil.pid_exists(pid):
            return False
    except OverflowError:
        return True
    found = _start_of(pid)
    return start == 0 or found is None or found == start


def _start_of(pid: int) -> int | None:
    """Returns when a process started, see the module; -1 for a dead one that its parent has not
    noticed yet, None where that cannot be known."""
    if sys.platform == "linux":  # where psutil's time moves with the clock
        from plantkit.isolation.descendants import process_fields

        fields = process_fields(pid)
        if not fields:
            return None
        return -1 if fields[0] in {"Z", "X"} else int(fields[_START_FIELD])
    import psutil

    try:
        process = psutil.Process(pid)
        is_dead = process.status() == psutil.STATUS_ZOMBIE
        return -1 if is_dead else int(1000 * process.create_time())
    except psutil.Error:
        return None


@functools.cache
def _machine() -> str:
    """Returns 12 hexadecimal digits, see the module."""
    boot = "" if sys.platform == "linux" else platform.node()
    namespace = ""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(f"{boot}\n{namespace}".encode()).hexdigest()[:12]
