"""Carrying out the request in a cell, in whichever process that is: a submission runs here."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any, TextIO

import torch

from plantkit.errors import MaskError, PlantkitError, PluginError, UsageError, describe
from plantkit.isolation.answers import write_answer
from plantkit.isolation.problems import load_problem
from plantkit.isolation.wire import CELL_FILE, ERROR_FILE, MOST_TEXT_BYTES, Status, write_json
from plantkit.networks.masks import validate_mask
from plantkit.plugins import RegisteredPruner, configure, line_in, load_installed, load_submission
from plantkit.pruners.pruner import Pruner, is_seeded
from plantkit.pruners.sources import PrunerSource

#: What torch says instead of raising a MemoryError.
_NO_MEMORY = ("not enough memory", "can't allocate memory")


def run_cell(cell: Path) -> None:
    """Carries out the request in `cell` and writes the answer, or an error, next to it."""
    request = json.loads((cell / CELL_FILE).read_text(encoding="utf-8"))
    source = PrunerSource.from_json(request["source"])
    if request["kind"] == "describe":
        try:
            write_json(cell / ERROR_FILE, _describe_source(source))
        except BaseException as error:
            write_error(cell, error)
        return
    try:
        pruner = find_pruner(source).pruner
        problem = load_problem(Path(request["problem"]), request["density"], request["seed"])
        torch.set_grad_enabled(True)
        values = pruner.prune(problem, request["density"], seed=request["seed"])
        mask = validate_mask(values, problem.network, problem.budget)
    except BaseException as error:
        write_error(cell, error, source.path)
        return
    write_answer(cell, mask)


def redirect(output: Path) -> None:
    """Sends all that this process prints to a file, from now on; it reads nothing."""
    null = os.open(os.devnull, os.O_RDONLY)
    captured = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(null, 0)
    os.dup2(captured, 1)
    os.dup2(captured, 2)
    os.close(null)
    os.close(captured)
    # What was read ahead stays behind.
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout, sys.stderr = _text_to(1), _text_to(2)


def _text_to(descriptor: int) -> TextIO:
    """Returns a stream that takes every character, whatever the system's encoding is."""
    return os.fdopen(
        descriptor,
        "w",
        encoding="utf-8",
        errors="backslashreplace",
        newline="\n",
        closefd=False,
    )


def _describe_source(source: PrunerSource) -> dict[str, Any]:
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


def write_error(cell: Path, error: BaseException, path: str | None = None) -> None:
    """Writes what the parent is told of an exception, within its bounds.

    path: the submission's file, whose line is named.
    """
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
        line = line_in(path, error) if path else None
        message = describe(error) + (f" (line {line})" if line is not None else "")
    with contextlib.suppress(BaseException):
        traceback.print_exception(error)  # into the captured output
    report = {
        "status": status.value,
        "message": message[: MOST_TEXT_BYTES // 16],
        "line": getattr(error, "line", None),
    }
    write_json(cell / ERROR_FILE, report)
