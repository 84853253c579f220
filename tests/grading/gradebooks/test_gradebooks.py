"""Gradebooks, read back as the hosts' importers read them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from plantkit.errors import MissingExtraError, UnknownNameError
from plantkit.grading.grade import Grade, Mark, MarkVerdict
from plantkit.grading.gradebooks import FORMATS, excel, find_gradebook, render_gradebook
from plantkit.grading.handins import HandIn

HOSTILE = "=HYPERLINK(1)"


@dataclass(frozen=True)
class Graded:
    handin: HandIn
    grade: Grade | None
    status: str = "graded"


def grade(points: float, **changes: Any) -> Grade:
    def mark(name: str, points: float, most: float, **more: Any) -> Mark:
        return Mark(name=name, points=points, max_points=most, verdict=MarkVerdict.PARTIAL, **more)

    marks = [mark("Weak ticket", points, 60), mark("+Secret", 1 / 3, 40, hidden=True)]
    fields = {"title": "Pruning", "submission": "x", "path": None, "marks": marks}
    return Grade(**{**fields, "pass_share": 0.5, **changes})


def handin(name: str, **changes: Any) -> HandIn:
    return HandIn(**{"id": name.casefold(), "name": name, "path": Path(name), **changes})


def ids(number: int) -> dict[str, str]:
    return {"user_id": str(number), "participant": str(number)}


@pytest.fixture
def graded() -> list[Graded]:
    members = ({"name": "Bo", **ids(2)}, {"name": HOSTILE, **ids(3), "number": "007"})
    return [
        Graded(handin("Ann", fields={**ids(1), "email": "a@x", "login": "ann"}), grade(30)),
        Graded(handin("team", members=members), grade(20)),
        Graded(handin("Gone", path=None, fields=ids(4)), None, "missing"),
        Graded(handin("Ill", fields=ids(5)), None, "error"),
    ]


def rows(content: str | bytes) -> list[dict[str, str]]:
    assert isinstance(content, str)
    return list(csv.DictReader(io.StringIO(content)))


def canvas_grades(content: str | bytes) -> dict[str, str]:
    """Returns grades by ID as Canvas' importer takes them: it looks at where columns stand."""
    assert isinstance(content, str)
    header, *lines = list(csv.reader(io.StringIO(content)))
    assert "Student" in header[0]
    assert "ID" in header[1]
    assert header[2:5] == ["SIS User ID", "SIS Login ID", "Section"]
    assert len(header) == 6
    return {line[1]: line[5] for line in lines if "Points Possible" not in line[0]}


def moodle_grades(content: str | bytes) -> dict[str, str]:
    """Returns grades by number as Moodle's importer takes them, and leaves out what it skips."""
    found = rows(content)
    assert {"Identifier", "Grade", "Last modified (grade)"} <= set(found[0])
    return {
        row["Identifier"].removeprefix("Participant "): row["Grade"]
        for row in found
        if row["Grade"]
    }


def test_canvas_takes_it(graded: Sequence[Graded]) -> None:
    book = render_gradebook("canvas", graded, title="Pruning (77)")
    assert canvas_grades(book.content) == {"1": "30.33", "2": "20.33", "3": "20.33"}
    assert "Points Possible" not in str(book.content)  # Canvas knows the assignment
    assert book.notes == ("2 students have no points: Gone, Ill",)
    new = render_gradebook("canvas", graded)
    assert str(new.content).splitlines()[1] == "    Points Possible,,,,,100"


def test_canvas_gets_nobody_by_name_alone(graded: Sequence[Graded]) -> None:
    stranger = Graded(handin("Jane Smith", fields={"email": "j@x"}), grade(60))
    book = render_gradebook("canvas", [*graded, stranger])
    assert "Jane Smith" not in str(book.content)
    assert "left out, give --roster: Jane Smith" in book.notes[-1]


def test_moodle_takes_it(graded: Sequence[Graded]) -> None:
    fields = {
        "participant": "9",
        "identifier": "Teilnehmer/in 9",
        "graded_at": "Monday, 1 June 2026",
    }
    german = Graded(handin("Uli", fields=fields), grade(10))
    book = render_gradebook("moodle", [*graded, german])
    assert moodle_grades(book.content) == {
        "1": "30.33", "2": "20.33", "3": "20.33", "Teilnehmer/in 9": "10.33",
    }  # fmt: skip
    (row,) = [row for row in rows(book.content) if row["Full name"] == "Uli"]
    assert row["Last modified (grade)"] == "Monday, 1 June 2026"
    lower = replace(german.handin, fields=fields | {"max_points": "50.00"})
    told = render_gradebook("moodle", [Graded(lower, grade(10))]).notes
    assert told == (
        "Moodle's maximum is 50.00, the rubric's 100: Moodle skips grades above its own, so set "
        "it to the rubric's",
    )
    group = Graded(handin("Default group"), grade(10))
    assert "Default group" in render_gradebook("moodle", [*graded, group]).notes[-1]


def test_what_no_host_knows_is_said_once(graded: Sequence[Graded]) -> None:
    strangers = [Graded(handin(name), grade(10)) for name in "ABC"]
    for name in ("canvas", "moodle"):
        book = render_gradebook(name, strangers)
        assert len(book.notes) == 1
        assert book.notes[0].startswith("it is empty: no ")
        assert len(str(book.content).splitlines()) == 1


