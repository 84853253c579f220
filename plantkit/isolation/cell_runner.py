"""Carrying out the request in a cell, in whichever process that is: a submission runs here."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.ctypeslib  # NumPy would import it in every fork, and the next one
import numpy.random
import torch

from plantkit.errors import MaskError, PlantkitError, PluginError, UsageError, describe
from plantkit.isolation.answers import write_answer
from plantkit.isolation.causes import cause_of, is_out_of_memory
from plantkit.isolation.failures import Attempts, watched_attempts
from plantkit.isolation.levels import Level
from plantkit.isolation.problems import load_problem
from plantkit.isolation.tracebacks import own_traceback
from plantkit.isolation.wire import CELL_FILE, ERROR_FILE, MOST_TEXT_BYTES, Status, write_json
from plantkit.networks import kinds  # noqa: F401 - load_problem would import it in every fork
from plantkit.plugins import RegisteredPruner, load_installed, load_submission
from plantkit.pruners.answers import mask_of
from plantkit.pruners.calls import call_prune
from plantkit.pruners.options import configure
from plantkit.pruners.pruner import Pruner, is_seeded, rewind_of
from plantkit.pruners.sources import PrunerSource
from plantkit.submissions.submission import Place, Staged


def run_cell(cell: Path) -> None:
    """Carries out the request in `cell` and writes the answer, or an error, next to it."""
    request = json.loads((cell / CELL_FILE).read_text(encoding="utf-8"))
    source = PrunerSource.from_json(request["source"])
    staged = None if request["submission"] is None else Staged(**request["submission"])
    level = Level(request["level"])
    attempts = Attempts()
    if level is not Level.NONE:  # this process serves runs only
        attempts = watched_attempts()
        attempts.forget()
        _draw_anew()
    with _arguments(source):
        try:
            _carry_out(cell, request, source, staged)
        except BaseException as error:
            write_error(cell, error, staged, cause=cause_of(error, level, attempts, staged))


def _carry_out(
    cell: Path, request: dict[str, Any], source: PrunerSource, staged: Staged | None
) -> None:
    if request["kind"] == "describe":
        write_json(cell / ERROR_FILE, _describe_source(source, staged))
        return
    pruner = find_pruner(source, staged).pruner
    problem = load_problem(Path(request["problem"]), request["density"], request["seed"])
    torch.set_grad_enabled(True)
    values = call_prune(pruner.prune, problem, request["density"], request["seed"])
    write_answer(cell, mask_of(values, problem.network, problem.budget))


def _draw_anew() -> None:
    """Seeds the global generators anew: forks of one process would all draw the same numbers.

    A mask that depends on them then differs from run to run, and is not taken for a sound one.
    """
    torch.default_generator.seed()
    np.random.seed()
    random.seed()


@contextlib.contextmanager
def _arguments(source: PrunerSource) -> Iterator[None]:
    """Gives a program's arguments to code that looks for them: its name, and nothing else."""
    before, sys.argv = sys.argv, [source.path or "plantkit"]
    try:
        yield
    finally:
        sys.argv = before


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


def _describe_source(source: PrunerSource, staged: Staged | None) -> dict[str, Any]:
    """Returns what each pruner that a source offers says of itself."""
    found = [find_pruner(source)] if staged is None else load_submission(staged)
    return {"pruners": [_describe(entry.pruner, source) for entry in found]}


def _describe(pruner: Pruner, source: PrunerSource) -> dict[str, Any]:
    said: dict[str, Any] = {"name": pruner.name, "reference": pruner.reference}
    with contextlib.suppress(UsageError):  # options of another pruner here, or wrong: said later
        configured = configure(pruner, source.options)
        said |= {"is_seeded": is_seeded(configured), "rewind": rewind_of(configured)}
    return said


def find_pruner(source: PrunerSource, staged: Staged | None = None) -> RegisteredPruner:
    """Returns the one pruner that `source` names, its options set.

    staged: where the submission lies, if it is one.
    """
    if staged is not None:
        found = load_submission(staged)
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


def write_error(
    cell: Path, error: BaseException, staged: Staged | None = None, *, cause: str = ""
) -> None:
    """Writes what the parent is told of an exception, within its bounds.

    staged: the submission, whose line is named. cause: see `causes`.
    """
    status = Status.CRASH
    if isinstance(error, MaskError):
        status = Status.INVALID
    elif is_out_of_memory(error, staged):
        status = Status.OOM
    place = None
    if isinstance(error, PluginError):
        message, place = error.message, Place(name=error.place, line=error.line)
    elif isinstance(error, PlantkitError):
        message = describe(error).partition(": ")[2]
    else:
        message, place = describe(error), staged.locate(error) if staged else None
    with contextlib.suppress(BaseException):
        traceback.print_exception(error)  # into the captured output
    report = {
        "status": status.value,
        "message": " ".join(message.split())[: MOST_TEXT_BYTES // 16],
        "place": place.name if place else "",
        "line": place.line if place else None,
        "cause": cause,
        "traceback": own_traceback(error, staged),
    }
    write_json(cell / ERROR_FILE, report)
