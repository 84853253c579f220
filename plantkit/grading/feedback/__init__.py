"""What one student reads about a hand-in: Markdown to paste into a host, or a page to open.

Nothing of the truth is in it, of hidden criteria no more than what they earned together, and
nothing of other students or of where staff keep the files.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from plantkit.errors import UnknownNameError
from plantkit.grading.grade import Grade, Mark, MarkVerdict
from plantkit.grading.handins.handin import HandIn

_OPTION = re.compile(r" \(--(?:time|memory)-limit\)")
#: Modules of this package.
FORMATS = ("markdown", "html")


class Format(Protocol):
    """A module of this package. SUFFIX: of its files."""

    SUFFIX: str

    def render(self, grade: Grade, remarks: list[str]) -> str: ...


def find_feedback(name: str) -> Format:
    """Returns the format called `name`, one of `FORMATS`."""
    if name not in FORMATS:
        raise UnknownNameError("form of feedback", name, FORMATS)
    found: Format = importlib.import_module(f"{__name__}.{name}")
    return found


def render_feedback(name: str, handin: HandIn, grade: Grade) -> str:
    """Returns a student's feedback in the format called `name`."""
    remarks = ["Handed in late."] if handin.late else []
    if grade.format_errors and not grade.error:
        remarks += [f"Invalid mask: {error}" for error in grade.format_errors[:3]]
    return find_feedback(name).render(_for_student(handin, grade), _scrubbed(handin, remarks))


def _for_student(handin: HandIn, grade: Grade) -> Grade:
    """Returns a grade without what staff alone know: hidden criteria, and paths."""
    grade = grade.for_students()
    clean = _cleaner(handin)

    def cleaned(mark: Mark) -> Mark:
        return replace(mark, got=clean(mark.got), message=clean(mark.message))

    shown = [mark for mark in grade.marks if not _is_kept_back(mark)]
    return replace(
        grade,
        path=None,
        marks=list(map(cleaned, shown)),
        error=clean(grade.error),
        format_errors=[],
    )


def _is_kept_back(mark: Mark) -> bool:
    # Not folded with the other hidden ones: its name and description would tell what it is.
    return mark.hidden and mark.verdict is MarkVerdict.NOT_RUN


def _scrubbed(handin: HandIn, texts: list[str]) -> list[str]:
    return list(map(_cleaner(handin), texts))


def _cleaner(handin: HandIn) -> Callable[[str], str]:
    """Returns what takes out of a text the directories that a hand-in lies in, and options of
    plantkit that say how limits are raised: students do not choose the limits."""
    given = () if handin.path is None else (handin.path, handin.path.resolve())
    paths = {str(path) for path in given}
    before = [f"{path}{os.sep}" for path in paths]
    before += [f"{os.path.dirname(path)}{os.sep}" for path in paths]  # noqa: PTH120

    def clean(text: str) -> str:
        for directory in before:
            text = text.replace(directory, "")
        return _OPTION.sub("", text)

    return clean
