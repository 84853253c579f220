"""A cell: the directory of one request, and what the parent believes of what it finds there.

Imports no torch until an answer is read, so that servers can start before the parent does.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plantkit.errors import MaskError, PluginError
from plantkit.files import about
from plantkit.isolation.jobs import DescribedPruner, Outcome, PruneJob
from plantkit.isolation.scratch import free_bytes, remove_tree
from plantkit.isolation.wire import (
    ANSWER_FILE,
    CELL_FILE,
    ERROR_FILE,
    MOST_MESSAGE,
    MOST_TEXT_BYTES,
    OUTPUT_FILE,
    Exit,
    Status,
    plain_text,
    read_bounded_text,
    write_json,
)
from plantkit.pruners.sources import PrunerSource

if TYPE_CHECKING:
    from plantkit.networks.masks import Mask

#: Most pruners that one file may offer.
_MOST_PRUNERS = 100
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


@contextmanager
def new_cell(scratch: Path, request: Mapping[str, Any]) -> Iterator[Path]:
    """Makes a directory beneath `scratch` that holds `request`, and removes it with the block."""
    scratch.mkdir(parents=True, exist_ok=True)
    cell = Path(tempfile.mkdtemp(prefix="cell-", dir=scratch))
    try:
        with about(cell):
            write_json(cell / CELL_FILE, request)
        yield cell
    finally:
        remove_tree(cell)


def outcome_of(cell: Path, exit_: Exit, job: PruneJob) -> Outcome:
    """Returns what came of a job whose process has ended."""
    status, mask, error = _judge(cell, exit_, job)
    return Outcome(
        status=status,
        mask=mask,
        error=plain_text(error, MOST_MESSAGE),
        seconds=exit_.seconds,
        peak_rss_mib=exit_.peak_rss_mib,
        output=plain_text(read_bounded_text(cell / OUTPUT_FILE), MOST_TEXT_BYTES),
    )


def _judge(cell: Path, exit_: Exit, job: PruneJob) -> tuple[Status, Mask | None, str]:
    if exit_.timed_out:
        limit = f"{job.limits.time_seconds:g} s"
        return Status.TIMEOUT, None, f"ran longer than the time limit of {limit}"
    if exit_.exceeded or exit_.signal is not None:
        return Status.CRASH, None, _how_it_ended(exit_)
    report = _read_report(cell)
    if report is not None:
        reported = report.get("status")
        known = (Status.INVALID, Status.OOM, Status.CRASH)
        status = next((one for one in known if one == reported), Status.CRASH)
        return status, None, _message_of(report) or "failed and gave no reason"
    if exit_.code != 0 or not os.path.lexists(cell / ANSWER_FILE):
        if free_bytes(cell) < MOST_TEXT_BYTES:  # too little even to say what happened
            return Status.CRASH, None, "no space was left in its scratch directory"
        return Status.CRASH, None, _how_it_ended(exit_)
    from plantkit.isolation.answers import read_answer
    from plantkit.networks.masks import budget_of

    budget = budget_of(job.density, job.network.total)
    try:
        return Status.OK, read_answer(cell / ANSWER_FILE, job.network, budget), ""
    except MaskError as error:
        return Status.INVALID, None, str(error)


def described_in(cell: Path, exit_: Exit, source: PrunerSource) -> list[DescribedPruner]:
    """Returns every pruner that `source` offers, once the process that looked has ended.

    Raises:
        PluginError: the source cannot be loaded.
    """
    where = source.path or source.entry_point or ""
    report = _read_report(cell)
    if report is None:
        raise PluginError(where, f"cannot be loaded: {_how_it_ended(exit_)}")
    found = report.get("pruners")
    if found is None:
        message = _message_of(report) or "cannot be loaded"
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


def _read_report(cell: Path) -> dict[str, Any] | None:
    text = read_bounded_text(cell / ERROR_FILE)
    if not text:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"message": "left an unreadable error report"}


def _message_of(report: Mapping[str, Any]) -> str:
    return plain_text(report.get("message"), MOST_MESSAGE)


def _how_it_ended(exit_: Exit) -> str:
    if exit_.exceeded:
        return exit_.exceeded
    if exit_.timed_out:
        return f"ran longer than {exit_.seconds:.1f} s"
    if exit_.signal is not None:
        return f"killed by {exit_.signal}"
    return f"exited with code {exit_.code} and without an answer"
