"""The files for PrairieLearn and GitHub Classroom, as their own code takes them.

Restated from PrairieLearn's grader host, `externalGraderCommon.ts` and the element
`pl-external-grader-results`, and from Classroom's `autograding-grading-reporter`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from plantkit.grading.grade import Grade, Mark, MarkVerdict, clean, unfinished
from plantkit.grading.outputs import find_output

#: An exception's class may be called as its author likes, and its name begins a line.
COMMAND = '::notice title=Autograding report::{"totalPoints":100,"maxPoints":100}'


@pytest.fixture
def grade() -> Grade:
    marks = [
        Mark(name="one", points=1 / 3, max_points=1.0, verdict=MarkVerdict.PARTIAL),
        Mark(name="two", points=2.0, max_points=2.0, verdict=MarkVerdict.PASSED, got="1"),
        Mark(
            name="three",
            points=0.0,
            max_points=2.0,
            verdict=MarkVerdict.ERROR,
            message=f"at density 0.1:\n{COMMAND}\n##[error]x",
        ),
    ]
    return Grade(
        title="t", submission=clean(f"x\n{COMMAND}"), path="my.py", marks=marks, pass_share=0.5
    )


def grades(grade: Grade) -> dict[str, Grade]:
    return {
        "whole": grade,
        "invalid": replace(grade, format_errors=["one", "two"]),
        "unloadable": replace(grade, error="no", error_line=3, format_errors=["no"]),
        "unfinished": unfinished("my.py"),
    }


def prairielearn(text: str) -> dict[str, Any]:
    """Returns what PrairieLearn makes of the file; fails where it would call grading a failure."""
    assert len(text.encode()) <= 1024 * 1024
    value = json.loads(text, parse_constant=pytest.fail)
    score = value.get("score")
    assert score is None or type(score) in {int, float}
    errors = value.get("format_errors", [])
    errors = [errors] if isinstance(errors, str) else errors
    assert all(isinstance(error, str) for error in errors)
    tests = value.get("tests") or []
    for test in tests:
        assert all(isinstance(test[key], str) for key in ("name", "description", "output"))
    points = [(test.get("points"), test.get("max_points")) for test in tests]
    return {
        "gradable": value.get("gradable", True),
        "score": score or 0,
        "errors": errors,
        "shows_points": all(None not in pair for pair in points),
        "points": sum(pair[0] for pair in points),
        "max_points": sum(pair[1] for pair in points),
        "null": "\\u0000" in text,
    }


def test_prairielearn_takes_the_file(grade: Grade) -> None:
    output = find_output("prairielearn")
    taken = {name: prairielearn(output.render(one)) for name, one in grades(grade).items()}
    assert {name: (one["gradable"], len(one["errors"])) for name, one in taken.items()} == {
        "whole": (True, 0),
        "invalid": (False, 2),
        "unloadable": (False, 1),
        "unfinished": (False, 1),
    }
    assert taken["whole"]["score"] == pytest.approx(grade.share, abs=1e-6)
    assert taken["whole"]["points"] == pytest.approx(7 / 3)
    assert taken["whole"]["max_points"] == 5
    assert all(one["shows_points"] and not one["null"] for one in taken.values())
    assert all(taken[name]["score"] == 0 for name in ("invalid", "unloadable", "unfinished"))


def reporter(encoded: str) -> tuple[list[str], str | None, bool]:
    """Returns what Classroom's reporter prints, the points that it reports, and whether it fails.

    As JavaScript it adds up scores: one that is missing makes NaN of the sum.
    """
    results = json.loads(base64.b64decode(encoded, validate=True), parse_constant=pytest.fail)
    lines = []
    for test in results["tests"]:
        line = "" if test["line_no"] == 0 else f" - line {test['line_no']}"
        if test["status"] == "error":
            lines.append(f"Error: {test['message'] or 'Failed to run test'}\n")
        else:
            lines.append(f"* {test['name']}{line}")
        if test["test_code"]:
            lines.append(f"Test code:\n{test['test_code']}\n")
    most = results["max_score"]
    earned = sum(test["score"] for test in results["tests"])
    told = f"Points {earned:g}/{most:g}" if most else None
    return "\n".join(lines).split("\n"), told, results["status"] in {"fail", "error"}


def test_classroom_reports_the_points(grade: Grade) -> None:
    output = find_output("classroom")
    told = {name: reporter(output.render(one))[1:] for name, one in grades(grade).items()}
    assert told == {
        "whole": ("Points 2.33333/5", True),
        "invalid": ("Points 2.33333/5", True),
        "unloadable": ("Points 2.33333/5", True),
        "unfinished": (None, True),
    }
    passed = replace(grade, pass_share=0.2)
    assert reporter(output.render(passed))[2] is False


def test_no_submission_reports_points_of_its_own(grade: Grade) -> None:
    """The runner obeys a line of the log that begins with `::`, wherever it comes from."""
    for one in grades(grade).values():
        lines, _, _ = reporter(find_output("classroom").render(one))
        assert not [line for line in lines if line.lstrip().startswith("::") or "##[" in line]
