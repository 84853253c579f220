"""What each format holds, in full, for one grade whose figures all differ."""

from __future__ import annotations

import base64
import json
import platform
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from plantkit.errors import UsageError
from plantkit.grading.grade import Grade, Mark, MarkVerdict
from plantkit.grading.outputs import (
    classroom,
    find_output,
    fitted,
    github,
    gradescope,
    junit,
    prairielearn,
    table,
    write_grade,
)

PASSED = Mark(
    name="exact",
    description="what it is",
    points=2.0,
    max_points=2.0,
    verdict=MarkVerdict.PASSED,
    expected="at most 0.5",
    got="0.5",
    value=0.5,
    seconds=1.25,
)
PARTIAL = Mark(
    name="close",
    points=1.5,
    max_points=4.0,
    verdict=MarkVerdict.PARTIAL,
    expected="at least 1",
    got="0.75",
    value=0.75,
    message="a hint",
    seconds=2.5,
)
FAILED = replace(PARTIAL, name="far", points=0.0, verdict=MarkVerdict.FAILED, message="")
INVALID = replace(FAILED, name="wrong", verdict=MarkVerdict.INVALID, got="nothing")
ERROR = replace(INVALID, name="broke", verdict=MarkVerdict.ERROR)
NOT_RUN = Mark(name="later", points=0.0, max_points=8.0, verdict=MarkVerdict.NOT_RUN, hidden=True)
GRADE = Grade(
    title="Pruning",
    submission="mine",
    path="mine.py",
    marks=[PASSED, PARTIAL, NOT_RUN],
    pass_share=0.5,
    seconds=7.00049,
)
BROKEN = Grade(
    title="Pruning",
    submission="mine.py",
    path="mine.py",
    marks=[],
    pass_share=0.5,
    error="no prune()",
    error_line=7,
    format_errors=["no prune()"],
)


def test_gradescope() -> None:
    found = json.loads(gradescope.render(replace(GRADE, hidden_visibility="after_published")))
    assert found == {
        "score": 3.5,
        "execution_time": 7.0,
        "output": "Pruning: mine\nNot run here: later",
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [
            {
                "score": 2.0,
                "max_score": 2.0,
                "status": "passed",
                "name": "exact",
                "name_format": "text",
                "number": "1",
                "output": "what it is\nexpected at most 0.5\ngot 0.5",
                "output_format": "text",
                "visibility": "visible",
                "extra_data": {"verdict": "passed"},
            },
            {
                "score": 1.5,
                "max_score": 4.0,
                "status": "failed",
                "name": "close",
                "name_format": "text",
                "number": "2",
                "output": "expected at least 1\ngot 0.75\na hint",
                "output_format": "text",
                "visibility": "visible",
                "extra_data": {"verdict": "partial"},
            },
        ],
    }
    hidden = replace(GRADE, marks=[replace(PASSED, hidden=True)])
    for visibility in ("hidden", "after_due_date"):
        shown = json.loads(gradescope.render(replace(hidden, hidden_visibility=visibility)))
        assert shown["tests"][0]["visibility"] == visibility
    two = replace(GRADE, marks=[NOT_RUN, replace(NOT_RUN, name="last")], seconds=1.23456)
    found = json.loads(gradescope.render(two))
    assert found["output"] == "Pruning: mine\nNot run here: later, last"
    assert found["execution_time"] == 1.235
    assert json.loads(gradescope.render(BROKEN))["output"] == "Pruning: mine.py\nno prune()"
    assert gradescope.render(GRADE).startswith('{\n  "score": 3.5,\n')
    assert gradescope.render(GRADE).endswith("}\n")


def decoded(grade: Grade) -> Any:
    return json.loads(base64.b64decode(classroom.render(grade)))


