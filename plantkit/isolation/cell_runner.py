"""Carrying out the request in a cell, in whichever process that is: a submission runs here."""

from __future__ import annotations

import contextlib
import json
import traceback
from pathlib import Path
from typing import Any

import torch

from plantkit.errors import (
    MaskError,
    PlantkitError,
    PluginError,
    UsageError,
    describe,
    lacks_memory,
)
from plantkit.isolation.answers import write_answer
from plantkit.isolation.problems import load_problem
from plantkit.isolation.wire import CELL_FILE, ERROR_FILE, MOST_TEXT_BYTES, Status, write_json
from plantkit.plugins import RegisteredPruner, configure, load_installed, load_submission
from plantkit.pruners.answers import advice_on, mask_of
from plantkit.pruners.pruner import Pruner, is_seeded, rewind_of
from plantkit.pruners.sources import PrunerSource
from plantkit.submissions.submission import Staged


def run_cell(cell: Path) -> None:
    """Carries out the request in `cell` and writes the answer, or an error, next to it."""
    request = json.loads((cell / CELL_FILE).read_text(encoding="utf-8"))
    source = PrunerSource.from_json(request["source"])
    staged = None if request["submission"] is None else Staged(**request["submission"])
    if request["kind"] == "describe":
        try:
            write_json(cell / ERROR_FILE, _describe_source(source, staged))
        except BaseException as error:
            write_error(cell, error)
        return
    try:
        pruner = find_pruner(source, staged).pruner
        problem = load_problem(Path(request["problem"]), request["density"], request["seed"])
        torch.set_grad_enabled(True)
        values = pruner.prune(problem, request["density"], seed=request["seed"])
        mask = mask_of(values, problem.network, problem.budget)
    except BaseException as error:
        write_error(cell, error, staged)
        return
    write_answer(cell, mask)


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


def write_error(cell: Path, error: BaseException, staged: Staged | None = None) -> None:
    """Writes what the parent is told of an exception, within its bounds.

    staged: the submission, whose line is named.
    """
    status = Status.CRASH
    if isinstance(error, MaskError):
        status = Status.INVALID
    elif lacks_memory(error):
        status = Status.OOM
    if isinstance(error, SystemExit):
        message = f"called sys.exit({error.code!r})"
    elif isinstance(error, PlantkitError):
        message = describe(error).partition(": ")[2]
    else:
        place = staged and staged.locate(error)
        message = describe(error) + (f" ({place})" if place else "") + advice_on(error)
        message += staged.advice_on(error) if staged else ""
    with contextlib.suppress(BaseException):
        traceback.print_exception(error)  # into the captured output
    report: dict[str, Any] = {
        "status": status.value,
        "message": message[: MOST_TEXT_BYTES // 16],
    }
    if isinstance(error, PluginError):  # its parts, for who knows where the submission is
        detail = " ".join(error.message.split())[: MOST_TEXT_BYTES // 16]
        report |= {"detail": detail, "place": error.place, "line": error.line}
    write_json(cell / ERROR_FILE, report)
