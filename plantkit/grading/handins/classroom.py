"""GitHub Classroom: a clone of each student's repository, as `gh classroom clone` makes them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from plantkit.grading.handins.found import Findings, Found, Place, folders, share

TITLE = "GitHub Classroom's clones (a repository a student: ASSIGNMENT-USER)"
_CLONES = "-submissions"


def likeness(place: Place) -> float:
    named = {row.get("repository", "").casefold() for row in place.rows}
    return share(
        (path / ".git").exists() or path.name.casefold() in named for path in _repositories(place)
    )


def read(place: Place) -> Findings:
    """Returns a hand-in per repository.

    Whose it is, its name and the roster say: the CSV of grades (`student_repository_name`) or of
    the roster (`github_username`). When it was handed in, only the CSV of grades says: times of
    commits are what students set them to.
    """
    repositories = _repositories(place)
    names = {path.name.casefold() for path in repositories}
    found, notes = [], []
    start = _prefix(place, repositories)
    for path in repositories:
        own = [
            row
            for row in place.rows
            if row.get("repository", "").casefold() == path.name.casefold()
        ]
        login = path.name.removeprefix(start) if start and path.name.startswith(start) else ""
        own = own or [row for row in place.rows if login.casefold() in _called(row)]
        students = [dict(row) | {"repository": path.name} for row in own]
        told = []
        again = re.fullmatch(r"(.+)-\d+", path.name)
        if again and again[1].casefold() in names:
            told.append(f"{again[1]} may be of the same student")
        fields = students[0] if len(students) == 1 else {"repository": path.name}
        found.append(
            Found(
                key=path.name,
                stem=path.name,
                name=", ".join(one["name"] for one in students) or login or path.name,
                path=path,
                notes=tuple(told),
                fields={"login": login, **fields} if login and len(students) < 2 else fields,
                members=tuple(students) if len(students) > 1 else (),
            )
        )
    if place.assignment and not found:
        notes.append(f"no repository begins with {place.assignment}-")
    return Findings(found=found, notes=tuple(notes))


def _repositories(place: Place) -> list[Path]:
    start = f"{place.assignment}-" if place.assignment else ""
    return [Path(one.path) for one in folders(place.folder) if one.name.startswith(start)]


def _prefix(place: Place, repositories: Sequence[Path]) -> str:
    """Returns what begins the names of repositories, before the user or group; "" if not known.

    Where neither staff nor the folder's name says it, it is what most often stands before
    somebody of the roster: a name that only ends in somebody's may be another's.
    """
    if place.assignment:
        return f"{place.assignment}-"
    if place.folder.name.endswith(_CLONES):
        return f"{place.folder.name.removesuffix(_CLONES)}-"
    before = Counter(
        path.name[: -len(who)]
        for path in repositories
        for who in {who for row in place.rows for who in _called(row)}
        if path.name.casefold().endswith(f"-{who}")
    )
    return max(before, key=lambda start: (before[start], -len(start)), default="")


def _called(row: Mapping[str, str]) -> set[str]:
    return {row.get("login", "").casefold(), row.get("group", "").casefold()} - {""}
