"""The child's side: a warm process that forks one process for each request.

The server imports torch once and never runs a submission's code itself. Every request gets a
fresh fork in its own session, confined before the submission is loaded, so that no run sees
what another left behind; every process that it started is killed when it ends or its time is
over.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import safetensors.torch
import torch

from plantkit.errors import MaskError, PlantkitError, PluginError, UsageError, describe
from plantkit.isolation import kernel
from plantkit.isolation.confinement import confine, prepare
from plantkit.isolation.descendants import end_descendants
from plantkit.isolation.levels import Level
from plantkit.isolation.watch import Watch, signal_name
from plantkit.isolation.wire import (
    ANSWER_FILE,
    CELL_FILE,
    ERROR_FILE,
    FAREWELL,
    MASK_PREFIX,
    MOST_TEXT_BYTES,
    OUTPUT_FILE,
    PROBLEM_FILE,
    SALIENCY_PREFIX,
    TRAIN_FILE,
    WEIGHTS_FILE,
    Limits,
    Status,
    write_json,
)
from plantkit.networks import network_from_json
from plantkit.networks.masks import Mask, validate_mask
from plantkit.networks.tasks import task_from_json
from plantkit.networks.training import Recipe, Samples
from plantkit.plugins import RegisteredPruner, configure, line_in, load_installed, load_submission
from plantkit.pruners.problem import Problem
from plantkit.pruners.pruner import Pruner, is_seeded
from plantkit.pruners.sources import PrunerSource

_MIB = 1024 * 1024
#: What torch says instead of raising a MemoryError.
_NO_MEMORY = ("not enough memory", "can't allocate memory")


def main() -> None:
    """Serves requests: one JSON object a line on standard input, one answer a line."""
    torch.set_num_threads(1)  # a fork must not inherit a pool of threads
    kernel.set_dumpable(False)
    kernel.adopt_orphans()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing but answers may reach the parent's pipe
    answers.write(json.dumps({"ready": True, "pid": os.getpid()}) + "\n")
    answers.flush()
    for line in sys.stdin:
        request = json.loads(line)
        result = run_forked(
            Path(request["cell"]),
            Limits(**request["limits"]),
            Level(request["level"]),
            [Path(path) for path in request["hidden"]],
        )
        if result is None:
            break
        answers.write(json.dumps(result) + "\n")
        answers.flush()
    with contextlib.suppress(BrokenPipeError):
        answers.write(FAREWELL + "\n")
        answers.flush()
    os._exit(0)


def run_forked(
    cell: Path, limits: Limits, level: Level, hidden: Sequence[Path]
) -> dict[str, Any] | None:
    """Runs the request in `cell` in a fork and returns the fields of `wire.Exit`.

    Returns None if the parent went away meanwhile. Nothing that the request started is left
    when this returns.
    """
    started = time.monotonic()
    prepare(level, hidden)
    pid = os.fork()
    if pid == 0:
        _child(cell, limits, level, hidden)
    watch = Watch(pid=pid, cell=cell, limits=limits, deadline=started + limits.time_seconds)
    ended = watch.wait()
    seconds = time.monotonic() - started
    end_descendants(os.getpid())
    if ended is None:
        return None
    status, usage = ended
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB elsewhere
    return {
        "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        "signal": signal_name(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else None,
        "timed_out": watch.timed_out,
        "seconds": seconds,
        "peak_rss_mib": round(usage.ru_maxrss * unit / _MIB, 1),
        "exceeded": watch.exceeded,
    }


def run_cell(cell: Path) -> None:
    """Carries out the request in `cell/cell.json` and writes the answer beside it."""
    request = json.loads((cell / CELL_FILE).read_text(encoding="utf-8"))
    source = PrunerSource.from_json(request["source"])
    if request["kind"] == "describe":
        _answer_in_json(cell, lambda: describe_source(source))
        return
    try:
        pruner = find_pruner(source).pruner
        problem = load_problem(Path(request["problem"]), request["density"], request["seed"])
        torch.set_grad_enabled(True)
        values = pruner.prune(problem, request["density"], seed=request["seed"])
        mask = validate_mask(values, problem.network, problem.budget)
    except BaseException as error:
        write_json(cell / ERROR_FILE, _report(error, source))
        return
    write_answer(cell, mask)


def describe_source(source: PrunerSource) -> dict[str, Any]:
    """Returns the pruners that a source offers: name, reference and whether it uses its seed."""
    found = load_submission(Path(source.path)) if source.path is not None else [find_pruner(source)]
    return {
        "pruners": [
            {
                "name": entry.pruner.name,
                "reference": entry.pruner.reference,
                "is_seeded": _is_seeded(entry.pruner, source),
            }
            for entry in found
        ]
    }


def _is_seeded(pruner: Pruner, source: PrunerSource) -> bool:
    try:
        return is_seeded(configure(pruner, source.options))
    except UsageError:  # options of another pruner in the same file, or wrong ones: said later
        return True


def find_pruner(source: PrunerSource) -> RegisteredPruner:
    """Returns the one pruner that `source` names, its options set."""
    if source.path is not None:
        found = load_submission(Path(source.path))
    else:
        registry = load_installed(only=source.entry_point)
        found = registry.pruners()
        if registry.failures:
            raise registry.failures[0]
    for entry in found:
        if source.name in {None, entry.name}:
            return RegisteredPruner(
                pruner=configure(entry.pruner, source.options), plugin=entry.plugin
            )
    where = source.path or source.entry_point or ""
    raise PluginError(where, f"offers no pruner named {source.name!r}")


def load_problem(directory: Path, density: float, seed: int) -> Problem:
    """Returns the problem stored in `directory`, for one density and seed."""
    value = json.loads((directory / PROBLEM_FILE).read_text(encoding="utf-8"))
    data = safetensors.torch.load_file(directory / TRAIN_FILE)
    return Problem(
        name=value["name"],
        network=network_from_json(value["network"]),
        task=task_from_json(value["task"]),
        weights=safetensors.torch.load_file(directory / WEIGHTS_FILE),
        train=Samples(inputs=data["inputs"], targets=data["targets"]),
        density=density,
        seed=seed,
        recipe=Recipe.from_json(value["training"]),
    )


def write_answer(cell: Path, mask: Mask) -> None:
    """Writes `mask`, and its saliency if it has one, as the answer of a cell."""
    tensors = {f"{MASK_PREFIX}{name}": value for name, value in mask.items()}
    if mask.saliency is not None:
        for name, value in mask.saliency.items():
            tensors[f"{SALIENCY_PREFIX}{name}"] = value.detach().double().contiguous()
    safetensors.torch.save_file(tensors, cell / ANSWER_FILE)


def _child(cell: Path, limits: Limits, level: Level, hidden: Sequence[Path]) -> NoReturn:
    """Runs in the fork: a new session, confined, captured output, then the request."""
    code = 70
    try:
        os.setsid()
        os.chdir(cell)
        _redirect(cell / OUTPUT_FILE)
        confine(cell, limits, level, _files_of(cell), hidden)
        run_cell(cell)
        code = 0
    except BaseException as error:
        with contextlib.suppress(BaseException):
            write_json(cell / ERROR_FILE, _report(error, PrunerSource()))
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(BaseException):
                stream.flush()
        os._exit(code)


def _files_of(cell: Path) -> list[Path]:
    """Returns what the request in `cell` names: the submission's file, the problem."""
    request = json.loads((cell / CELL_FILE).read_text(encoding="utf-8"))
    named = (request["source"]["path"], request.get("problem"))
    return [Path(path) for path in named if path is not None]