def test_classroom() -> None:
    assert decoded(GRADE) == {
        "version": 1,
        "status": "pass",
        "max_score": 6.0,
        "tests": [
            {
                "name": "exact",
                "status": "pass",
                "score": 2.0,
                "message": "what it is\nexpected at most 0.5\ngot 0.5",
                "test_code": "plantkit grade mine",
                "line_no": 0,
                "execution_time": "1.250s",
            },
            {
                "name": "close",
                "status": "fail",
                "score": 1.5,
                "message": "expected at least 1\ngot 0.75\na hint",
                "test_code": "plantkit grade mine",
                "line_no": 0,
                "execution_time": "2.500s",
            },
        ],
    }
    assert decoded(replace(GRADE, pass_share=0.9))["status"] == "fail"
    several = decoded(replace(GRADE, marks=[FAILED, INVALID, ERROR]))
    assert [test["status"] for test in several["tests"]] == ["fail", "error", "error"]
    broken = decoded(BROKEN)
    assert (broken["status"], broken["max_score"]) == ("error", 0.0)
    (test,) = broken["tests"]
    assert (test["name"], test["status"], test["line_no"]) == ("grading", "error", 7)
    assert test["message"] == "no prune()"


def test_prairielearn() -> None:
    assert json.loads(prairielearn.render(GRADE)) == {
        "gradable": True,
        "score": 0.583333,
        "message": "3.5 of 6 points",
        "output": "",
        "images": [],
        "tests": [
            {
                "name": "exact",
                "description": "what it is",
                "points": 2.0,
                "max_points": 2.0,
                "message": "",
                "output": "what it is\nexpected at most 0.5\ngot 0.5",
                "images": [],
            },
            {
                "name": "close",
                "description": "",
                "points": 1.5,
                "max_points": 4.0,
                "message": "a hint",
                "output": "expected at least 1\ngot 0.75\na hint",
                "images": [],
            },
        ],
    }
    assert json.loads(prairielearn.render(BROKEN)) == {
        "gradable": False,
        "score": 0.0,
        "message": "The submission could not be graded; no attempt was used.",
        "output": "",
        "images": [],
        "tests": [],
        "format_errors": ["no prune()"],
    }
    invalid = json.loads(prairielearn.render(replace(GRADE, format_errors=["no mask"])))
    assert (invalid["gradable"], invalid["score"], len(invalid["tests"])) == (False, 0.0, 2)
    assert prairielearn.render(GRADE).startswith('{\n  "gradable": true,\n')
    assert prairielearn.render(GRADE).endswith("}\n")


def test_json() -> None:
    text = find_output("json").render(GRADE)
    assert json.loads(text) == GRADE.to_json()
    assert text.startswith('{\n  "schema_version": 1,\n')
    assert text.endswith("}\n")


def test_junit() -> None:
    text = junit.render(replace(GRADE, marks=[PASSED, FAILED, ERROR]))
    assert 'tests="3" errors="1" failures="1" skipped="0"' in " ".join(text.split())
    assert f'hostname="{platform.node() or "localhost"}"' in text
    assert len(re.findall("<testcase ", text)) == 3
    assert "\n\n" not in text
    assert text.endswith(">\n")
    later = junit.render(replace(GRADE, marks=[NOT_RUN, FAILED, PARTIAL]))
    assert 'tests="3" errors="0" failures="2" skipped="1"' in " ".join(later.split())
    broken = junit.render(replace(BROKEN, error="<&>"))
    assert 'tests="1" errors="1"' in " ".join(broken.split())
    assert "&lt;&amp;&gt;" in broken


def test_junit_in_full() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    text = junit.render(replace(GRADE, marks=[replace(PARTIAL, name="a<b")]))
    (stamp,) = re.findall(r'timestamp="([^"]*)"', text)
    assert before <= datetime.fromisoformat(f"{stamp}+00:00") <= datetime.now(UTC)
    counts = 'tests="1" errors="0" failures="1" skipped="0" time="7.000"'
    hostname = platform.node() or "localhost"
    assert (
        text
        == f"""<?xml version="1.0" encoding="UTF-8"?>
<testsuites {counts}>
  <testsuite name="Pruning" {counts} timestamp="{stamp}" hostname="{hostname}">
    <properties>
      <property name="submission" value="mine" />
      <property name="points" value="1.5" />
      <property name="max_points" value="4.0" />
      <property name="passed" value="false" />
    </properties>
    <testcase classname="mine" name="a&lt;b" time="2.500">
      <failure message="1.5 of 4 points">expected at least 1
got 0.75
a hint</failure>
      <system-out>1.5 of 4 points
expected at least 1
got 0.75
a hint</system-out>
    </testcase>
  </testsuite>
</testsuites>
"""
    )


