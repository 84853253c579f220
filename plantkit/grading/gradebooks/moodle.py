"""Moodle's grading worksheet: Assignment, Upload grading worksheet.

Moodle takes the columns Identifier, Grade and Last modified (grade), by their English names. Where
the last is older than the grade that Moodle has, it keeps its own, unless the import is told to
update. It skips a cell without a grade, and one above the assignment's maximum.
"""

from __future__ import annotations

from collections.abc import Sequence

from plantkit.grading.gradebooks.rows import (
    Gradebook,
    Row,
    max_points_of,
    not_graded,
    shown,
)
from plantkit.reports.spreadsheets import csv_text

HELP = "A CSV that Moodle imports (Upload grading worksheet)."
FILE = "gradebook-moodle.csv"
_HEADER = (
    *("Identifier", "Full name", "Email address", "Grade", "Maximum grade"),
    "Last modified (grade)",
)


def render(rows: Sequence[Row], title: str) -> Gradebook:
    """Returns the worksheet. Who has no number in Moodle, such as a default group, is left out."""
    most = max_points_of(rows)
    lines, strangers = [], []
    for row in rows:
        number = row.student.get("participant", "")
        if not number.isdecimal():
            strangers.append(row.name)
            continue
        identifier = row.student.get("identifier") or f"Participant {number}"
        email, before = row.student.get("email", ""), row.student.get("graded_at", "")
        lines.append([identifier, row.name, email, shown(row.points), shown(most), before])
    notes = list(not_graded(rows))
    if strangers and not lines:
        notes = ["it is empty: no number of Moodle is known; give Moodle's worksheet as --roster"]
    elif strangers:
        who = f"{', '.join(strangers[:10])}{' ...' if len(strangers) > 10 else ''}"
        notes.append(f"not in the worksheet, since Moodle's number is not known: {who}")
    limits = {row.student["max_points"] for row in rows if row.student.get("max_points")}
    if most is not None and any(_number(limit) < most for limit in limits):
        notes.append(
            f"Moodle's maximum is {', '.join(sorted(limits))}, the rubric's {shown(most)}: Moodle "
            "skips grades above its own, so set it to the rubric's"
        )
    return Gradebook(content=csv_text(_HEADER, lines), notes=tuple(notes))


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return float("inf")
