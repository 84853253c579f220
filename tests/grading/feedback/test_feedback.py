"""What students read: their own results, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from plantkit.errors import UnknownNameError
from plantkit.grading.feedback import FORMATS, find_feedback, render_feedback
from plantkit.grading.grade import Grade, Mark, MarkVerdict
from plantkit.grading.handins import HandIn

HOSTILE = "<script>alert(1)</script> [x](javascript:y) | `z` **b** &amp;"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "class 2026" / "submission_12"


@pytest.fixture
def handin(folder: Path) -> HandIn:
    others = ("also handed in: submission_13; check which one counts",)
    return HandIn(id="s12", name="Ann", path=folder, late=True, notes=others)


@pytest.fixture
def grade(folder: Path) -> Grade:
    def mark(name: str, verdict: MarkVerdict, **changes: object) -> Mark:
        values = {"points": 1.5, "max_points": 10.0, "expected": "at least 0.9", "got": "0.4"}
        return Mark(name=name, verdict=verdict, **{**values, **changes})  # type: ignore[arg-type]

    return Grade(
        title=HOSTILE,
        submission="my_pruner",
        path=str(folder / "my_pruner.py"),
        marks=[
            mark("Weak ticket", MarkVerdict.PARTIAL, description=HOSTILE),
            mark(
                "Crashed",
                MarkVerdict.ERROR,
                message=f"ValueError: {HOSTILE}\n{folder / 'my_pruner.py'}, line 3",
            ),
            mark("SECRET-A", MarkVerdict.FAILED, hidden=True, message="SECRET-B", got="SECRET-C"),
            mark("SECRET-D", MarkVerdict.NOT_RUN, hidden=True, description="SECRET-E"),
        ],
        pass_share=0.5,
        format_errors=[f"circle-5x100 at density 0.1: {HOSTILE} in {folder.parent / 'x.py'}"],
    )


class Reader(HTMLParser):
    """Collects the tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [f"{name}={value}" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(name: str, text: str) -> Reader:
    if name == "html":
        return Reader(text)
    return Reader(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))


@pytest.mark.parametrize("name", FORMATS)
def test_own_results_and_nothing_else(
    name: str, handin: HandIn, grade: Grade, tmp_path: Path
) -> None:
    text = render_feedback(name, handin, grade)
    page = shown(name, text)
    for words in ("Weak ticket", "at least 0.9", "Handed in late.", "my_pruner.py, line 3"):
        assert words in page.text
    assert HOSTILE.split("|", 1)[0].strip() in page.text  # as it was written, not as markup
    assert "Hidden criteria" in page.text
    for secret in ("SECRET", str(tmp_path), "class 2026", "submission_12", "submission_13"):
        assert secret not in text, secret
    assert "circle-5x100 at density 0.1" in page.text
    assert not {"script", "a", "b", "img", "link"} & set(page.tags)
    assert page.tags.count("strong") == 1  # the points
    assert page.links == []


@pytest.mark.parametrize("name", FORMATS)
def test_what_could_not_be_loaded(name: str, handin: HandIn, grade: Grade, folder: Path) -> None:
    message = f"{folder / 'my_pruner.py'}, line 2: syntax error"
    broken = replace(grade, error=message, format_errors=[message], marks=[])
    text = render_feedback(name, handin, broken)
    page = shown(name, text)
    assert page.text.count("my_pruner.py, line 2: syntax error") == 1
    assert "0 of 0 points" in page.text
    assert str(folder) not in text


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_grade_gives_the_same_file(name: str, handin: HandIn, grade: Grade) -> None:
    assert render_feedback(name, handin, grade) == render_feedback(name, handin, grade)
    assert find_feedback(name).SUFFIX in {".md", ".html"}


def test_the_page_asks_for_nothing(handin: HandIn, grade: Grade) -> None:
    page = render_feedback("html", handin, grade)
    assert "default-src 'none'" in page
    assert 'name="viewport"' in page
    assert 'lang="en"' in page
    assert "prefers-color-scheme: dark" in page


def test_the_form_may_be_misspelt() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'markdown'"):
        find_feedback("markdwn")


@pytest.mark.parametrize("name", FORMATS)
def test_students_are_not_told_of_options_that_they_lack(
    name: str, handin: HandIn, grade: Grade
) -> None:
    message = "ran longer than the time limit of 5 s; do less, or have it raised (--time-limit)"
    [first, *others] = grade.marks
    late = replace(grade, marks=[replace(first, message=message), *others])
    text = render_feedback(name, handin, late)
    assert "do less, or have it raised" in shown(name, text).text
    assert "time-limit" not in shown(name, text).text