# --- the table


def test_the_table() -> None:
    text = table.render(GRADE)
    head, grid, notes, totals = text.rstrip("\n").split("\n\n")
    assert head == "Pruning: mine"
    header, line, *rows = [row.split("  ") for row in grid.splitlines()]
    assert [cell.strip() for cell in header if cell.strip()] == [
        "criterion",
        "expected",
        "got",
        "points",
    ]
    assert set("".join(line)) == {"-", " "}
    assert [[cell.strip() for cell in row if cell.strip()] for row in rows] == [
        ["exact", "at most 0.5", "0.5", "2.00 of 2", "passed"],
        ["close", "at least 1", "0.75", "1.50 of 4", "partial"],
        ["later", "hidden", "? of 8", "not run here"],
    ]
    assert notes == "close:\n  a hint"
    assert totals == (
        "3.50 of 6 points: passed (50% needed)\n"
        "Not run here: 1 hidden criterion of 8 points, which course staff run; the final grade "
        "can be lower."
    )
    assert text.endswith("\n")


def test_the_table_of_what_was_not_run_and_of_invalid_masks() -> None:
    marks = [NOT_RUN, replace(NOT_RUN, name="last", max_points=0.5), FAILED]
    errors = ["one", "two", "three", "four"]
    parts = table.render(replace(GRADE, marks=marks, decimals=1, format_errors=errors))
    assert "far" in parts  # what comes after a criterion that was not run
    *_, invalid, totals = parts.rstrip("\n").split("\n\n")
    assert invalid == "Invalid masks:\n  one\n  two\n  three"
    assert totals == (
        "0.0 of 4 points: not passed (50% needed)\n"
        "Not run here: 2 hidden criteria of 8.5 points, which course staff run; the final grade "
        "can be lower."
    )


def test_the_table_of_a_submission_that_cannot_be_loaded() -> None:
    assert table.render(BROKEN) == (
        "Pruning: mine.py\n\nno prune()\n\n0.00 of 0 points: not passed (50% needed)\n"
    )


def test_long_texts_are_wrapped_so_that_the_table_fits_a_terminal() -> None:
    long = replace(PASSED, name="a " * 30, expected="word " * 30, got="x" * 20 + " " + "y" * 20)
    text = table.render(replace(GRADE, marks=[long]))
    grid = text.split("\n\n")[1]
    assert max(map(len, grid.splitlines())) <= 80
    assert (grid.count("word"), "x" * 20 in grid, "y" * 20 in grid) == (30, True, True)
    assert "2.00 of 2  passed" in grid  # what is short stays on its line


def test_what_all_criteria_say_is_said_once() -> None:
    text = table.render(replace(GRADE, error="no prune()"))
    assert text.count("no prune()") == 1
    assert "a hint" not in text


def test_orders_to_a_log_are_broken_up() -> None:
    text = table.render(replace(GRADE, title="::set-output::", submission="##[command]"))
    assert text.startswith(": :set-output: :: # #[command]\n")


# --- GitHub


