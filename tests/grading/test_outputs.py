"""Every format against its published fields, with a grade full of hostile text."""

from __future__ import annotations

import base64
import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import junitparser
import pytest
from markdown_it import MarkdownIt

from plantkit.grading.grade import HIDDEN_NAME, Grade, Mark, MarkVerdict, clean, unfinished
from plantkit.grading.outputs import FORMATS, find_output, github, table, write_grade
from plantkit.schemas import violations

HOSTILE = (
    "\x00\x1b[31m]]></failure><script>alert(1)</script>\n::set-output name=x::y\n"
    "| a | b |\n| `c` | [link](javascript:x) %0A::error::z\r\n##[command]rm \ufffe\ud800\u202e&amp;"
)
SECRET = "weights of the hidden challenge"


def render(name: str, grade: Grade) -> str:
    return find_output(name).render(grade)


def mark(**changes: Any) -> Mark:
    fields: dict[str, Any] = {
        "name": clean(HOSTILE),
        "description": clean(HOSTILE),
        "points": 0.1,
        "max_points": 4.0,
        "verdict": MarkVerdict.PARTIAL,
        "expected": "weak recovered accuracy at least 0.9",
        "got": "0.5",
        "value": 0.5,
        "message": clean(HOSTILE),
        "seconds": 1.5,
    }
    return Mark(**(fields | changes))


def hidden(name: str, points: float) -> Mark:
    return mark(name=name, points=points, hidden=True, message=SECRET, verdict=MarkVerdict.ERROR)


@pytest.fixture
def grade() -> Grade:
    return Grade(
        title=clean(HOSTILE),
        submission=clean(HOSTILE),
        path="dir, with:odd/name%.py",
        marks=[
            mark(name="passed", points=4.0, verdict=MarkVerdict.PASSED, message=""),
            mark(),
            mark(name="failed", points=0.0, verdict=MarkVerdict.FAILED),
            mark(name="crashed", points=0.0, verdict=MarkVerdict.ERROR),
            hidden("secret one", 0.2),
            hidden("secret two", 1.1),
            mark(name="later", points=0.0, verdict=MarkVerdict.NOT_RUN, hidden=True),
        ],
        pass_share=0.9,
        seconds=2.0,
    )


GRADES = {
    "whole": lambda grade: grade,
    "unfinished": lambda _: unfinished("my.py"),
    "invalid": lambda grade: replace(grade, format_errors=[clean(HOSTILE)]),
    "unloadable": lambda grade: replace(grade, error=clean(HOSTILE), format_errors=["x"]),
}


def field_list(name: str) -> jsonschema.Draft202012Validator:
    text = (Path(__file__).parent / "formats" / f"{name}.schema.json").read_text()
    return jsonschema.Draft202012Validator(json.loads(text))


def content(name: str, grade: Grade) -> Any:
    text = render(name, grade)
    return json.loads(base64.b64decode(text, validate=True) if name == "classroom" else text)


@pytest.mark.parametrize("which", GRADES)
@pytest.mark.parametrize("name", ["gradescope", "classroom", "prairielearn"])
def test_published_fields(name: str, which: str, grade: Grade) -> None:
    field_list(name).validate(content(name, GRADES[which](grade)))


@pytest.mark.parametrize("which", GRADES)
def test_the_staff_file_keeps_to_its_schema(which: str, grade: Grade) -> None:
    assert violations(content("json", GRADES[which](grade)), "grade") == []


def test_the_total_is_rounded_once() -> None:
    thirds = [mark(points=1 / 3, max_points=1.0) for _ in range(3)]
    grade = Grade(title="t", submission="s", path=None, marks=thirds, pass_share=1 / 3)
    assert grade.points == 1.0  # three rounded thirds would be 0.99
    assert grade.passed
    assert content("gradescope", grade)["score"] == 1.0


def test_gradescope_keeps_hidden_tests_from_students(grade: Grade) -> None:
    tests = content("gradescope", replace(grade, hidden_visibility="after_published"))["tests"]
    assert [test["visibility"] for test in tests] == ["visible"] * 4 + ["after_published"] * 2
    assert [test["status"] for test in tests] == ["passed"] + ["failed"] * 5
    assert "later" in content("gradescope", grade)["output"]


def test_hidden_details_stay_with_staff(grade: Grade) -> None:
    for name in ("junit", "prairielearn"):
        text = render(name, grade)
        assert HIDDEN_NAME in text
        assert "secret" not in text
        assert SECRET not in text
    classroom = json.dumps(content("classroom", grade))
    shown = [classroom, github.summary(grade), *github.annotation_commands(grade)]
    shown.append(table.render(grade.for_students()))
    for text in shown:
        assert "secret" not in text
        assert SECRET not in text
    assert SECRET in render("json", grade)
    assert grade.for_students().points == grade.points == 5.4
    assert grade.for_students().max_points == grade.max_points


