"""A grade by itself: totals, verdicts, what students see, and the words of its texts."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from plantkit.grading.grade import (
    HIDDEN_NAME,
    Grade,
    Mark,
    MarkVerdict,
    clean,
    unfinished,
    verdict_of,
    worst_fault,
)


def mark(name: str = "a", points: float = 1.0, max_points: float = 4.0, **changes: Any) -> Mark:
    fields: dict[str, Any] = {"verdict": MarkVerdict.PARTIAL}
    return Mark(name=name, points=points, max_points=max_points, **(fields | changes))


def grade(*marks: Mark, **changes: Any) -> Grade:
    fields: dict[str, Any] = {"title": "t", "submission": "s", "path": None, "pass_share": 0.5}
    return Grade(marks=marks, **(fields | changes))


NOT_RUN = mark("later", 0.0, 100.0, verdict=MarkVerdict.NOT_RUN, hidden=True)


# --- verdicts


@pytest.mark.parametrize(
    ("points", "fault", "verdict"),
    [
        (4.0, None, MarkVerdict.PASSED),
        (5.0, None, MarkVerdict.PASSED),
        (4.0, MarkVerdict.ERROR, MarkVerdict.PASSED),
        (3.9, None, MarkVerdict.PARTIAL),
        (0.5, None, MarkVerdict.PARTIAL),
        (0.0, None, MarkVerdict.FAILED),
        (3.9, MarkVerdict.INVALID, MarkVerdict.INVALID),
        (0.0, MarkVerdict.ERROR, MarkVerdict.ERROR),
    ],
)
def test_verdicts_of_four_points(
    points: float, fault: MarkVerdict | None, verdict: MarkVerdict
) -> None:
    assert verdict_of(points, 4.0, fault=fault) is verdict


def test_the_worst_of_several_verdicts() -> None:
    passed, invalid, error = MarkVerdict.PASSED, MarkVerdict.INVALID, MarkVerdict.ERROR
    assert worst_fault([]) is None
    assert worst_fault([passed, MarkVerdict.FAILED, MarkVerdict.PARTIAL]) is None
    assert worst_fault([passed, invalid]) is invalid
    assert worst_fault([error, passed]) is error
    assert worst_fault([invalid, error]) is error


# --- totals


def test_totals_are_of_the_criteria_that_were_run() -> None:
    found = grade(mark(points=1.0), mark("b", 2.5, 6.0), NOT_RUN)
    assert [one.name for one in found.run_marks] == ["a", "b"]
    assert (found.points, found.max_points, found.share) == (3.5, 10.0, 0.35)


def test_totals_are_rounded_to_the_rubrics_decimals() -> None:
    found = grade(mark(points=1 / 3, max_points=1 / 3), mark("b", 0.0, 1 / 3))
    assert (found.points, found.max_points) == (0.33, 0.67)
    assert replace(found, decimals=0).max_points == 1.0
    assert replace(found, decimals=0).share == 0.5


def test_nothing_at_stake_is_a_share_of_zero() -> None:
    assert grade(NOT_RUN).share == grade().share == 0.0
    assert not grade().passed
    assert grade(pass_share=0.0).passed


@pytest.mark.parametrize(
    ("points", "changes", "passed"),
    [
        (2.0, {}, True),
        (1.99, {}, False),
        (4.0, {"error": "cannot be loaded"}, False),
        (2.0 - 2e-9, {}, True),  # a share 0.5e-9 short of what is needed, as rounding can leave it
        (2.0 - 2e-8, {}, False),
    ],
)
def test_who_passes_with_half_of_four_points(
    points: float, changes: dict[str, Any], passed: bool
) -> None:
    assert grade(mark(points=points), **changes).passed is passed


# --- texts


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, ""),
        ({"expected": "at least 1", "got": "0.5"}, "expected at least 1\ngot 0.5"),
        ({"description": "what it is", "message": "broke"}, "what it is\nbroke"),
        (
            {"description": "d", "expected": "e", "got": "g", "message": "m"},
            "d\nexpected e\ngot g\nm",
        ),
    ],
)
def test_feedback(fields: dict[str, Any], text: str) -> None:
    assert mark(**fields).feedback() == text


def test_the_mark_of_an_error() -> None:
    assert grade(error="cannot be loaded").error_mark() == Mark(
        name="grading",
        points=0.0,
        max_points=0.0,
        verdict=MarkVerdict.ERROR,
        message="cannot be loaded",
    )


def test_a_grader_that_breaks_off() -> None:
    message = "The grader stopped before it was done; course staff find the reason in its log."
    found = unfinished("/home/someone/my\x1b.py")
    assert found == Grade(
        title="plantkit grade",
        submission="my.py",
        path=None,
        marks=[],
        pass_share=1.0,
        error=message,
        format_errors=[message],
    )
    assert unfinished("x" * 300).submission == "x" * 199 + "…"


def test_clean_text_of_the_most_characters_is_whole() -> None:
    assert clean("x" * 10, 10) == "x" * 10
    assert clean("x" * 11, 10) == "x" * 9 + "…"
    assert clean("x" * 2000) == "x" * 2000
    assert clean("x" * 2001) == "x" * 1999 + "…"
    assert clean(None) == "None"


def test_clean_text_has_no_carriage_returns() -> None:
    """Neither those of a line's end nor others, with which a terminal writes over a line."""
    assert clean("a\r\nb\rc\n") == "a\nbc\n"