def test_annotations() -> None:
    marks = [PASSED, PARTIAL, FAILED, NOT_RUN]
    assert github.annotation_commands(replace(GRADE, marks=marks)) == [
        "::warning file=mine.py,line=1,title=close (1.5 of 4 points)"
        "::expected at least 1%0Agot 0.75%0Aa hint",
        "::error file=mine.py,line=1,title=far (0 of 4 points)::expected at least 1%0Agot 0.75",
    ]
    assert github.annotation_commands(BROKEN) == [
        "::error file=mine.py,line=7,title=Pruning::no prune()"
    ]
    unplaced = replace(BROKEN, path=None, error_line=None, error="50%\r", title="a:b,c")
    assert github.annotation_commands(unplaced) == ["::error title=a%3Ab%2Cc::50%25%0D"]
    first = replace(BROKEN, error_line=None)
    assert github.annotation_commands(first)[0].startswith("::error file=mine.py,line=1,")


@pytest.mark.parametrize(("count", "shown"), [(9, 9), (10, 10), (11, 10), (30, 10)])
def test_ten_annotations_at_most(count: int, shown: int) -> None:
    marks = [replace(FAILED, name=f"m{number}") for number in range(count)]
    commands = github.annotation_commands(replace(GRADE, marks=marks))
    assert len(commands) == shown
    named = [command for command in commands if "title=m" in command]
    if count > 10:
        rest = count - 9
        assert commands[-1] == (
            f"::error file=mine.py,line=1,title=Pruning::{rest} more criteria were not passed"
        )
        assert len(named) == 9
    else:
        assert len(named) == count


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_summary() -> None:
    marks = [PASSED, PARTIAL, FAILED, INVALID, ERROR, NOT_RUN]
    text = github.summary(replace(GRADE, marks=marks, title="A*b"))
    head, points, grid, hint = text.rstrip("\n").split("\n\n")
    assert head == "## A&#42;b"
    assert points == "**3.5 of 18 points**, not passed: mine"
    header, _, *rows = grid.splitlines()
    assert cells(header) == ["", "criterion", "expected", "got", "points"]
    assert [cells(row) for row in rows] == [
        ["✅", "exact<br>what it is", "at most 0.5", "0.5", "2 of 2"],
        ["🟡", "close<br>a hint", "at least 1", "0.75", "1.5 of 4"],
        ["❌", "far", "at least 1", "0.75", "0 of 4"],
        ["⛔", "wrong", "at least 1", "nothing", "0 of 4"],
        ["💥", "broke", "at least 1", "nothing", "0 of 4"],
        ["not run", "later", "", "", "? of 8"],
    ]
    assert hint == "Hidden criteria were not run here; they count in the final grade."
    assert text.endswith("\n")


def test_summary_without_marks_and_on_lines_of_their_own() -> None:
    assert github.summary(BROKEN) == (
        "## Pruning\n\n**0 of 0 points**, not passed: mine.py\n\nno prune()\n"
    )
    passed = replace(GRADE, marks=[replace(PASSED, description="a\nb")])
    text = github.summary(passed)
    assert "**2 of 2 points**, passed: mine" in text
    assert "exact<br>a<br>b" in text
    assert "Hidden criteria" not in text


# --- files


def test_texts_are_cut_no_more_than_is_needed() -> None:
    """Bytes count, not letters: an é has two."""
    grade = replace(GRADE, marks=[replace(PARTIAL, message="é" * 2000)])

    def make(grade: Grade) -> str:
        return grade.marks[0].message

    sizes = [len(fitted(make, grade, most)) for most in (4000, 3999, 1001, 1000, 201, 200, 1, 0)]
    # Cut to 500 letters, the last one an ellipsis of three bytes: 1001 bytes; to 100, 201.
    assert sizes == [2000, 500, 500, 100, 100, 0, 0, 0]


def test_a_place_that_cannot_be_written_names_the_option(tmp_path: Path) -> None:
    path = tmp_path / "none" / "out.json"
    with pytest.raises(UsageError) as caught:
        write_grade({"gradescope": path}, GRADE)
    assert str(caught.value) == (
        f"--gradescope: {path} cannot be written: No such file or directory"
    )


def test_files_are_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "out.xml"
    write_grade({"junit": path}, replace(GRADE, title="é✓"))
    assert "é✓" in path.read_bytes().decode("utf-8")
