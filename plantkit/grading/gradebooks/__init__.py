"""The grades of a class as files that hosts import, and that people open.

A new format is a new module here, with what `Format` asks for, and its name in `FORMATS`. Who was
not graded has no points in any of them: a host leaves what it has.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Protocol

from plantkit.errors import UnknownNameError
from plantkit.grading.gradebooks.rows import Gradebook, Graded, Row, rows_of

__all__ = ["FORMATS", "Format", "Gradebook", "Graded", "Row", "find_gradebook", "render_gradebook"]

#: Modules of this package.
FORMATS = ("plain", "canvas", "moodle", "gradescope", "excel")


class Format(Protocol):
    """A module of this package.

    HELP: what its file is for. FILE: what the file is called. render: makes it of one row per
    student.
    """

    HELP: str
    FILE: str

    def render(self, rows: Sequence[Row], title: str) -> Gradebook: ...


def find_gradebook(name: str) -> Format:
    """Returns the format called `name`, one of `FORMATS`."""
    if name not in FORMATS:
        raise UnknownNameError("gradebook", name, FORMATS)
    found: Format = importlib.import_module(f"{__name__}.{name}")
    return found


def render_gradebook(
    name: str,
    graded: Sequence[Graded],
    *,
    title: str | None = None,
    missing_points: float | None = None,
) -> Gradebook:
    """Returns the gradebook of a class in the format called `name`.

    Args:
        graded: a hand-in and its grade each.
        title: of the assignment, as the host has it; the rubric's if None.
        missing_points: what who handed in nothing gets; None for no points at all.

    Raises:
        UnknownNameError: there is no such format.
        MissingExtraError: what writes it is not installed.
    """
    rows = rows_of(graded, missing_points=missing_points)
    if title is None:
        title = next((row.grade.title for row in rows if row.grade is not None), "plantkit")
    return find_gradebook(name).render(rows, title)