def _redirect(output: Path) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    captured = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(null, 0)
    os.dup2(captured, 1)
    os.dup2(captured, 2)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - what the server read ahead stays behind
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False, errors="replace")


def _answer_in_json(cell: Path, make: Callable[[], dict[str, Any]]) -> None:
    try:
        answer = make()
    except BaseException as error:
        answer = _report(error, PrunerSource())
    write_json(cell / ERROR_FILE, answer)


def _report(error: BaseException, source: PrunerSource) -> dict[str, Any]:
    """Returns what the parent is told of an exception, within its bounds."""
    status = Status.CRASH
    if isinstance(error, MaskError):
        status = Status.INVALID
    elif isinstance(error, MemoryError) or any(text in describe(error) for text in _NO_MEMORY):
        status = Status.OOM
    if isinstance(error, SystemExit):
        message = f"called sys.exit({error.code!r})"
    elif isinstance(error, PlantkitError):
        message = describe(error).partition(": ")[2]
    else:
        line = line_in(source.path, error) if source.path else None
        message = describe(error) + (f" (line {line})" if line is not None else "")
    with contextlib.suppress(BaseException):
        traceback.print_exception(error)  # into the captured output
    return {
        "status": status.value,
        "message": message[: MOST_TEXT_BYTES // 16],
        "line": getattr(error, "line", None),
    }
