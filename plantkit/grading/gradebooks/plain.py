"""A CSV with everything: who, what, and the points of every criterion."""

from __future__ import annotations

from collections.abc import Sequence

from plantkit.grading.gradebooks.rows import (
    Gradebook,
    Row,
    criteria_of,
    not_graded,
    shown,
)
from plantkit.reports.spreadsheets import csv_text

HELP = "A CSV with a column per criterion, for staff."
FILE = "gradebook.csv"
_STUDENT = ("name", "number", "login", "email", "section")


def render(rows: Sequence[Row], title: str) -> Gradebook:
    """Returns the CSV; hidden criteria have their columns, so it is not for students."""
    header, lines = grid(rows)
    text = csv_text(header, [[_text(cell) for cell in line] for line in lines])
    return Gradebook(content=text, notes=not_graded(rows))


def grid(rows: Sequence[Row]) -> tuple[list[str], list[list[str | float | None]]]:
    """Returns the header, and the cells of each student; points are numbers."""
    criteria = criteria_of(rows)
    header = ["id", *_STUDENT, "status", "points", "of", "passed", "late", "submitted"]
    header += [*criteria, "notes"]
    lines = []
    for row in rows:
        grade, marks = row.grade, row.marks
        lines.append(
            [
                row.handin.id,
                *(row.student.get(field, "") for field in _STUDENT),
                row.status,
                row.points,
                None if grade is None else grade.max_points,
                "" if grade is None else "yes" if grade.passed else "no",
                "yes" if row.handin.late else "",
                row.handin.submitted,
                *(marks[name].points if name in marks else None for name in criteria),
                "; ".join(row.notes),
            ]
        )
    return header, lines


def _text(cell: str | float | None) -> str:
    return cell if isinstance(cell, str) else shown(cell)
