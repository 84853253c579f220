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
from plantkit.isolation.causes import advice, cause_of_end
from plantkit.isolation.jobs import DescribedPruner, Outcome, PruneJob
from plantkit.isolation.scratch import free_bytes, remove_tree
from plantkit.isolation.wire import (
    ANSWER_FILE,
    CELL_FILE,
    ERROR_FILE,
    MOST_MESSAGE,
    MOST_TEXT_BYTES,
    MOST_TRACEBACK,
    OUTPUT_FILE,
    SUBMISSION_DIRECTORY,
    Exit,
    Limits,
    Status,
    plain_text,
    read_bounded_text,
    write_json,
)
from plantkit.pruners.sources import PrunerSource
from plantkit.submissions.submission import MOST_NAME, Place

if TYPE_CHECKING:
    from plantkit.networks.masks import Mask

#: Most pruners that one file may offer.
_MOST_PRUNERS = 100
#: The last step that a pruner may ask to rewind to. No training has so many.
_MOST_STEPS = 1_000_000_000
_MOST_LINE = 10**7
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


@contextmanager
def new_cell(scratch: Path, request: Mapping[str, Any], source: PrunerSource) -> Iterator[Path]:
    """Makes a directory beneath `scratch`, and removes it with the block.

    It holds `request`, which names the source, and the files of the submission if it is one.

    Raises:
        PluginError: the source has not been read, and cannot be.
    """
    submission = source.read().submission
    scratch.mkdir(parents=True, exist_ok=True)
    cell = Path(tempfile.mkdtemp(prefix="cell-", dir=scratch))
    try:
        with about(cell):
            staged = None if submission is None else submission.stage(cell / SUBMISSION_DIRECTORY)
            found = {"source": source.to_json(), "submission": staged and staged.to_json()}
            write_json(cell / CELL_FILE, {**request, **found})
        yield cell
    finally:
        remove_tree(cell)


def outcome_of(cell: Path, exit_: Exit, job: PruneJob) -> Outcome:
    """Returns what came of a job whose process has ended."""
    report = _read_report(cell)
    status, mask, error = _judge(cell, exit_, job, report)
    return Outcome(
        status=status,
        mask=mask,
        error=plain_text(error, MOST_MESSAGE),
        traceback=_traceback_of(report) if status is not Status.OK else "",
        seconds=exit_.seconds,
        peak_rss_mib=exit_.peak_rss_mib,
        cpu_seconds=exit_.cpu_seconds,
        output=plain_text(read_bounded_text(cell / OUTPUT_FILE), MOST_TEXT_BYTES),
    )


def _judge(
    cell: Path, exit_: Exit, job: PruneJob, report: Mapping[str, Any] | None
) -> tuple[Status, Mask | None, str]:
    if exit_.timed_out or exit_.exceeded or exit_.signal is not None:
        status = Status.OOM if exit_.out_of_memory else Status.CRASH
        if exit_.timed_out:
            status = Status.TIMEOUT
        return status, None, _how_it_ended(exit_, job.limits)
    if report is not None:
        reported = report.get("status")
        known = (Status.INVALID, Status.OOM, Status.CRASH)
        status = next((one for one in known if one == reported), Status.CRASH)
        place = str(_place_of(report))
        message = _message_of(report, job.limits, f" ({place})" if place else "")
        return status, None, message or "failed and gave no reason"
    if exit_.code != 0 or not os.path.lexists(cell / ANSWER_FILE):
        if free_bytes(cell) < MOST_TEXT_BYTES:  # too little even to say what happened
            return Status.CRASH, None, "no space was left in its scratch directory"
        return Status.CRASH, None, _how_it_ended(exit_, job.limits)
    from plantkit.isolation.answers import read_answer
    from plantkit.networks.budget import budget_of

    budget = budget_of(job.density, job.network.total)
    try:
        return Status.OK, read_answer(cell / ANSWER_FILE, job.network, budget), ""
    except MaskError as error:
        return Status.INVALID, None, str(error)


def described_in(
    cell: Path, exit_: Exit, source: PrunerSource, limits: Limits
) -> list[DescribedPruner]:
    """Returns every pruner that `source` offers, once the process that looked has ended.

    Raises:
        PluginError: the source cannot be loaded.
    """
    where = source.path or source.entry_point or ""
    report = _read_report(cell)
    if report is None:
        raise PluginError(where, f"cannot be loaded: {_how_it_ended(exit_, limits)}")
    found = report.get("pruners")
    if found is None:
        place = _place_of(report)
        raise PluginError(
            where,
            _message_of(report, limits) or "cannot be loaded",
            place=place.name,
            line=place.line,
            traceback=_traceback_of(report),
        )
    if not isinstance(found, list) or not 0 < len(found) <= _MOST_PRUNERS:
        raise PluginError(where, f"expected a list of 1 to {_MOST_PRUNERS} pruners")
    return [_described(where, entry) for entry in found]


def _described(where: str, entry: Any) -> DescribedPruner:
    """Returns what one entry of a description says, which is not trusted."""
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError(where, "offers a pruner without a proper name")
    rewind = entry.get("rewind", 0)
    if type(rewind) is not int or not 0 <= rewind <= _MOST_STEPS:
        raise PluginError(
            where, f"pruner {name!r} has a rewind that is not a step from 0 to {_MOST_STEPS}"
        )
    return DescribedPruner(
        name=name,
        reference=plain_text(entry.get("reference"), MOST_MESSAGE),
        is_seeded=entry.get("is_seeded") is not False,
        rewind=rewind,
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


def _message_of(report: Mapping[str, Any], limits: Limits, place: str = "") -> str:
    """Returns what a report says, with our own words on its cause; it is not trusted."""
    message = plain_text(report.get("message"), MOST_MESSAGE)
    return _with_advice(message, advice(report.get("cause"), limits), place) if message else ""


def _place_of(report: Mapping[str, Any]) -> Place:
    line = report.get("line")
    return Place(
        name=plain_text(report.get("place"), MOST_NAME),
        line=line if isinstance(line, int) and 0 < line < _MOST_LINE else None,
    )


def _traceback_of(report: Mapping[str, Any] | None) -> str:
    return plain_text(report.get("traceback"), MOST_TRACEBACK) if report else ""


def _with_advice(message: str, found: str, place: str = "") -> str:
    end = place + (f"; {found}" if found else "")
    return message[: MOST_MESSAGE - len(end)] + end


def _how_it_ended(exit_: Exit, limits: Limits) -> str:
    if exit_.timed_out:
        text = f"ran longer than the time limit of {limits.time_seconds:g} s"
    elif exit_.exceeded:
        text = exit_.exceeded
    elif exit_.signal is not None:
        text = f"killed by {exit_.signal}"
    else:
        text = f"exited with code {exit_.code} and without an answer"
    return _with_advice(text, advice(cause_of_end(exit_), limits))
