"""One row per student, whoever handed in with others or twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from plantkit.grading.grade import Grade, Mark
from plantkit.grading.handins.handin import HandIn

#: What tells students apart by itself: the line of the roster, and hosts' own numbers.
_SURE = ("row", "user_id", "participant")
#: Of what people type all must agree: one field can hold the same for many.
_KEYS = ("number", "email", "login")


class Graded(Protocol):
    """A hand-in with its grade; None where it has not been graded. status: how that went."""

    @property
    def handin(self) -> HandIn: ...
    @property
    def grade(self) -> Grade | None: ...
    @property
    def status(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a gradebook says of a student.

    student: fields by the names in `handins.found.FIELDS`. points: None for none at all. notes:
    for staff.
    """

    student: Mapping[str, str]
    handin: HandIn
    grade: Grade | None
    status: str
    points: float | None
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.student["name"]

    @property
    def marks(self) -> Mapping[str, Mark]:
        """The marks of criteria that were run, by name."""
        marks = () if self.grade is None else self.grade.run_marks
        return {mark.name: mark for mark in marks}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradebook:
    """A file's content, and what staff should know of it, such as who is not in it."""

    content: str | bytes
    notes: tuple[str, ...] = ()


def rows_of(graded: Iterable[Graded], *, missing_points: float | None) -> list[Row]:
    """Returns a row per student, by name.

    Of two hand-ins of one student the later counts, or the better where times are not known.
    """
    found: dict[object, list[Row]] = {}
    for one in graded:
        for student in one.handin.students:
            key = _key(student) or one.handin.id
            found.setdefault(key, []).append(_row(one, student, missing_points))
    rows = [_counted(some) for some in found.values()]
    return sorted(rows, key=lambda row: (row.name.casefold(), row.handin.id))


def _key(student: Mapping[str, str]) -> object:
    """Returns what tells a student apart, or None where nothing is known."""
    sure = next(((field, student[field]) for field in _SURE if student.get(field)), None)
    ids = [student.get(field, "") for field in _KEYS]
    return sure or ((*ids, student["name"]) if any(ids) else None)


def _row(one: Graded, student: Mapping[str, str], missing_points: float | None) -> Row:
    points = None if one.grade is None else one.grade.points
    if one.handin.path is None and one.grade is None:
        points = missing_points
    return Row(
        student=student,
        handin=one.handin,
        grade=one.grade,
        status=one.status,
        points=points,
        notes=tuple(one.handin.notes),
    )


def _counted(rows: Sequence[Row]) -> Row:
    there = [row for row in rows if row.handin.path is not None] or list(rows)
    if len(there) == 1:
        return there[0]
    is_timed = all(row.handin.submitted for row in there)
    if is_timed:
        counted = max(there, key=lambda row: _instant(row.handin.submitted))
    else:
        counted = max(there, key=lambda row: -1.0 if row.points is None else row.points)
    others = [row for row in there if row is not counted]
    note = f"{counted.handin.id} counts, the {'later' if is_timed else 'better'} one; "
    note += f"also handed in: {', '.join(map(_told, others))}"
    if counted.handin.late and not all(row.handin.late for row in others):
        note += "; the one that counts is late"
    return replace(counted, notes=(*counted.notes, note))


def _told(row: Row) -> str:
    """Returns what staff should know of a hand-in that does not count."""
    points = f"{shown(row.points)} points" if row.points is not None else "no points"
    return f"{row.handin.id} ({points}, {'late' if row.handin.late else 'not late'})"


def _instant(submitted: str) -> datetime:
    time = datetime.fromisoformat(submitted)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def criteria_of(rows: Iterable[Row]) -> dict[str, float]:
    """Returns the points at stake of each criterion that was run, by name."""
    return {name: mark.max_points for row in rows for name, mark in row.marks.items()}


def max_points_of(rows: Iterable[Row]) -> float | None:
    """Returns the points at stake, or None if nobody was graded."""
    return max((row.grade.max_points for row in rows if row.grade is not None), default=None)


def shown(points: float | None) -> str:
    """Returns points as text; "" for none at all."""
    return "" if points is None else f"{round(points, 6):.12g}"


def not_graded(rows: Iterable[Row]) -> tuple[str, ...]:
    """Returns a note that names who has no points."""
    names = [row.name for row in rows if row.points is None]
    if not names:
        return ()
    many = f"{len(names)} student{'s have' if len(names) > 1 else ' has'} no points"
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return (f"{many}: {', '.join(names[:10])}{more}",)