# --- what students see

HIDDEN = mark("secret one", 1.0, 2.0, hidden=True, seconds=1.5, message="leak", expected="e")
OTHER_HIDDEN = mark("secret two", 0.0, 3.0, hidden=True, seconds=2.0)


def test_one_hidden_criterion_is_folded() -> None:
    shown = mark("shown")
    found = grade(shown, HIDDEN, NOT_RUN).for_students()
    assert list(found.marks) == [
        shown,
        NOT_RUN,
        Mark(
            name=HIDDEN_NAME,
            description="One hidden criterion; course staff see its details.",
            points=1.0,
            max_points=2.0,
            verdict=MarkVerdict.PARTIAL,
            hidden=True,
            seconds=1.5,
        ),
    ]
    assert HIDDEN_NAME == "Hidden criteria"


@pytest.mark.parametrize(
    ("verdict", "shown"),
    [
        (MarkVerdict.FAILED, MarkVerdict.PARTIAL),
        (MarkVerdict.INVALID, MarkVerdict.INVALID),
        (MarkVerdict.ERROR, MarkVerdict.ERROR),
    ],
)
def test_two_hidden_criteria_are_folded_into_one(verdict: MarkVerdict, shown: MarkVerdict) -> None:
    whole = grade(HIDDEN, replace(OTHER_HIDDEN, verdict=verdict))
    (folded,) = whole.for_students().marks
    assert folded == Mark(
        name=HIDDEN_NAME,
        description="2 hidden criteria; course staff see their details.",
        points=1.0,
        max_points=5.0,
        verdict=shown,
        hidden=True,
        seconds=3.5,
    )


def test_without_hidden_criteria_students_see_the_grade() -> None:
    whole = grade(mark(), NOT_RUN)
    assert whole.for_students() is whole


def test_texts_are_shortened() -> None:
    long = mark(description="d" * 20, message="m" * 20, expected="e" * 20)
    whole = grade(long, format_errors=["f" * 150, "g" * 100, *["h"] * 30])
    found = whole.shortened(10)
    assert list(found.marks) == [replace(long, description="d" * 9 + "…", message="m" * 9 + "…")]
    # Twenty errors of a hundred characters: a platform shows them where nothing else is shown.
    assert found.format_errors == ["f" * 99 + "…", "g" * 100, *["h"] * 18]
    assert whole.shortened(120).format_errors[0] == "f" * 119 + "…"
    (without,) = whole.shortened(0).marks
    assert without == replace(long, description="", message="")


def test_json_for_staff() -> None:
    whole = grade(
        HIDDEN, NOT_RUN, path="x.py", error="e", error_line=3, format_errors=("f",), seconds=2.5
    )
    found = whole.to_json()
    criteria = found.pop("criteria")
    assert found == {
        "schema_version": 1,
        "title": "t",
        "submission": "s",
        "path": "x.py",
        "points": 1.0,
        "max_points": 2.0,
        "share": 0.5,
        "pass_share": 0.5,
        "passed": False,
        "seconds": 2.5,
        "error": "e",
        "error_line": 3,
        "format_errors": ["f"],
    }
    assert criteria == [
        asdict(HIDDEN) | {"verdict": "partial"},
        asdict(NOT_RUN) | {"verdict": "not run"},
    ]
    assert type(criteria[0]["verdict"]) is str
