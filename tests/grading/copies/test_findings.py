"""What staff read of copies and memories: lines, CSV and a part of a page; names are hostile."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from plantkit.grading.copies.findings import MOST_LINES, MOST_ON_PAGE, Findings, why
from plantkit.grading.copies.memories import OVERLAP, Memory
from plantkit.grading.copies.pairs import Copies, Pair, SameMasks, Side
from plantkit.grading.copies.texts import Passage

HOSTILE = '=HYPERLINK("x")<script>alert(1)</script>\x1b[31m|`'
A = [Passage(file="a.py", first=3, last=20), Passage(file="a.py", first=25, last=26)]
PAIR = Pair(
    sides=(
        Side(
            id="a",
            share=0.95,
            passages=[
                Passage(file="a.py", first=3, last=20),
                Passage(file="a.py", first=25, last=26),
            ],
        ),
        Side(id="b", share=0.4, passages=[Passage(file="<b>.py", first=7, last=7)]),
    ),
    surprise=0.875,
    likeness=1.0,
    runs=4,
    as_near=3,
    nearest="snip",
    nearest_likeness=0.5,
)
MEMORY = Memory(
    id="c",
    challenge="circle-5x100",
    multiple=3.0,
    what=OVERLAP,
    known=1.0,
    fresh=0.02,
    instances=2,
)


def findings(pairs=(PAIR,), memories=(MEMORY,), unchanged=("d",), cut=(), **names: str) -> Findings:
    return Findings(
        copies=Copies(
            pairs=pairs,
            same_masks=[SameMasks(ids=["e", "f"], reference="magnitude")],
            unchanged=unchanged,
            cut=cut,
            count=12,
        ),
        memories=memories,
        names={one: one.upper() for one in "abcdef"} | names,
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "95% of the first's code; the same masks, as 1 other has"),
        ({"as_near": 2}, "95% of the first's code; the same masks"),
        ({"as_near": 5}, "95% of the first's code; the same masks, as 3 others have"),
        ({"likeness": 0.9999, "as_near": 2}, "95% of the first's code; masks alike to 0.999"),
        ({"likeness": None}, "95% of the first's code"),
        ({"likeness": 0.5}, "95% of the first's code"),
        ({"nearest_likeness": 1.0}, "95% of the first's code; the same masks, as of snip"),
        (
            {"sides": (Side(id="a", share=0.3), Side(id="b", share=0.61)), "likeness": None},
            "61% of the second's code",
        ),
        (
            {"sides": (Side(id="a", share=1.0), Side(id="b", share=1.0)), "likeness": None},
            "the same code",
        ),
        (
            {"sides": (Side(id="a", share=0.2), Side(id="b", share=0.2)), "as_near": 2},
            "the same masks",
        ),
    ],
)
def test_it_is_said_what_is_alike(changes, words):
    assert why(replace(PAIR, **changes)) == words


def test_lines_fit_a_terminal_and_say_all():
    lines = list(findings(c="Maria Magdalena von Hohenstein-Bernburg", a="x" * 90).lines())
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "alike, to be looked at: 1 of 66 pairs" in text
    assert re.search(r" B +95%  100%$", text, re.MULTILINE)
    assert re.search(r"circle-5x100 at 3x +100% +2% +the ticket found", text)
    assert "added nothing to the code that was handed out: D" in text


def test_many_pairs_are_cut_on_the_terminal_and_on_the_page_but_not_in_the_csv():
    many = findings(pairs=[PAIR] * (MOST_ON_PAGE + 5))
    assert f"  and {MOST_ON_PAGE + 5 - MOST_LINES} more, in copies.csv" in list(many.lines())
    assert "5 more pairs are in copies.csv" in many.html()
    assert many.html().count("the same masks, as") == MOST_ON_PAGE
    assert len(many.csv().splitlines()) == MOST_ON_PAGE + 7


def test_the_csv_has_a_row_for_each():
    rows = list(csv.DictReader(io.StringIO(findings().csv())))
    pair, memory = rows
    assert (pair["what"], pair["first id"], pair["second name"]) == ("alike", "a", "B")
    assert (pair["surprise"], pair["first code in second"]) == ("0.875", "0.950")
    assert (pair["first lines"], pair["second lines"]) == ("a.py 3-20, 25-26", "<b>.py 7")
    assert (pair["likeness of masks"], pair["runs"]) == ("1.000", "4")
    assert (pair["nearest reference pruner"], pair["likeness to it"]) == ("snip", "0.500")
    assert (memory["what"], memory["first name"], memory["second id"]) == ("memory", "C", "")
    assert "100% on circle-5x100 at 3x, 2% on 2 fresh instances like it" in memory["why"]


def test_a_hand_in_that_fails_on_fresh_instances_is_said_to():
    failed = findings(memories=[replace(MEMORY, fresh=None)])
    assert re.search(r"circle-5x100 at 3x +100% +failed +the ticket", "\n".join(failed.lines()))
    words = "100% on circle-5x100 at 3x, all runs failed on 2 fresh instances like it"
    assert words in failed.csv()
    assert words in failed.html()


def test_those_whose_code_was_cut_are_named():
    cut = findings(pairs=[], memories=[], unchanged=[], cut=["e"], e=HOSTILE)
    [line] = cut.lines()
    assert line.startswith("too long, so that only a part of the code was compared: ")
    [row] = csv.DictReader(io.StringIO(cut.csv()))
    assert (row["what"], row["first id"]) == ("cut", "e")
    assert row["why"] in line
    assert f"T{row['why'][1:]}: =HYPERLINK(&#34;x&#34;)&lt;script" in cut.html()


def test_names_do_no_harm():
    hostile = findings(a=HOSTILE, c=HOSTILE, d=HOSTILE, e=HOSTILE)
    lines = "\n".join(hostile.lines())
    assert "\x1b" not in lines
    for row in csv.reader(io.StringIO(hostile.csv())):
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)
    page = hostile.html()
    assert "<script" not in page
    assert "<b>.py" not in page
    assert "\x1b" not in page


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_names_lines():
    page = findings().html()
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    for text in ("a.py 3-20, 25-26", "&lt;b&gt;.py 7", "0.88", "E; F: those of magnitude"):
        assert text in page


def test_nothing_to_look_at_is_nothing():
    none = Findings(
        copies=Copies(pairs=[], same_masks=[], unchanged=[], cut=[], count=3), memories=[], names={}
    )
    assert list(none.lines()) == []
    assert none.html() == ""
    assert len(none.csv().splitlines()) == 1
