"""The table that a student reads."""

from __future__ import annotations

import textwrap

from plantkit.grading.grade import Grade, MarkVerdict
from plantkit.reports.grids import grid

_HEADERS = ("criterion", "expected", "got", "points", "")


def render(grade: Grade) -> str:
    """Returns the grade as text: what was expected and got, and what was not run.

    Hidden criteria show their details; fold them first with `Grade.for_students`.
    """
    rows, notes = [], []
    for mark in grade.marks:
        if mark.verdict is MarkVerdict.NOT_RUN:
            rows.append((mark.name, "hidden", "", f"? of {mark.max_points:g}", "not run here"))
            continue
        points = f"{mark.points:.{grade.decimals}f} of {mark.max_points:g}"
        rows.append((mark.name, mark.expected, mark.got, points, mark.verdict.value))
        if mark.message and not grade.error:  # which says once what all of them say
            notes.append(f"{mark.name}:\n{textwrap.indent(mark.message, '  ')}")
    parts = [f"{grade.title}: {grade.submission}"]
    if grade.error:
        parts.append(grade.error)
    if rows:
        parts.append(grid(_HEADERS, rows))
    parts += notes
    if grade.format_errors and not grade.error:
        errors = "\n".join(grade.format_errors[:3])
        parts.append(f"Invalid masks:\n{textwrap.indent(errors, '  ')}")
    parts.append("\n".join(_totals(grade)))
    return without_commands("\n\n".join(parts)) + "\n"


def without_commands(text: str) -> str:
    """Returns `text` without what a log of GitHub Actions obeys: lines of `::`, and `##[`."""
    return text.replace("::", ": :").replace("##[", "# #[")


def _totals(grade: Grade) -> list[str]:
    verdict = "passed" if grade.passed else "not passed"
    lines = [
        f"{grade.points:.{grade.decimals}f} of {grade.max_points:g} points: {verdict} "
        f"({grade.pass_share:.0%} needed)"
    ]
    not_run = [mark for mark in grade.marks if mark.verdict is MarkVerdict.NOT_RUN]
    if not_run:
        points = sum(mark.max_points for mark in not_run)
        lines.append(
            f"Not run here: {len(not_run)} hidden criteri{'a' if len(not_run) > 1 else 'on'} of "
            f"{points:g} points, which course staff run; the final grade can be lower."
        )
    return lines
