"""The parent's side: starts the child's server, sends requests, reads answers back.

Imports no torch until an answer is read, so that servers can start before the parent does.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plantkit.errors import IsolationError, MaskError, PluginError
from plantkit.isolation.wire import (
    ANSWER_FILE,
    CELL_FILE,
    ERROR_FILE,
    MASK_PREFIX,
    MOST_TEXT_BYTES,
    OUTPUT_FILE,
    PROBLEM_FILE,
    SALIENCY_PREFIX,
    TRAIN_FILE,
    WEIGHTS_FILE,
    Exit,
    Limits,
    PrunerSource,
    Status,
    read_bounded_text,
    write_json,
)

if TYPE_CHECKING:
    from plantkit.masks import Mask
    from plantkit.networks import NetworkSpec
    from plantkit.problem import Problem

#: Seconds that the server may take beyond a run's time limit before it is killed.
GRACE_SECONDS = 15.0
#: Seconds that a server may take to start.
START_SECONDS = 120.0
#: Variables of the environment that the child keeps.
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")
_BOOTSTRAP = (
    "import sys; sys.path[:] = {path!r}; from plantkit.isolation.server import main; main()"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one run of a pruner.

    mask: the validated mask if status is ok, else None. error: what went wrong, else "".
    seconds: wall time in the child. output: what the run printed, at most 64 KiB of its end.
    """

    status: Status
    mask: Mask | None
    error: str
    seconds: float
    peak_rss_mib: float | None
    output: str = ""


class PrunerServer:
    """A warm child process that runs pruners; a context manager.

    A server handles one request at a time. When it dies or hangs it is replaced.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._ready = False

    def __enter__(self) -> PrunerServer:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the process; returns before it is ready."""
        if self._process is not None:
            return
        path = [str(Path(entry).resolve()) for entry in sys.path if entry]
        variables = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _BOOTSTRAP.format(path=path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**variables, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
            text=True,
        )
        self._ready = False

    def stop(self) -> None:
        """Ends the process, and with it anything that it still runs."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.communicate()

    def request(self, cell: Path, limits: Limits) -> Exit:
        """Runs the request in `cell` and returns how its process ended.

        Raises:
            IsolationError: the server cannot be started.
        """
        self.start()
        if not self._ready:
            if self._read_line(START_SECONDS) is None:
                self.stop()
                raise IsolationError(
                    "the process that runs pruners did not start; "
                    f"check that '{sys.executable} -c \"import torch\"' works"
                )
            self._ready = True
        process = self._process
        assert process is not None
        assert process.stdin is not None
        started = time.monotonic()
        line = json.dumps({"cell": str(cell), "limits": asdict(limits)}) + "\n"
        answer = None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(line)
            process.stdin.flush()
            answer = self._read_line(limits.time_seconds + GRACE_SECONDS)
        if answer is not None:
            return Exit(**answer)
        self.stop()
        seconds = time.monotonic() - started
        return Exit(
            code=None,
            signal="SIGKILL",
            timed_out=seconds > limits.time_seconds,
            seconds=seconds,
            peak_rss_mib=None,
        )

    def _read_line(self, timeout_seconds: float) -> dict[str, Any] | None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        # One answer a request, so nothing can wait in the text buffer.
        readable, _, _ = select.select([process.stdout], [], [], timeout_seconds)
        line = process.stdout.readline() if readable else ""
        if not line:
            return None
        value: dict[str, Any] = json.loads(line)
        return value


@contextmanager
def server_pool(count: int) -> Iterator[list[PrunerServer]]:
    """Starts `count` servers, and ends them with the block."""
    servers = [PrunerServer() for _ in range(count)]
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.stop()


def write_problem(directory: Path, problem: Problem) -> None:
    """Writes the public half of a challenge for the child to read."""
    from safetensors.torch import save_file

    directory.mkdir(parents=True)
    write_json(
        directory / PROBLEM_FILE,
        {
            "name": problem.name,
            "network": problem.network.to_json(),
            "task": problem.task.to_json(),
            "training": problem.recipe.to_json(),
        },
    )
    data = problem.train
    save_file(problem.weights, directory / WEIGHTS_FILE)
    save_file({"inputs": data.inputs, "targets": data.targets}, directory / TRAIN_FILE)


class Scratch:
    """A directory of cells, each used for one request."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._numbers = itertools.count()

    def new_cell(self, request: dict[str, Any]) -> Path:
        """Returns a new cell directory that holds `request`."""
        cell = self._root / f"cell-{next(self._numbers)}"
        cell.mkdir(parents=True)
        write_json(cell / CELL_FILE, request)
        return cell


