"""Feedback as one page that opens without a network."""

from __future__ import annotations

from plantkit.grading.grade import Grade
from plantkit.reports.templates import fill_in

SUFFIX = ".html"


def render(grade: Grade, remarks: list[str]) -> str:
    """Returns the page; hidden criteria are folded."""
    return fill_in(
        "plantkit.grading.feedback",
        "feedback.html",
        autoescape=True,
        grade=grade.for_students(),
        remarks=remarks,
    )
