"""The parent's side: starts the child's server, sends requests, reads answers back.

Imports no torch until an answer is read, so that servers can start before the parent does.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plantkit.errors import IsolationError, MaskError, PluginError
from plantkit.isolation import kernel
from plantkit.isolation.descendants import end_marked
from plantkit.isolation.forks import ForkedServer, Zygote, hold, new_marker, numbered
from plantkit.isolation.launch import bootstrap, clean_environment
from plantkit.isolation.levels import AUTO, Level, choose
from plantkit.isolation.probe import probe_machine
from plantkit.isolation.scratch import NotRegularError, read_regular, remove_tree
from plantkit.isolation.wire import (
    ANSWER_FILE,
    CELL_FILE,
    ERROR_FILE,
    MASK_PREFIX,
    MOST_MESSAGE,
    MOST_TEXT_BYTES,
    OUTPUT_FILE,
    PROBLEM_FILE,
    SALIENCY_PREFIX,
    TRAIN_FILE,
    WEIGHTS_FILE,
    Exit,
    Limits,
    Status,
    plain_text,
    read_bounded_text,
    write_json,
)
from plantkit.pruners.sources import PrunerSource

if TYPE_CHECKING:
    from torch import Tensor

    from plantkit.networks import Network
    from plantkit.networks.masks import Mask
    from plantkit.pruners.problem import Problem

#: Seconds that the server may take beyond a run's time limit before it is killed.
GRACE_SECONDS = 15.0
#: Servers that are forked from one process; each takes four descriptors while it starts, which
#: must leave most of those that this process may have.
_MOST_FORKED = 64
_DESCRIPTORS_A_FORK = 16
#: Seconds that a server may take to start.
START_SECONDS = 120.0
#: Seconds that a server may take to end itself before it is killed.
_STOP_SECONDS = 5.0
#: Most pruners that one file may offer.
_MOST_PRUNERS = 100
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedPruner:
    """What a pruner says of itself; see `plantkit.pruners.pruner.Pruner`."""

    name: str
    reference: str = ""
    is_seeded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """How pruners are locked away.

    hidden: files and directories that stay closed even where they lie inside of a library,
        such as bundles that ship with a package.
    """

    level: Level
    hidden: tuple[Path, ...] = ()


class PrunerServer:
    """A warm child process that runs pruners; a context manager.

    A server handles one request at a time. When it dies or hangs it is replaced. Without an
    `isolation` it is the best that the machine offers.
    """

    def __init__(self, isolation: Isolation | None = None) -> None:
        self._isolation = isolation
        self._process: subprocess.Popen[str] | ForkedServer | None = None
        self._ready = False
        self._marker = ""

    def __enter__(self) -> PrunerServer:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def isolation(self) -> Isolation:
        if self._isolation is None:
            level, _ = choose(AUTO, probe_machine())
            self._isolation = Isolation(level=level)
        return self._isolation

    def isolate(self, level: Level) -> None:
        """Sets the level of isolation, from the next request on."""
        self._isolation = Isolation(
            level=level, hidden=self._isolation.hidden if self._isolation else ()
        )

    def hide(self, paths: Iterable[Path]) -> None:
        """Adds to what no pruner may read, from the next request on."""
        self._isolation = replace(self.isolation, hidden=(*self.isolation.hidden, *paths))

    def start(self) -> None:
        """Starts the process, anew if it has died; returns before it is ready."""
        if self._process is not None and self._process.poll() is not None:
            self.stop()
        if self._process is not None or self.isolation.level is Level.NONE:
            return
        self._marker = new_marker()
        name, _, value = self._marker.partition("=")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-c", bootstrap("plantkit.isolation.server")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**clean_environment(), name: value},
            start_new_session=True,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        hold(self._process.stdin, self._process.stdout)
        self._ready = False

    def adopt(self, process: ForkedServer, marker: str) -> None:
        """Takes a process that was started already, with `marker` in its environment."""
        self._process, self._marker, self._ready = process, marker, False

    def stop(self) -> None:
        """Ends the process, and with it anything that it still runs."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()  # the server ends what it runs, then itself
        if not self._ready:
            process.kill()  # it runs nothing yet, and may still import for a while
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        if process.returncode != 0:
            if isinstance(process, subprocess.Popen):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
            end_marked(self._marker)
        assert process.stdout is not None
        process.stdout.close()

    def request(self, cell: Path, limits: Limits) -> Exit:
        """Runs the request in `cell` and returns how its process ended.

        Raises:
            IsolationError: the server cannot be started.
        """
        if self.isolation.level is Level.NONE:
            return _run_here(cell)
        found = self._request(cell, limits)
        if found.signal == "SIGKILL" and not os.path.lexists(cell / OUTPUT_FILE):
            # The server died before the run began, as it does when the thread that started it
            # ends: no fault of the run's.
            found = self._request(cell, limits)
        return found

    def _request(self, cell: Path, limits: Limits) -> Exit:
        self.start()
        if not self._ready:
            greeting = self._read_line(START_SECONDS)
            if greeting is None:
                self.stop()
                raise IsolationError(
                    "the process that runs pruners did not start; "
                    f"check that '{sys.executable} -c \"import torch\"' works"
                )
            self._ready = True
            if isinstance(self._process, ForkedServer):
                self._process.identify(greeting["pid"])
        process = self._process
        assert process is not None
        assert process.stdin is not None
        started = time.monotonic()
        request = {
            "cell": str(cell),
            "limits": asdict(limits),
            "level": self.isolation.level.value,
            "hidden": [str(path) for path in self.isolation.hidden],
        }
        answer = None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer = self._read_line(limits.time_seconds + GRACE_SECONDS)
        if answer is not None:
            return Exit(**answer)
        seconds = time.monotonic() - started
        self.stop()
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