def test_gradescope(graded: Sequence[Graded]) -> None:
    found = {row["Name"]: row for row in rows(render_gradebook("gradescope", graded).content)}
    status = {name: row["Status"] for name, row in found.items()}
    assert status == {
        "Ann": "Graded", "Bo": "Graded", f"'{HOSTILE}": "Graded", "Gone": "Missing",
        "Ill": "Ungraded",
    }  # fmt: skip
    assert found[f"'{HOSTILE}"]["SID"] == "007"
    assert found["Ann"]["Total Score"] == "30.33"
    assert found["Ann"]["1: Weak ticket (60.0 pts)"] == "30"
    assert found["Gone"]["Total Score"] == found["Ill"]["Total Score"] == ""


def test_the_plain_one_has_a_column_per_criterion(graded: Sequence[Graded]) -> None:
    late = Graded(handin("Late", late=True, notes=("twice", "-x")), grade(0))
    book = render_gradebook("plain", [*graded, late])
    found = {row["name"]: row for row in rows(book.content)}
    names = ("points", "of", "passed", "Weak ticket", "'+Secret")
    assert [found["Ann"][name] for name in names] == ["30.33", "100", "no", "30", "0.333333"]
    assert (found["Late"]["late"], found["Late"]["notes"]) == ("yes", "twice; -x")
    assert found["Gone"]["points"] == found["Ill"]["points"] == ""
    assert found["Ill"]["status"] == "error"
    cells = [cell for row in csv.reader(io.StringIO(str(book.content))) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_missing_points_are_given_only_if_asked(graded: Sequence[Graded]) -> None:
    zero = render_gradebook("canvas", graded, missing_points=0.0)
    assert canvas_grades(zero.content)["4"] == "0"
    assert "5" not in canvas_grades(zero.content)  # was not graded, whatever is missing
    assert zero.notes == ("1 student has no points: Ill",)


def test_of_two_hand_ins_the_later_counts_and_else_the_better() -> None:
    def twice(first: str, second: str) -> str:
        fields = {"user_id": "1"}
        some = [
            Graded(handin("Ann", id="a", submitted=first, fields=fields), grade(50)),
            Graded(handin("Ann", id="b", submitted=second, fields=fields), grade(20)),
        ]
        return canvas_grades(render_gradebook("canvas", some).content)["1"]

    assert twice("2026-01-01T00:00:00", "2026-01-02T00:00:00") == "20.33"
    assert twice("2026-01-02T01:00:00+02:00", "2026-01-01T22:00:00+00:00") == "50.33"
    assert twice("", "2026-01-02T00:00:00") == "50.33"


def test_a_student_of_the_roster_has_one_row_whatever_the_host_calls_them() -> None:
    """Two hand-ins at Gradescope, under two addresses."""
    who = {"row": "4", "user_id": "7", "number": "1"}
    some = [
        Graded(
            handin("Ann", id=f"s{n}", submitted=f"2026-01-0{n}T00:00:00", late=n == 2,
                   fields={**who, "email": f"a{n}@x"}),
            grade(points),
        )
        for n, points in ((1, 50), (2, 20))
    ]  # fmt: skip
    content = str(render_gradebook("canvas", some).content)
    assert content.count("Ann") == 1
    (row,) = rows(render_gradebook("plain", some).content)
    assert (row["id"], row["points"]) == ("s2", "20.33")
    assert row["notes"] == (
        "s2 counts, the later one; also handed in: s1 (50.33 points, not late); "
        "the one that counts is late"
    )


def test_two_students_of_one_name_stay_two() -> None:
    some = [Graded(handin("Jane Smith", id=f"j{n}", fields=ids(n)), grade(n)) for n in (11, 12)]
    content = render_gradebook("canvas", some).content
    assert canvas_grades(content) == {"11": "11.33", "12": "12.33"}


def test_a_field_that_many_share_makes_nobody_another() -> None:
    some = [Graded(handin(name, fields={"number": "n/a"}), grade(n)) for n, name in enumerate("AB")]
    assert [row["Name"] for row in rows(render_gradebook("gradescope", some).content)] == ["A", "B"]


def test_excel_in_another_reader(graded: Sequence[Graded]) -> None:
    book = render_gradebook("excel", graded)
    assert isinstance(book.content, bytes)
    sheet = openpyxl.load_workbook(io.BytesIO(book.content)).active
    assert sheet is not None
    header, *lines = [list(row) for row in sheet.iter_rows(values_only=True)]
    found = {line[1]: dict(zip(header, line, strict=True)) for line in lines}
    assert found["Ann"]["points"] == 30.33
    assert found["Ann"]["Weak ticket"] == 30
    assert found["Gone"]["points"] is None
    assert found[HOSTILE]["number"] == "007"  # text, zeros and all
    kinds = {cell.data_type for row in sheet.iter_rows() for cell in row}
    assert "f" not in kinds  # no formulas
    assert render_gradebook("excel", graded).content == book.content


def test_excel_needs_an_extra(graded: Sequence[Graded], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(excel.importlib, "import_module", fail)
    with pytest.raises(MissingExtraError, match=r"plantkit\[excel\]"):
        excel.render([], "Pruning")


@pytest.mark.parametrize("name", FORMATS)
def test_a_class_without_grades_and_without_students(name: str, graded: Sequence[Graded]) -> None:
    for some in ([], [graded[2]], [graded[3]]):
        assert render_gradebook(name, some).content
    assert len({find_gradebook(one).FILE for one in FORMATS}) == len(FORMATS)


def test_the_format_may_be_misspelt() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'canvas'"):
        find_gradebook("canvass")
