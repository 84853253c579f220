"""JUnit XML. A missed threshold is a failure; a crash, timeout or invalid mask is an error."""

from __future__ import annotations

import platform
from datetime import UTC, datetime

from plantkit.grading.grade import Grade, MarkVerdict
from plantkit.reports.templates import fill_in

HELP = "Write JUnit XML."
_CHILD = {
    MarkVerdict.FAILED: "failure",
    MarkVerdict.PARTIAL: "failure",
    MarkVerdict.INVALID: "error",
    MarkVerdict.ERROR: "error",
    MarkVerdict.NOT_RUN: "skipped",
}


def render(grade: Grade) -> str:
    """Returns the XML document; hidden criteria are folded, since students can read it."""
    grade = grade.for_students()
    marks = grade.marks or [grade.error_mark()]
    children = [_CHILD.get(mark.verdict) for mark in marks]
    return fill_in(
        "plantkit.grading.outputs",
        "junit.xml",
        autoescape=True,
        grade=grade,
        cases=zip(marks, children, strict=True),
        counts={
            "tests": len(marks),
            "errors": children.count("error"),
            "failures": children.count("failure"),
            "skipped": children.count("skipped"),
        },
        timestamp=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        hostname=platform.node() or "localhost",
    )
