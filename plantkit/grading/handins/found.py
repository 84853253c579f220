"""What a host's module finds in a folder, before it is checked against the roster."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from plantkit.grading.handins.ids import IdMaker
from plantkit.submissions.trees import is_left_out

#: What hosts know students by. number: at the school. user_id: in Canvas. participant: in Moodle.
#: graded_at, identifier, max_points: what Moodle's worksheet says.
#: row: where the student stands in the roster.
FIELDS = (
    *("name", "first_name", "last_name", "number", "user_id", "participant", "login"),
    *("email", "section", "group", "file", "repository", "submission_id", "submissions"),
    *("submitted", "late", "graded_at", "identifier", "max_points", "row"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A hand-in in the folder.

    key: what it is called in the folder, of one hand-in alone; its id comes from it. stem: what may
    say whose it is. is_numbered: whether the key ends with a number of the host's own, which no
    other has. For the rest see `HandIn`.
    """

    key: str
    stem: str
    is_numbered: bool = False
    name: str
    path: Path | None
    submitted: str = ""
    late: bool = False
    notes: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    members: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a host's module looks.

    folder: what was exported, unpacked. work: an empty directory, in which files are gathered.
    rows: of the roster, by the names in `FIELDS`. assignment: the one of several to take, or None.
    """

    folder: Path
    work: Path
    rows: Sequence[Mapping[str, str]] = ()
    assignment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a host's module found, and what staff should know of the rest of the folder."""

    found: Sequence[Found]
    notes: tuple[str, ...] = ()


class Host(Protocol):
    """A module of this package.

    TITLE: what it reads, in words. likeness: how much of a folder looks like it, in [0, 1]: what
    one student handed in must not decide what the whole is.
    """

    TITLE: str

    def likeness(self, place: Place) -> float: ...
    def read(self, place: Place) -> Findings: ...


def share(answers: Iterable[bool]) -> float:
    """Returns how many of the answers are yes, in [0, 1]; 0 where there are none."""
    given = list(answers)
    return sum(given) / len(given) if given else 0.0


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yields what lies in a folder by name, without what tools leave behind."""
    with os.scandir(folder) as found:
        for entry in sorted(found, key=lambda one: one.name):
            if not is_left_out(entry.name):
                yield entry


def folders(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yields the folders in a folder by name; a link is none."""
    return (entry for entry in entries(folder) if entry.is_dir(follow_symlinks=False))


def gather(files: Iterable[tuple[str, Path]], ids: IdMaker, key: str, work: Path) -> Path:
    """Copies files under the names that students gave them into a new folder of `work`.

    Args:
        files: name and path; a name that comes twice is kept apart by a number.
    """
    folder = work / ids.make(key)
    folder.mkdir()
    for name, path in files:
        target, number = folder / name, 2
        while target.exists():
            target = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
            number += 1
        shutil.copyfile(path, target, follow_symlinks=False)
    return folder
