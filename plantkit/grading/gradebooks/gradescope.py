"""The columns of Gradescope's own export of grades, which gradebook tools read.

Gradescope's help tells of no import of scores: a programming assignment has them from its
autograder.
"""

from __future__ import annotations

from collections.abc import Sequence

from plantkit.grading.gradebooks.rows import (
    Gradebook,
    Row,
    criteria_of,
    max_points_of,
    not_graded,
    shown,
)
from plantkit.reports.spreadsheets import csv_text

HELP = "A CSV with the columns of Gradescope's export of grades."
FILE = "gradebook-gradescope.csv"
_HEADER = (
    *("Name", "SID", "Email", "Sections", "Total Score", "Max Points", "Status"),
    *("Submission ID", "Submission Time", "Lateness (H:M:S)", "View Count", "Submission Count"),
)


def render(rows: Sequence[Row], title: str) -> Gradebook:
    """Returns the CSV, with a column per criterion; a group has a row per member."""
    most, criteria = max_points_of(rows), criteria_of(rows)
    header = [
        f"{number}: {name} ({points:.1f} pts)"
        for number, (name, points) in enumerate(criteria.items(), start=1)
    ]
    lines = []
    for row in rows:
        student = row.student
        marks = [shown(row.marks[name].points) if name in row.marks else "" for name in criteria]
        status = "Missing" if row.handin.path is None else "Graded"
        lines.append(
            [
                row.name,
                student.get("number", ""),
                student.get("email", ""),
                student.get("section", ""),
                shown(row.points),
                shown(most),
                "Ungraded" if status == "Graded" and row.points is None else status,
                student.get("submission_id", ""),
                row.handin.submitted.replace("T", " "),
                *("", ""),  # Gradescope knows these
                student.get("submissions", ""),
                *marks,
            ]
        )
    return Gradebook(content=csv_text([*_HEADER, *header], lines), notes=not_graded(rows))
