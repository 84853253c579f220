"""What this machine offers: every promise of a level is tried in throw-away processes.

Nothing is concluded from version numbers. On Linux, `probe_machine` starts one small process
without torch that carries out the trial; elsewhere there is little to try.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import threading
from functools import cache

from plantkit.isolation.launch import bootstrap, clean_environment
from plantkit.isolation.levels import Check, Level, Offer, process_level
from plantkit.isolation.wire import MARKER

_PROBE_SECONDS = 60
USE_LINUX = "full isolation needs Linux 5.13 or later; a virtual machine, container or WSL 2 has it"
#: A program that leaves a process without a parent, which tells its id once it runs.
_ORPHAN = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
_LEAVE_ORPHAN = (
    "import subprocess, sys; sys.stdin.readline(); nothing = subprocess.DEVNULL; "
    f"subprocess.Popen([sys.executable, '-I', '-S', '-c', {_ORPHAN!r}], stdin=nothing, "
    "stderr=nothing)"
)

#: Held by the thread that waits for the trial.
_probing = threading.Lock()


@cache
def begin_probe() -> subprocess.Popen[str] | None:
    """Starts what `probe_machine` waits for, once per process; returns None if it cannot."""
    if process_level() is not Level.PROCESS:
        return None
    return subprocess.Popen(
        [sys.executable, "-I", "-B", "-c", bootstrap("plantkit.isolation.trial")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=clean_environment(),
    )


def probe_machine() -> Offer:
    """Returns what this machine offers, found out once per process; takes about 0.2 s.

    Call `begin_probe` first if you have something else to do meanwhile. Threads that ask at the
    same time get the same answer.
    """
    with _probing:  # of two that read the trial's output one would see no isolation
        return _end_probe()


@cache
def _end_probe() -> Offer:
    process = begin_probe()
    if process is None:
        landlock, fork = (
            Check.of(level, name, f"only Linux has {name}", "", USE_LINUX)
            for level, name in ((Level.FULL, "Landlock and seccomp"), (Level.PROCESS, "safe forks"))
        )
        return Offer(checks=[landlock, fork, try_watching()])
    try:
        output, errors = process.communicate(timeout=_PROBE_SECONDS)
    except BaseException:
        process.kill()
        process.wait()
        begin_probe.cache_clear()
        raise
    try:
        found = json.loads(output)
    except ValueError:
        detail = f"the trial ended with code {process.returncode}: {errors[-500:].strip()}"
        remedy = "run plantkit doctor again, and report this"
        return Offer(
            checks=[
                Check(level=Level.FULL, name="trial", works=False, detail=detail, remedy=remedy)
            ]
        )
    return Offer(checks=[Check(**{**entry, "level": Level(entry["level"])}) for entry in found])


def try_watching() -> Check:
    """Returns whether what a process starts is found and ended, even where it has no parent."""
    return Check.of(
        Level.WATCHED,
        "watching",
        _try_watching(),
        "what a process uses is seen, and what it starts is found and ended",
        "check that the package psutil works: python -c 'import psutil; psutil.pids()'",
    )


def _try_watching() -> str:
    """Returns what went wrong, or ""."""
    import psutil

    from plantkit.isolation.families import Family, is_running

    marker = secrets.token_hex(16)
    try:
        with subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LEAVE_ORPHAN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**clean_environment(), MARKER: marker},
        ) as parent:
            family = Family(parent.pid, marker)
            used = family.memory_mib()  # before the parent ends
            assert parent.stdin is not None
            assert parent.stdout is not None
            parent.stdin.close()
            orphan = psutil.Process(int(parent.stdout.readline()))
            parent.wait()
        family.end()
        if is_running(orphan):
            return "a process without a parent cannot be found and ended"
    except (psutil.Error, OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return "" if used > 0 else "the memory of a process cannot be read"