def _run_here(cell: Path) -> Exit:
    """Carries out the request in this process, with its terminal, so that a debugger works."""
    from plantkit.isolation.server import run_cell

    started = time.monotonic()
    run_cell(cell)
    return Exit(
        code=0,
        signal=None,
        timed_out=False,
        seconds=time.monotonic() - started,
        peak_rss_mib=None,
    )


def _most_forked() -> int:
    import resource

    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return _MOST_FORKED
    return max(1, min(_MOST_FORKED, descriptors // _DESCRIPTORS_A_FORK))


@contextmanager
def server_pool(count: int, isolation: Isolation | None = None) -> Iterator[list[PrunerServer]]:
    """Starts `count` servers, forks of one process, and ends them with the block.

    Meanwhile processes of the same user can look neither into this process nor into the
    servers. Without isolation there is one server only: it is this process.
    """
    if isolation is not None and isolation.level is Level.NONE:
        count = 1
    servers = [PrunerServer(isolation) for _ in range(count)]
    was_dumpable = kernel.is_dumpable()
    zygote = None
    if isolation is None or isolation.level is not Level.NONE:
        kernel.set_dumpable(False)
        if count == 1:
            servers[0].start()
        else:
            zygote = Zygote(min(count, _most_forked()))
            # Those beyond start when they get work.
            for number, (server, process) in enumerate(
                zip(servers, zygote.servers, strict=False), start=1
            ):
                server.adopt(process, numbered(zygote.marker, number))
    try:
        yield servers
    finally:
        for server in servers:
            server.stop()
        if zygote is not None:
            zygote.stop()
        kernel.set_dumpable(was_dumpable)


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

    def new_cell(self, request: dict[str, Any]) -> Path:
        """Returns a new cell directory that holds `request`."""
        self._root.mkdir(parents=True, exist_ok=True)
        cell = Path(tempfile.mkdtemp(prefix="cell-", dir=self._root))
        write_json(cell / CELL_FILE, request)
        return cell


def describe_pruners(
    server: PrunerServer, scratch: Scratch, source: PrunerSource, limits: Limits
) -> list[DescribedPruner]:
    """Returns every pruner that `source` offers, found in the child.

    Raises:
        PluginError: the source cannot be loaded.
    """
    cell = scratch.new_cell({"kind": "describe", "source": source.to_json()})
    try:
        exit_ = server.request(cell, limits)
        report = _read_report(cell)
    finally:
        remove_tree(cell)
    where = source.path or source.entry_point or ""
    if report is None:
        raise PluginError(where, f"cannot be loaded: {_how_it_ended(exit_)}")
    found = report.get("pruners")
    if found is None:
        message = plain_text(report.get("message"), MOST_MESSAGE) or "cannot be loaded"
        line = report.get("line")
        if isinstance(line, int) and message.startswith(f"{where}, line {line}: "):
            raise PluginError(where, message.removeprefix(f"{where}, line {line}: "), line=line)
        raise PluginError(where, message.removeprefix(f"{where}: "))
    if not isinstance(found, list) or not 0 < len(found) <= _MOST_PRUNERS:
        raise PluginError(where, f"expected a list of 1 to {_MOST_PRUNERS} pruners")
    return [_described(where, entry) for entry in found]


def _described(where: str, entry: Any) -> DescribedPruner:
    """Returns what one entry of a description says, which is not trusted."""
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError(where, "offers a pruner without a proper name")
    return DescribedPruner(
        name=name,
        reference=plain_text(entry.get("reference"), MOST_MESSAGE),
        is_seeded=entry.get("is_seeded") is not False,
    )


def run_pruner(
    server: PrunerServer,
    scratch: Scratch,
    *,
    source: PrunerSource,
    problem_directory: Path,
    network: Network,
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
    try:
        exit_ = server.request(cell, limits)
        status, mask, error = _judge(cell, exit_, network, budget, limits)
        output = plain_text(read_bounded_text(cell / OUTPUT_FILE), MOST_TEXT_BYTES)
    finally:
        remove_tree(cell)
    return Outcome(
        status=status,
        mask=mask,
        error=plain_text(error, MOST_MESSAGE),
        seconds=exit_.seconds,
        peak_rss_mib=exit_.peak_rss_mib,
        output=output,
    )


def read_answer(path: Path, network: Network, budget: int) -> Mask:
    """Returns the validated mask in an answer file, which is not trusted.

    Raises:
        MaskError: the file is too large, no safetensors file, or no valid mask.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    from plantkit.networks.masks import Mask, validate_mask

    most = 9 * network.total + MOST_TEXT_BYTES  # a byte a mask entry, eight a saliency
    try:
        content = read_regular(path, most + 1)
    except OSError as error:
        reason = str(error) if isinstance(error, NotRegularError) else "cannot be read"
        raise MaskError(f"the answer is {reason}; expected a regular file") from error
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
    for name, tensor in values.items():
        # torch trusts that the bytes of a bool are 0 or 1; a file can hold anything
        if tensor.dtype is torch.bool and bool((tensor.view(torch.uint8) > 1).any()):
            raise MaskError(f"mask for {name!r} holds bytes other than 0 and 1", parameter=name)
    try:
        mask = validate_mask(values, network, budget)
    except (ValueError, TypeError, RuntimeError) as error:
        raise MaskError(f"the answer holds no mask: {error}") from error
    return Mask(mask, saliency=_saliency(tensors, network))


def _saliency(tensors: Mapping[str, Tensor], network: Network) -> dict[str, Tensor] | None:
    """Returns the saliency in an answer, float64, or None where it is not whole and numbers."""
    import torch

    found = {}
    for name, shape in network.shapes.items():
        tensor = tensors.get(SALIENCY_PREFIX + name)
        if tensor is None or tuple(tensor.shape) != shape or tensor.dtype is not torch.float64:
            return None
        if tensor.isnan().any():
            return None
        found[name] = tensor
    return found


def _judge(
    cell: Path, exit_: Exit, network: Network, budget: int, limits: Limits
) -> tuple[Status, Mask | None, str]:
    if exit_.timed_out:
        return Status.TIMEOUT, None, f"ran longer than the time limit of {limits.time_seconds:g} s"
    if exit_.exceeded:
        return Status.CRASH, None, exit_.exceeded
    if exit_.signal is not None:
        return Status.CRASH, None, _how_it_ended(exit_)
    report = _read_report(cell)
    if report is not None:
        reported = report.get("status")
        known = (Status.INVALID, Status.OOM, Status.CRASH)
        status = next((one for one in known if one == reported), Status.CRASH)
        message = plain_text(report.get("message"), MOST_MESSAGE)
        return status, None, message or "failed and gave no reason"
    if exit_.code != 0 or not os.path.lexists(cell / ANSWER_FILE):
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
    if exit_.exceeded:
        return exit_.exceeded
    if exit_.timed_out:
        return f"ran longer than {exit_.seconds:.1f} s"
    if exit_.signal is not None:
        return f"killed by {exit_.signal}"
    return f"exited with code {exit_.code} and without an answer"