def test_junit_in_another_parser(grade: Grade) -> None:
    suites = junitparser.JUnitXml.fromstring(render("junit", grade).encode())
    (suite,) = suites
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (6, 2, 2, 1)
    found = [[type(result).__name__ for result in case.result] for case in suite]
    assert found == [[], ["Failure"], ["Failure"], ["Error"], ["Skipped"], ["Error"]]
    assert [case.time for case in suite][:2] == [1.5, 1.5]
    properties = {one.name: one.value for one in suite.properties()}
    assert properties["points"] == "5.4"
    assert properties["passed"] == "false"


def test_junit_structure(grade: Grade) -> None:
    """Elements, their order and attributes are those of the format's field list."""
    root = ElementTree.fromstring(render("junit", grade))
    attributes = {"tests", "errors", "failures", "skipped", "time"}
    assert root.tag == "testsuites"
    assert set(root.attrib) == attributes
    (suite,) = root
    assert set(suite.attrib) == attributes | {"name", "timestamp", "hostname"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    assert [element.tag for element in suite] == ["properties"] + ["testcase"] * 6
    for case in suite.findall("testcase"):
        assert set(case.attrib) == {"classname", "name", "time"}
        assert {child.tag for child in case} <= {"failure", "error", "skipped", "system-out"}
    assert "<script>" in (suite[2].find("failure").text or "")  # type: ignore[union-attr]


def test_an_unfinished_grading_is_a_junit_error() -> None:
    (suite,) = junitparser.JUnitXml.fromstring(render("junit", unfinished("my.py")).encode())
    assert (suite.tests, suite.errors) == (1, 1)


def test_prairielearn_takes_no_attempt_for_what_cannot_be_graded(grade: Grade) -> None:
    assert content("prairielearn", grade)["gradable"] is True
    refused = content("prairielearn", GRADES["invalid"](grade))
    assert refused["gradable"] is False
    assert refused["score"] == 0.0
    assert refused["format_errors"]


def test_annotations_are_one_line_each_and_ten_at_most(grade: Grade) -> None:
    commands = github.annotation_commands(grade)
    assert len(commands) == 4
    for command in commands:
        assert command.startswith(
            (
                "::error file=dir%2C with%3Aodd/name%25.py,line=1,title=",
                "::warning file=dir%2C with%3Aodd/name%25.py,line=1,title=",
            )
        )
        assert "\n" not in command
        assert "\r" not in command
        assert command.count("::") >= 2
    properties = commands[0].removeprefix("::").partition("::")[0]
    assert properties.count(",") == 2  # file, line, title: hostile commas are escaped
    many = replace(grade, marks=[mark(name=f"m{n}") for n in range(30)])
    commands = github.annotation_commands(many)
    assert len(commands) == 10
    assert "21 more criteria" in commands[-1]
    unloadable = github.annotation_commands(GRADES["unloadable"](grade))
    assert len(unloadable) == 1


def test_markdown_shows_hostile_text_as_it_is(grade: Grade) -> None:
    rendered = MarkdownIt("gfm-like", {"linkify": False}).render(github.summary(grade))
    rows = re.findall(r"<tr>(.*?)</tr>", rendered, re.DOTALL)
    assert len(rows) == 1 + 6  # header, four visible, one not run, the hidden ones folded
    assert all(len(re.findall(r"<t[hd]", row)) == 5 for row in rows)
    assert "<script" not in rendered
    assert "<a " not in rendered
    assert "<code" not in rendered
    assert "[link](javascript:x)" in html.unescape(rendered)


def test_limits_of_size(grade: Grade) -> None:
    huge = replace(
        grade,
        marks=[mark(name=f"m{n}", message="|" * 2000, description="é" * 2000) for n in range(200)],
    )
    assert len(github.summary(huge).encode()) <= 1024 * 1024
    assert len(render("prairielearn", huge).encode()) <= 1_000_000
    assert len(render("classroom", huge)) < 128 * 1024


def test_the_table_gives_no_orders_to_a_log_that_obeys_them(grade: Grade) -> None:
    text = table.render(grade)
    assert "::" not in text
    assert "##[" not in text
    assert "\x1b" not in text
    assert "Not run here" in text
    assert "the final grade can be lower" in text


def test_clean_text() -> None:
    assert clean("a\x1b[31mb\u202ec\ud800d\ufffee\tf\r\ng") == "a[31mbcde    f\ng"
    assert clean("x" * 50, 10) == "x" * 9 + "…"


@pytest.mark.parametrize("name", FORMATS)
def test_files_are_replaced_whole(name: str, grade: Grade, tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    write_grade({name: path}, grade)
    assert path.read_text() == render(name, grade)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
