"""The trial of what this machine offers: every promise of a level is broken in a child, or not.

Runs in a process of its own, without torch. For each check it forks a child, locks it away, and
has it try what must fail.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from plantkit.isolation import kernel
from plantkit.isolation.levels import Check, Level
from plantkit.isolation.probe import USE_LINUX, try_watching
from plantkit.isolation.wire import Limits

if TYPE_CHECKING:
    from plantkit.isolation.backends.local import LocalBackend

if sys.platform != "linux":
    raise ImportError("this module needs Linux")

_TRIAL_SECONDS = 60
_REFUSALS = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EXDEV, errno.EBADF, errno.EFBIG}
_LIMITS = Limits(time_seconds=20, memory_mib=256, output_mib=1)
_LANDLOCK = (
    "start the kernel with landlock in its lsm= list, and let a container's seccomp profile "
    "pass the landlock calls"
)
_SECCOMP = "use a 64-bit Linux kernel on x86 or ARM with CONFIG_SECCOMP_FILTER"


class _LeakError(Exception):
    """Something worked that must not."""


def main() -> None:
    """Prints the checks as JSON; runs in a process of its own."""
    kernel.set_dumpable(False)
    kernel.adopt_orphans()
    json.dump([asdict(check) for check in _checks()], sys.stdout)


def _checks() -> list[Check]:
    process = [
        ("limits", _try_limits, "memory and file size are bounded", "use a POSIX system"),
        ("environment", _try_descriptors, "nothing open or secret is inherited", USE_LINUX),
    ]
    full = [
        ("files", _try_files, "only its libraries, its problem and its scratch", _LANDLOCK),
        ("network", _try_network, "no socket of any kind", _SECCOMP),
        ("signals", _try_signals, "none to other processes", _SECCOMP),
        ("memory", _try_memory, "none of other processes", _SECCOMP),
        ("processes", _try_processes, "threads, but no other process or program", _SECCOMP),
        ("privileges", _try_privileges, "none kept or gained", USE_LINUX),
    ]
    return [
        *(_tried(Level.PROCESS, *check) for check in process),
        Check.of(
            Level.PROCESS,
            "descendants",
            _try_descendants(),
            "processes that leave their session are found and ended",
            USE_LINUX,
        ),
        *(_tried(Level.FULL, *check) for check in full),
        try_watching(),
    ]


def _tried(
    level: Level, name: str, attempt: Callable[[Path, Path], None], detail: str, remedy: str
) -> Check:
    from plantkit.isolation.backends import backend_class

    return Check.of(level, name, _in_child(backend_class(level), attempt), detail, remedy)


def _in_child(backend: type[LocalBackend], attempt: Callable[[Path, Path], None]) -> str:
    """Returns what went wrong when a child of `backend` ran `attempt(secret, scratch)`, or ""."""
    from plantkit.isolation.descendants import end_descendants
    from plantkit.isolation.leftovers import scratch_directory

    with scratch_directory() as root:
        secret, cell = root / "secret", root / "cell"
        secret.write_bytes(b"secret")
        cell.mkdir()
        report, answer = os.pipe()
        try:
            backend.prepare([])
        except (ImportError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        pid = os.fork()
        if pid == 0:
            try:
                os.dup2(answer, 1)
                os.chdir(cell)
                backend.confine(cell, _LIMITS, [], [])
                attempt(secret, cell)
            except BaseException as error:
                os.write(1, f"{type(error).__name__}: {error}"[:500].encode())
                os._exit(1)
            os._exit(0)
        os.close(answer)
        with os.fdopen(report, "rb") as file:
            text = file.read().decode(errors="replace")
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        end_descendants(os.getpid())
        return text or (f"a confined process ended with code {status}" if status else "")


def _refused(what: str, action: Callable[[], object]) -> None:
    """Raises `_LeakError` unless the system refuses `action`; another error proves nothing."""
    try:
        action()
    except OSError as error:
        if error.errno in _REFUSALS:
            return
        raise _LeakError(f"{what} failed for another reason: {error}") from error
    raise _LeakError(f"{what} worked")


def _raw(name: str, *arguments: int) -> None:
    """Makes a system call.

    Raises:
        OSError: it fails.
    """
    from seccompy.syscalls import syscall_nr

    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    if libc.syscall(syscall_nr(name), *(ctypes.c_long(value) for value in arguments)) < 0:
        raise OSError(ctypes.get_errno(), name)


def _try_limits(secret: Path, scratch: Path) -> None:
    with suppress(OSError, MemoryError):
        mmap.mmap(-1, 2 * _LIMITS.memory_mib * 1024 * 1024)
        raise _LeakError("memory beyond the limit was given")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with (scratch / "big").open("wb") as file:
        _refused("a file beyond the limit", lambda: file.truncate(2 * 1024 * 1024))


def _try_descriptors(secret: Path, scratch: Path) -> None:
    for descriptor in range(3, 256):
        _refused(f"descriptor {descriptor}", partial(os.fstat, descriptor))


def _try_files(secret: Path, scratch: Path) -> None:
    _refused("reading a file outside", secret.read_text)
    _refused("emptying a file outside", lambda: os.open(secret, os.O_RDONLY | os.O_TRUNC))
    _refused("writing a file outside", lambda: secret.write_bytes(b"changed"))
    _refused("making a file outside", lambda: secret.with_name("new").touch())
    _refused("removing a file outside", secret.unlink)
    _refused("renaming a file outside", lambda: secret.rename(scratch / "mine"))
    _refused("changing a file's mode", lambda: secret.chmod(0))
    _refused("a symbolic link", lambda: (scratch / "link").symlink_to(secret))
    _refused("emptying a library", lambda: os.open(os.__file__, os.O_RDONLY | os.O_TRUNC))
    _refused("reading the command line of the parent", lambda: _read_proc("cmdline"))
    Path(os.__file__).read_bytes()
    (scratch / "own").write_bytes(b"kept")
    if (scratch / "own").read_bytes() != b"kept":
        raise _LeakError("the scratch directory cannot be used")


def _try_network(secret: Path, scratch: Path) -> None:
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            _refused(f"{family.name} {kind.name}", partial(socket.socket, family, kind))
    _refused("a pair of sockets", socket.socketpair)
    _refused("io_uring", lambda: _raw("io_uring_setup", 1, 0))


def _try_signals(secret: Path, scratch: Path) -> None:
    parent = os.getppid()
    _refused("a signal to the parent", lambda: os.kill(parent, 0))
    _refused("a signal to all", lambda: os.kill(-1, 0))
    _refused("a signal to a thread of the parent", lambda: _raw("tgkill", parent, parent, 0))
    _refused("a descriptor of the parent", lambda: _raw("pidfd_open", parent, 0))
    _refused("limits of the parent", lambda: _raw("prlimit64", parent, 0, 0, 0))
    os.kill(os.getpid(), 0)


def _try_memory(secret: Path, scratch: Path) -> None:
    parent = os.getppid()
    for name in ("mem", "environ", "maps"):
        _refused(f"reading {name} of the parent", partial(_read_proc, name))
    _refused("tracing the parent", lambda: _raw("ptrace", 16, parent, 0, 0))
    _refused("process_vm_readv", lambda: _raw("process_vm_readv", parent, 0, 0, 0, 0, 0))


def _try_processes(secret: Path, scratch: Path) -> None:
    def fork() -> None:
        if os.fork() == 0:
            os._exit(0)

    _refused("fork", fork)
    _refused("another program", lambda: os.execv("/bin/true", ["true"]))
    thread = threading.Thread(target=time.sleep, args=(0,))
    thread.start()
    thread.join()


def _try_privileges(secret: Path, scratch: Path) -> None:
    _refused("another user's id", lambda: os.setuid(65534 if os.getuid() == 0 else 0))
    _refused("another root", lambda: os.chroot(scratch))
    _refused("namespaces", lambda: _raw("unshare", 0x10000000))
    import resource

    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard * 2, hard * 2))
    except ValueError:
        return
    raise _LeakError("raising a limit worked")


def _try_descendants() -> str:
    """Returns what went wrong with ending a process that left its session and its parent, or ""."""
    from plantkit.isolation.descendants import descendants, end_descendants

    pid = os.fork()
    if pid == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            os.closerange(0, 3)  # nobody waits for the end of its output where it is not found
            time.sleep(_TRIAL_SECONDS)
        os._exit(0)
    os.waitpid(pid, 0)
    was_found = bool(descendants(os.getpid()))
    end_descendants(os.getpid())
    if was_found and not descendants(os.getpid()):
        return ""
    return "processes that leave their session cannot be found"


def _read_proc(name: str) -> bytes:
    with Path(f"/proc/{os.getppid()}/{name}").open("rb") as file:
        return file.read(1)
