"""The child's side: a warm process that forks one process for each request.

The server imports torch once and never runs a submission's code itself. Every request gets a
fresh fork in its own session, confined before the submission is loaded, so that no run sees
what another left behind. Every process that a run started is killed when the run ends or its
time is over.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import torch

from plantkit.isolation import kernel
from plantkit.isolation.backends import backend_class
from plantkit.isolation.backends.local import LocalBackend
from plantkit.isolation.cell_runner import redirect, run_cell, write_error
from plantkit.isolation.descendants import end_descendants
from plantkit.isolation.levels import Level
from plantkit.isolation.watch import Watch
from plantkit.isolation.wire import CELL_FILE, FAREWELL, OUTPUT_FILE, Exit, Limits, signal_name

if sys.platform != "linux":
    raise ImportError("this module needs Linux")


def main() -> None:
    """Serves requests: one line of JSON each on standard input, one line each as an answer."""
    torch.set_num_threads(1)  # a fork must not inherit a pool of threads
    kernel.set_dumpable(False)
    kernel.adopt_orphans()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)  # nothing but answers may reach the parent's pipe
    answers.write(json.dumps({"ready": True, "pid": os.getpid()}) + "\n")
    answers.flush()
    for line in sys.stdin:
        request = json.loads(line)
        exit_ = _run_forked(
            Path(request["cell"]),
            Limits(**request["limits"]),
            backend_class(Level(request["level"])),
            [Path(path) for path in request["hidden"]],
        )
        if exit_ is None:
            break
        answers.write(json.dumps(asdict(exit_)) + "\n")
        answers.flush()
    with contextlib.suppress(BrokenPipeError):
        answers.write(FAREWELL + "\n")
        answers.flush()
    os._exit(0)


def _run_forked(
    cell: Path, limits: Limits, backend: type[LocalBackend], hidden: Sequence[Path]
) -> Exit | None:
    """Runs the request in `cell` in a fork and returns how that ended.

    Returns None if the parent went away meanwhile. Nothing that the request started is left
    when this returns.
    """
    started = time.monotonic()
    backend.prepare(hidden)
    cpu_before = _cpu_of_children()
    pid = os.fork()
    if pid == 0:
        _child(cell, limits, backend, hidden)
    watch = Watch(pid=pid, cell=cell, limits=limits, deadline=started + limits.time_seconds)
    ended = watch.wait()
    seconds = time.monotonic() - started
    end_descendants(os.getpid())
    if ended is None:
        return None
    status, peak_kib = ended
    return Exit(
        code=os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        signal=signal_name(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else None,
        timed_out=watch.timed_out,
        seconds=seconds,
        peak_rss_mib=round(peak_kib / 1024, 1),
        cpu_seconds=_cpu_of_children() - cpu_before,
        exceeded=watch.exceeded,
    )


def _cpu_of_children() -> float:
    """Returns the processor time, in seconds, of all children that have been waited for.

    It includes what those have waited for. A process that outlives its parent becomes a child of
    this one, so that it counts too.
    """
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _child(
    cell: Path, limits: Limits, backend: type[LocalBackend], hidden: Sequence[Path]
) -> NoReturn:
    """Runs in the fork: a new session, captured output, confined, then the request."""
    code = 70
    try:
        os.setsid()
        os.chdir(cell)
        redirect(cell / OUTPUT_FILE)
        backend.confine(cell, limits, _files_of(cell), hidden)
        run_cell(cell)
        code = 0
    except BaseException as error:
        with contextlib.suppress(BaseException):
            write_error(cell, error)
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(BaseException):
                stream.flush()
        os._exit(code)


def _files_of(cell: Path) -> list[Path]:
    """Returns what the request in `cell` names besides the cell's own files: the problem."""
    request = json.loads((cell / CELL_FILE).read_text(encoding="utf-8"))
    return [Path(request["problem"])] if "problem" in request else []
