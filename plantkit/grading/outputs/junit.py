"""JUnit XML. A missed threshold is a failure; a crash, timeout or invalid mask is an error."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from xml.etree import ElementTree

from plantkit.grading.grade import Grade, Mark, Verdict

_CHILD = {
    Verdict.FAILED: "failure",
    Verdict.PARTIAL: "failure",
    Verdict.INVALID: "error",
    Verdict.ERROR: "error",
    Verdict.NOT_RUN: "skipped",
}


def render(grade: Grade) -> str:
    """Returns the XML document; hidden criteria are folded, since students can read it."""
    grade = grade.for_students()
    marks = list(grade.marks)
    if not marks:
        marks = [
            Mark(
                name="grading",
                points=0.0,
                max_points=0.0,
                verdict=Verdict.ERROR,
                message=grade.error,
            )
        ]
    counts = {
        "tests": len(marks),
        "errors": sum(_CHILD.get(mark.verdict) == "error" for mark in marks),
        "failures": sum(_CHILD.get(mark.verdict) == "failure" for mark in marks),
        "skipped": sum(mark.verdict is Verdict.NOT_RUN for mark in marks),
    }
    attributes = {name: str(count) for name, count in counts.items()}
    attributes["time"] = f"{grade.seconds:.3f}"
    root = ElementTree.Element("testsuites", attributes)
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        {
            "name": grade.title,
            **attributes,
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "hostname": platform.node() or "localhost",
        },
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in {
        "submission": grade.submission,
        "points": grade.points,
        "max_points": grade.max_points,
        "passed": str(grade.passed).lower(),
    }.items():
        ElementTree.SubElement(properties, "property", {"name": name, "value": str(value)})
    for mark in marks:
        _add_case(suite, grade, mark)
    if grade.error:
        ElementTree.SubElement(suite, "system-out").text = grade.error
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _add_case(suite: ElementTree.Element, grade: Grade, mark: Mark) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        {"classname": grade.submission, "name": mark.name, "time": f"{mark.seconds:.3f}"},
    )
    child = _CHILD.get(mark.verdict)
    if child is not None:
        if mark.verdict is Verdict.NOT_RUN:
            message = "hidden, not run here"
        else:
            message = f"{mark.points:g} of {mark.max_points:g} points"
        element = ElementTree.SubElement(case, child, {"message": message})
        element.text = mark.feedback()
    output = ElementTree.SubElement(case, "system-out")
    output.text = f"{mark.points:g} of {mark.max_points:g} points\n{mark.feedback()}"
