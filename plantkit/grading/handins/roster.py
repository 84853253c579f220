"""A CSV that says whose each file is: a roster with a column `file`."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from plantkit.errors import UsageError
from plantkit.grading.handins.found import Findings, Found, Place, entries

TITLE = "any folder, with a roster (a CSV) whose column `file` says whose each file is"


def likeness(place: Place) -> float:
    return float(any("file" in row for row in place.rows))


def read(place: Place) -> Findings:
    """Returns a hand-in per file or folder that the roster names; several rows make a group.

    Raises:
        UsageError: the roster names something outside of the folder.
    """
    root = place.folder.resolve()
    rows: dict[Path, list[dict[str, str]]] = defaultdict(list)
    notes = []
    for row in place.rows:
        if "file" not in row:
            continue
        path = (place.folder / row["file"].replace("\\", "/")).resolve()
        if path == root or not path.is_relative_to(root):
            raise UsageError(
                f"the roster's file {row['file']!r} of {row['name']} is not inside of "
                f"{place.folder}; expected a path from there"
            )
        rows[path].append(dict(row))
    found = []
    for path, students in rows.items():
        name = path.relative_to(root).as_posix()
        there = path.exists()
        found.append(
            Found(
                key=name,
                stem=name.removesuffix(path.suffix) if path.is_file() else name,
                name=", ".join(student["name"] for student in students),
                path=path if there else None,
                notes=() if there else (f"handed in nothing: there is no {name}",),
                fields=students[0] if len(students) == 1 else {"file": students[0]["file"]},
                members=tuple(students) if len(students) > 1 else (),
            )
        )
    named = {path.relative_to(root).parts[0] for path in rows}
    notes += [
        f"{entry.name} is in no row of the roster"
        for entry in entries(place.folder)
        if entry.name not in named
    ]
    return Findings(found=found, notes=tuple(notes))
