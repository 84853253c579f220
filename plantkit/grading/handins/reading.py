"""Reads the folder or zip that a host exported."""

from __future__ import annotations

import importlib
import shutil
from dataclasses import replace
from pathlib import Path

from plantkit.errors import UnknownNameError, UsageError
from plantkit.grading.handins.found import Findings, Host, Place, entries, folders
from plantkit.grading.handins.handin import HandIn, HandIns
from plantkit.grading.handins.matching import settle
from plantkit.grading.handins.rosters import read_roster
from plantkit.grading.handins.times import read_due
from plantkit.grading.handins.zips import REFUSED, unpack

#: Modules of this package, in the order in which they are asked whether a folder is theirs: first
#: those that go by the names that hosts give, then those that look at what students handed in.
HOSTS = ("roster", "gradescope", "moodle", "canvas", "classroom", "nbgrader", "plain")
_PLAIN = "plain"
#: More of a folder than this must look like a host's, for it to be found out.
_MINORITY = 0.5
#: Folders that hosts and people put around the one that matters.
_MOST_WRAPPINGS = 3
_UNPACKED, _GATHERED = "unpacked", "gathered"


def find_host(name: str) -> Host:
    """Returns the host called `name`, one of `HOSTS`."""
    if name not in HOSTS:
        raise UnknownNameError("host", name, HOSTS)
    host: Host = importlib.import_module(f"plantkit.grading.handins.{name}")
    return host


def read_handins(
    folder: Path,
    *,
    work: Path,
    host: str | None = None,
    roster: Path | None = None,
    due: str | None = None,
    assignment: str | None = None,
) -> HandIns:
    """Returns what a class handed in, by id. None of it is run.

    Args:
        folder: what the host exported: a folder, or the zip of it.
        work: a directory of the caller's own, in which zips are unpacked and files gathered; what
            an earlier call left there is replaced.
        host: one of `HOSTS`; found out if None: the one that most of the folder looks like.
        roster: a CSV with a row per student, which says who is missing. With a column `file`, it
            says whose each file is.
        due: until when hand-ins are in time; None marks those late that the host marks.
        assignment: the one to take where a folder holds several.

    Raises:
        UsageError: the folder, the roster or the due time cannot be used, or no host recognises
            the folder.
    """
    rows = [] if roster is None else read_roster(roster)
    limit = None if due is None else read_due(due)
    if not folder.exists():
        raise UsageError(f"{folder} does not exist; expected the folder or zip that a host made")
    for name in (_UNPACKED, _GATHERED):
        shutil.rmtree(work / name, ignore_errors=True)
    (work / _GATHERED).mkdir(parents=True)
    notes: tuple[str, ...] = ()
    if not folder.is_dir():
        notes = unpack(folder, work / _UNPACKED)
        own = work / _UNPACKED / folder.stem  # as a folder that is compressed is called
        folder = work / _UNPACKED
        if own.is_dir() and len(list(entries(folder))) == 1:
            folder = own
    name, findings = _findings(folder, work / _GATHERED, rows, host, assignment)
    if not findings.found and not rows:
        raise UsageError(f"{folder} holds no hand-ins, read as {find_host(name).TITLE}")
    handins, more = settle(findings.found, rows, limit)
    if notes:
        handins = tuple(map(_with_refusals, handins))
    return HandIns(host=name, handins=handins, notes=(*notes, *findings.notes, *more))


def _with_refusals(handin: HandIn) -> HandIn:
    """Returns a hand-in that says which of its files were left out of the host's zip."""
    if handin.path is None or not handin.path.is_dir():
        return handin
    refused = [path.name.removesuffix(REFUSED) for path in handin.path.rglob(f"*{REFUSED}")]
    told = (f"left out of the zip: {', '.join(sorted(refused))}",) if refused else ()
    return replace(handin, notes=(*handin.notes, *told))


def _findings(
    folder: Path, work: Path, rows: list[dict[str, str]], host: str | None, assignment: str | None
) -> tuple[str, Findings]:
    """Returns the host that reads `folder`, or a folder that it wraps, and what it finds.

    Of a host that staff name, some of the folder must look like it; a plain one is read as it is.
    """
    for depth in range(_MOST_WRAPPINGS):
        place = Place(folder=folder, work=work, rows=rows, assignment=assignment)
        for name in HOSTS if host is None else (host,):
            module = find_host(name)
            if host == _PLAIN or module.likeness(place) > (_MINORITY if host is None else 0):
                findings = module.read(place)
                if depth and name == _PLAIN:
                    findings = replace(findings, notes=(*findings.notes, _unwrapped(folder)))
                return name, findings
        inside = list(entries(folder))
        if len(inside) != 1 or not inside[0].is_dir(follow_symlinks=False):
            break
        folder = Path(inside[0].path)
    seen = ", ".join(entry.name for entry in list(entries(folder))[:5]) or "nothing"
    many = len(list(folders(folder)))
    wanted = HOSTS if host is None else (host,)
    titles = "\n".join(f"{name}: {find_host(name).TITLE}" for name in wanted)
    raise UsageError(
        f"{folder} does not look like hand-ins; found {seen} ({many} folders in all); expected "
        f"one of\n{titles}\nSay which with --host"
    )


def _unwrapped(folder: Path) -> str:
    return (
        f"{folder.name} is the only folder, so that what is in it was taken for hand-ins; if it is "
        "one student's, give --host plain"
    )
