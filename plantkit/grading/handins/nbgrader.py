"""nbgrader's collected hand-ins: `submitted/STUDENT/ASSIGNMENT/`, with a `timestamp.txt`."""

from __future__ import annotations

from pathlib import Path

from plantkit.errors import UnknownNameError, UsageError
from plantkit.grading.handins.found import Findings, Found, Place, entries, folders, share

TITLE = "nbgrader's submitted/ (a folder a student, a folder an assignment in it)"
_SUBMITTED, _TIMESTAMP = "submitted", "timestamp.txt"


def likeness(place: Place) -> float:
    """By times; what is called as nbgrader calls it needs none, only folders in folders."""
    folder = _root(place)
    return share(
        entry.is_dir(follow_symlinks=False)
        and _is_students(Path(entry.path), is_named=folder.name == _SUBMITTED)
        for entry in entries(folder)
    )


def read(place: Place) -> Findings:
    """Returns a hand-in per student.

    Raises:
        UsageError: there are several assignments, and `place` does not say which.
        UnknownNameError: nobody handed in the one that it names.
    """
    folder = _root(place)
    students = list(folders(folder))
    names = sorted({one.name for student in students for one in folders(Path(student.path))})
    name = place.assignment
    if name is None and len(names) > 1:
        raise UsageError(
            f"{folder} holds several assignments: {', '.join(names[:20])}; say which with "
            "--assignment"
        )
    if name is not None and name not in names:
        raise UnknownNameError("assignment", name, names)
    name = name or next(iter(names), "")
    found = []
    notes = [f"{entry.name} is nobody's" for entry in entries(folder) if not entry.is_dir()]
    for student in students:
        path = Path(student.path) / name
        there = path.is_dir() and not path.is_symlink()
        found.append(
            Found(
                key=student.name,
                stem=student.name,
                name=student.name,
                path=path if there else None,
                submitted=_timestamp(path / _TIMESTAMP) if there else "",
                notes=() if there else (f"handed in nothing for {name}",),
                fields={"login": student.name, "number": student.name},
            )
        )
    return Findings(found=found, notes=tuple(notes))


def _root(place: Place) -> Path:
    folder = place.folder / _SUBMITTED
    return folder if folder.is_dir() else place.folder


def _is_students(folder: Path, *, is_named: bool) -> bool:
    inside = list(entries(folder))
    if is_named and inside and all(entry.is_dir(follow_symlinks=False) for entry in inside):
        return True
    return any((Path(inner.path) / _TIMESTAMP).is_file() for inner in folders(folder))


def _timestamp(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:100].strip()
    except OSError:
        return ""
