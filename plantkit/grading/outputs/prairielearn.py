"""PrairieLearn's `results.json`.

A submission with an invalid mask, or that cannot be loaded, is not gradable: it does not use up
an attempt.
"""

from __future__ import annotations

import json
from typing import Any

from plantkit.grading.grade import Grade, Mark
from plantkit.grading.outputs import fitted

HELP = "Write PrairieLearn's results.json."
_MOST_BYTES = 1_000_000


def render(grade: Grade) -> str:
    """Returns the content of `results.json`; hidden criteria are folded."""
    return fitted(_text, grade.for_students(), _MOST_BYTES)


def _text(grade: Grade) -> str:
    is_gradable = not grade.format_errors
    value: dict[str, Any] = {
        "gradable": is_gradable,
        "score": round(grade.share, 6) if is_gradable else 0.0,
        "message": f"{grade.points:g} of {grade.max_points:g} points",
        "output": "",
        "images": [],
        "tests": [_test(mark) for mark in grade.run_marks],
    }
    if not is_gradable:
        value["message"] = "The submission could not be graded; no attempt was used."
        value["format_errors"] = list(grade.format_errors)
    return json.dumps(value, indent=2) + "\n"


def _test(mark: Mark) -> dict[str, Any]:
    return {
        "name": mark.name,
        "description": mark.description,
        "points": mark.points,
        "max_points": mark.max_points,
        "message": mark.message,
        "output": mark.feedback(),
        "images": [],
    }
