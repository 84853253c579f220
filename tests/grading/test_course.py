"""The example course: one command grades what really comes in, and what to look at is found."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from plantkit.cli import cli

ROOT = Path(__file__).parents[2]
COURSE = ROOT / "examples" / "course"
README = (COURSE / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Runs the command of the README; returns what it wrote, and printed."""
    [line] = re.findall(r"^CLASS_SECRET=.*$", README, re.MULTILINE)
    assignment, _, *arguments = shlex.split(line)
    out = tmp_path_factory.mktemp("course") / arguments[-1]
    arguments = [str(ROOT / one) if one.startswith("examples/") else one for one in arguments]
    name, _, secret = assignment.partition("=")
    result = CliRunner().invoke(cli, [*arguments[:-1], str(out)], env={name: secret})
    assert result.exit_code == 0, result.output
    return out, result.stdout


def test_the_gradebook_is_as_expected(graded):
    out, _ = graded
    written = (out / "gradebooks" / "gradebook.csv").read_text(encoding="utf-8")
    assert written == (COURSE / "expected.csv").read_text(encoding="utf-8")


def test_copies_are_listed_and_nobody_else(graded):
    out, printed = graded
    with (out / "copies.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    first, second, third = (row["first name"] for row in rows if row["what"] == "alike")
    assert (first, second, third) == ("Abel, Ana", "Abel, Ana", "Baker, Ben")
    assert [row["second name"] for row in rows[:3]] == ["Baker, Ben", "Chen, Chloe", "Chen, Chloe"]
    assert rows[0]["why"].startswith("the same code; the same masks")
    assert "alike, to be looked at: 3 of 66 pairs" in printed


def test_the_memory_is_named_and_no_other(graded):
    out, printed = graded
    with (out / "copies.csv").open(encoding="utf-8", newline="") as file:
        [memory] = [row for row in csv.DictReader(file) if row["what"] == "memory"]
    assert memory["first name"] == "Gupta, Gita"
    assert "100% on teacher-5x100 at 3x" in memory["why"]
    assert "added nothing to the code that was handed out: Lee, Lena" in printed


def test_the_page_for_staff_shows_what_is_printed(graded):
    page = (ROOT / "docs" / "staff.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"```console\n\$ (CLASS_SECRET=an-ex.*?)\n(.*?)```", page, re.DOTALL)
    assert shown[0] in README
    assert shown[1] == graded[1]


def test_staff_and_students_read_what_they_should(graded):
    out, _ = graded
    summary = (out / "summary.html").read_text(encoding="utf-8")
    assert "Jones, Jo; Lee, Lena: those of magnitude" in summary
    assert "To look at" not in (out / "projector.html").read_text(encoding="utf-8")
    for path in (out / "feedback").iterdir():
        assert "alike" not in path.read_text(encoding="utf-8")


def test_hand_ins_are_as_students_wrote_them():
    windows = (COURSE / "handins" / "jonesjo_2010_7010_my_pruner.py").read_bytes()
    assert windows.startswith(b"\xef\xbb\xbf")
    assert windows.count(b"\r\n") == windows.count(b"\n") > 10
    assert (COURSE / "handins" / "ivanovigor_2009_7009_my_pruner.py").read_bytes() == b""


def test_the_readme_names_every_student():
    with (COURSE / "students.csv").open(encoding="utf-8", newline="") as file:
        names = [row["Student"] for row in csv.DictReader(file)]
    assert re.findall(r"^\| (\w+, \w+) \|", README, re.MULTILINE) == names
