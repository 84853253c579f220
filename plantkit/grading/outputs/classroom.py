"""What GitHub Classroom's grading reporter takes from `<RUNNER-ID>_RESULTS`: base64 of JSON."""

from __future__ import annotations

import base64
import json

from plantkit.grading.grade import Grade, MarkVerdict
from plantkit.grading.outputs import fitted
from plantkit.grading.outputs.table import without_commands

HELP = "Write what GitHub Classroom's reporter takes from <ID>_RESULTS."
#: Linux takes no environment variable above 128 KiB.
_MOST_BYTES = 120_000
_STATUS = {MarkVerdict.PASSED: "pass", MarkVerdict.INVALID: "error", MarkVerdict.ERROR: "error"}


def render(grade: Grade) -> str:
    """Returns one line of base64; hidden criteria are folded, since students can read it.

    The reporter prints texts to the log, where a line of `::notice` would count as its own.
    """
    return fitted(_encoded, grade.for_students(), _MOST_BYTES)


def _encoded(grade: Grade) -> str:
    status = "error" if grade.error else "pass" if grade.passed else "fail"
    tests = [
        {
            "name": without_commands(mark.name),
            "status": _STATUS.get(mark.verdict, "fail"),
            "score": mark.points,
            "message": without_commands(mark.feedback()),
            "test_code": without_commands(f"plantkit grade {grade.submission}"),
            "line_no": grade.error_line or 0,
            "execution_time": f"{mark.seconds:.3f}s",
        }
        for mark in grade.run_marks or [grade.error_mark()]
    ]
    value = {"version": 1, "status": status, "max_score": grade.max_points, "tests": tests}
    return base64.b64encode(json.dumps(value).encode()).decode("ascii")
