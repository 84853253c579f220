"""Gradescope's `results.json`. All text is plain, so that nothing in it is read as markup.

Hidden criteria are tests of their own, which Gradescope keeps from students.
"""

from __future__ import annotations

import json
from typing import Any

from plantkit.grading.grade import Grade, Mark, MarkVerdict

HELP = "Write Gradescope's results.json."


def render(grade: Grade) -> str:
    """Returns the content of `results.json`."""
    value = {
        "score": grade.points,
        "execution_time": round(grade.seconds, 3),
        "output": _output(grade),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [
            _test(grade, mark, number) for number, mark in enumerate(grade.run_marks, start=1)
        ],
    }
    return json.dumps(value, indent=2) + "\n"


def _test(grade: Grade, mark: Mark, number: int) -> dict[str, Any]:
    return {
        "score": mark.points,
        "max_score": mark.max_points,
        "status": "passed" if mark.verdict is MarkVerdict.PASSED else "failed",
        "name": mark.name,
        "name_format": "text",
        "number": str(number),
        "output": mark.feedback(),
        "output_format": "text",
        "visibility": grade.hidden_visibility if mark.hidden else "visible",
        "extra_data": {"verdict": mark.verdict.value},
    }


def _output(grade: Grade) -> str:
    lines = [f"{grade.title}: {grade.submission}"]
    if grade.error:
        lines.append(grade.error)
    not_run = [mark.name for mark in grade.marks if mark.verdict is MarkVerdict.NOT_RUN]
    if not_run:
        lines.append(f"Not run here: {', '.join(not_run)}")
    return "\n".join(lines)