def describe_pruners(
    server: PrunerServer, scratch: Scratch, source: PrunerSource, limits: Limits
) -> list[dict[str, str]]:
    """Returns name and reference of every pruner that `source` offers, found in the child.

    Raises:
        PluginError: the source cannot be loaded.
    """
    cell = scratch.new_cell({"kind": "describe", "source": source.to_json()})
    exit_ = server.request(cell, limits)
    where = source.path or source.entry_point or ""
    report = _read_report(cell)
    if report is None:
        raise PluginError(where, f"cannot be loaded: {_how_it_ended(exit_)}")
    if "pruners" not in report:
        message = str(report.get("message", "cannot be loaded"))
        error = PluginError(where, message.removeprefix(f"{where}: "))
        raise error
    found: list[dict[str, str]] = report["pruners"]
    return found


def run_pruner(
    server: PrunerServer,
    scratch: Scratch,
    *,
    source: PrunerSource,
    problem_directory: Path,
    network: NetworkSpec,
    density: float,
    budget: int,
    seed: int,
    limits: Limits,
) -> Outcome:
    """Runs one pruner on one problem in the child and returns what came of it."""
    cell = scratch.new_cell(
        {
            "kind": "prune",
            "source": source.to_json(),
            "problem": str(problem_directory),
            "density": density,
            "seed": seed,
        }
    )
    exit_ = server.request(cell, limits)
    status, mask, error = _judge(cell, exit_, network, budget, limits)
    return Outcome(
        status=status,
        mask=mask,
        error=error,
        seconds=exit_.seconds,
        peak_rss_mib=exit_.peak_rss_mib,
        output=read_bounded_text(cell / OUTPUT_FILE),
    )


def read_answer(path: Path, network: NetworkSpec, budget: int) -> Mask:
    """Returns the validated mask in an answer file, which is not trusted.

    Raises:
        MaskError: the file is too large, no safetensors file, or no valid mask.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    from plantkit.masks import Mask, validate_mask

    most = 9 * network.total + MOST_TEXT_BYTES  # a byte a mask entry, eight a saliency
    if path.is_symlink() or not path.is_file():
        raise MaskError("the answer is not a regular file")
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise MaskError(f"the answer is larger than {most} bytes, the most that a mask can need")
    try:
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise MaskError(f"the answer is no safetensors file: {error}") from error
    values = {
        name.removeprefix(MASK_PREFIX): tensor
        for name, tensor in tensors.items()
        if name.startswith(MASK_PREFIX)
    }
    mask = validate_mask(values, network, budget)
    saliency = {
        name: tensors[SALIENCY_PREFIX + name]
        for name, shape in network.shapes.items()
        if SALIENCY_PREFIX + name in tensors
        and tuple(tensors[SALIENCY_PREFIX + name].shape) == shape
        and not tensors[SALIENCY_PREFIX + name].isnan().any()
    }
    return Mask(mask, saliency=saliency if saliency.keys() == mask.keys() else None)


def _judge(
    cell: Path, exit_: Exit, network: NetworkSpec, budget: int, limits: Limits
) -> tuple[Status, Mask | None, str]:
    if exit_.timed_out:
        return Status.TIMEOUT, None, f"ran longer than the time limit of {limits.time_seconds:g} s"
    if exit_.signal is not None:
        return Status.CRASH, None, _how_it_ended(exit_)
    report = _read_report(cell)
    if report is not None:
        reported = report.get("status")
        known = {Status.INVALID, Status.OOM, Status.CRASH}
        status = Status(reported) if reported in known else Status.CRASH
        return status, None, str(report.get("message", ""))[:MOST_TEXT_BYTES]
    if exit_.code != 0 or not (cell / ANSWER_FILE).exists():
        return Status.CRASH, None, _how_it_ended(exit_)
    try:
        return Status.OK, read_answer(cell / ANSWER_FILE, network, budget), ""
    except MaskError as error:
        return Status.INVALID, None, str(error)


def _read_report(cell: Path) -> dict[str, Any] | None:
    text = read_bounded_text(cell / ERROR_FILE)
    if not text:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"message": "left an unreadable error report"}


def _how_it_ended(exit_: Exit) -> str:
    if exit_.timed_out:
        return f"ran longer than {exit_.seconds:.1f} s"
    if exit_.signal is not None:
        return f"killed by {exit_.signal}"
    return f"exited with code {exit_.code} and without an answer"
