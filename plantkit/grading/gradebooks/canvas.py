"""Canvas' gradebook: Grades, Import.

Canvas finds students by ID, SIS User ID or SIS Login ID, and else by name. Names can be two
students', so that who has none of the three is left out. A student who is left out keeps the grade
that Canvas has; an empty cell would erase it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from plantkit.grading.gradebooks.rows import (
    Gradebook,
    Row,
    max_points_of,
    not_graded,
    shown,
)
from plantkit.reports.spreadsheets import csv_text

HELP = "A CSV that Canvas imports (Grades, Import)."
FILE = "gradebook-canvas.csv"
_HEADER = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
_FIELDS = ("user_id", "number", "login", "section")
#: An assignment that Canvas has already: its title and number.
_KNOWN = re.compile(r".*\(\d+\)")


def render(rows: Sequence[Row], title: str) -> Gradebook:
    """Returns the CSV with the assignment as its column.

    Args:
        title: as Canvas' export has it, with the number: `Pruning (4711)`. Of one without a
            number, Canvas asks whether it is new.
    """
    lines, strangers = [], []
    for row in rows:
        ids = [row.student.get(field, "") for field in _FIELDS]
        if row.points is None:
            continue
        if not any(ids[:3]):
            strangers.append(row.name)
            continue
        lines.append([row.name, *ids, shown(row.points)])
    notes = not_graded(rows)
    if strangers and not lines:
        notes = ("it is empty: no id of Canvas is known; give Canvas' gradebook as --roster",)
    elif strangers:
        who = f"{', '.join(strangers[:10])}{' ...' if len(strangers) > 10 else ''}"
        notes = (*notes, f"Canvas knows nobody by name alone; left out, give --roster: {who}")
    points = max_points_of(rows)
    if lines and points is not None and not _KNOWN.fullmatch(title):
        lines.insert(0, ["    Points Possible", "", "", "", "", shown(points)])
    return Gradebook(content=csv_text([*_HEADER, title], lines), notes=notes)
