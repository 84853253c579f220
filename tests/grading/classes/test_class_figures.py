"""What staff read of a class: figures, pages, lines, and the files that these come from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from plantkit.challenges.bundles import Challenge
from plantkit.errors import ResultsError
from plantkit.grading.classes.directory import ClassDirectory
from plantkit.grading.classes.figures import _CAUSES, ClassFigures, class_figures
from plantkit.grading.classes.graded import ERROR, GRADED, Basis, GradedHandIn, Grading
from plantkit.grading.classes.masks import packed, unpacked
from plantkit.grading.classes.secrets import class_secret, pseudonyms
from plantkit.grading.classes.shown import lines
from plantkit.grading.classes.summary import render_summary
from plantkit.grading.grade import Grade, Mark, MarkVerdict
from plantkit.grading.handins import HandIn
from plantkit.isolation.causes import CAUSES, advice
from plantkit.isolation.wire import Limits
from plantkit.networks.masks import Mask

LIMITS = Limits(time_seconds=5.0)
HOSTILE = "<script>alert(1)</script>"


def grade(*points: float, error: str = "", verdict: MarkVerdict = MarkVerdict.PARTIAL) -> Grade:
    """Returns a grade with a criterion of 10 points for each of `points`, the last one hidden."""
    return Grade(
        title="Tiny",
        submission="mine",
        path="mine.py",
        marks=[
            Mark(
                name=f"criterion {number}",
                points=one,
                max_points=10.0,
                verdict=verdict,
                hidden=number == len(points),
            )
            for number, one in enumerate(points, start=1)
        ],
        pass_share=0.5,
        error=error,
        format_errors=["one"],
    )


def handed_in(name: str, given: Grade | None = None, **changes: Any) -> GradedHandIn:
    about: dict[str, Any] = {"path": Path(name) / "mine.py", "late": False}
    about |= {key: changes.pop(key) for key in list(changes) if key in about}
    status = GRADED if given is not None else ""
    return GradedHandIn(
        handin=HandIn(id=re.sub(r"\W", "-", name), name=name, **about),
        grade=given,
        **({"status": status} | changes),
    )


def figures(
    some: Sequence[GradedHandIn], runs: dict[str, list[dict[str, str]]] | None = None
) -> ClassFigures:
    return class_figures(some, runs or {}, LIMITS)


# --- figures


def test_points_of_a_class() -> None:
    some = [handed_in(f"s{n}", grade(10.0 * n / 4, 0.0)) for n in range(5)]
    found = figures([*some, handed_in("none", path=None), handed_in("later", late=True)])
    assert (found.mean, found.quartiles, found.max_points) == (5.0, (2.5, 5.0, 7.5), 20.0)
    assert found.passed == 1
    assert [len(one) for one in (found.graded, found.missing, found.waiting)] == [5, 1, 1]
    assert [one.handin.name for one in found.late] == ["later"]


def test_every_hand_in_stands_in_one_bar() -> None:
    points = [0.0, 0.99, 1.0, 9.999, 10.0]
    bins = figures([handed_in(f"s{one}", grade(one)) for one in points]).bins
    assert [(one.low, one.high) for one in bins] == [(n / 2, (n + 1) / 2) for n in range(20)]
    assert {one.low: one.count for one in bins if one.count} == {0.0: 1, 0.5: 1, 1.0: 1, 9.5: 2}


@pytest.mark.parametrize("most", [0.3, 1.0, 7.0, 65.0, 100.0, 12_345.0])
def test_bars_cover_all_points(most: float) -> None:
    some = [
        handed_in("most", Grade(title="", submission="", path=None, marks=[
            Mark(name="one", points=most, max_points=most, verdict=MarkVerdict.PASSED)
        ], pass_share=0.5))
    ]  # fmt: skip
    bins = figures(some).bins
    assert (bins[0].low, bins[-1].high) == (0.0, most)
    assert 8 <= len(bins) <= 20
    assert [one.count for one in bins] == [0] * (len(bins) - 1) + [1]


def test_the_most_missed_criterion_comes_first() -> None:
    found = figures([handed_in("a", grade(10.0, 0.0)), handed_in("b", grade(5.0, 0.0))]).criteria
    assert [(one.name, one.share, one.full, one.partial, one.none) for one in found] == [
        ("criterion 2", 0.0, 0, 0, 2),
        ("criterion 1", 0.75, 1, 1, 0),
    ]
    assert [one.hidden for one in found] == [True, False]


def test_failures_by_cause_each_hand_in_once_for_the_worst() -> None:
    def run(status: str, error: str = "") -> dict[str, str]:
        return {"status": status, "error": error}

    late = f"ran longer than the time limit of 5 s; {advice('time', LIMITS)}"
    runs = {
        "hung": [run("ok"), run("timeout", late), run("skipped", "not started")],
        "both": [run("crash", "KeyError: 1 (mine.py, line 2)"), run("timeout", late)],
        "zero": [run("crash", "ZeroDivisionError: division by zero")],
        "net": [run("crash", f"gaierror: no name; {advice('network', LIMITS)}")],
        "ones": [run("invalid", "mask has 3 entries")],
        "fine": [run("ok")],
    }
    some = [handed_in(name, grade(0.0)) for name in runs]
    some.append(handed_in("import", grade(0.0, error=f"mine.py: cannot be loaded: {late}")))
    some.append(handed_in("broken", grade(0.0, error="mine.py, line 1: SyntaxError: no")))
    found = {one.what: [a.handin.name for a in one.handins] for one in figures(some, runs).failing}
    assert found == {
        "reached the time limit": ["hung", "both"],
        "cannot be loaded, SyntaxError": ["broken"],
        "cannot be loaded, time limit": ["import"],
        "crashed, ZeroDivisionError": ["zero"],
        "crashed, it wants the network": ["net"],
        "gave an invalid mask": ["ones"],
    }


def test_causes_that_are_named_exist() -> None:
    assert set(_CAUSES) <= {cause.name for cause in CAUSES}


def test_a_class_of_nobody_has_no_figures() -> None:
    found = figures([])
    assert (found.mean, found.quartiles, found.bins, found.criteria) == (None, None, [], [])
    page = render_summary("Tiny", found, {}, is_anonymous=False)
    assert "<svg" not in page


# --- pages and lines

NAMES = {"a": "student 0001", "b": "student 0002", "c": "student 0003"}


def class_of_three() -> list[GradedHandIn]:
    return [
        handed_in("a", grade(10.0, 0.0)),
        handed_in("b", grade(0.0, 0.0, error=f"mine.py: {HOSTILE}")),
        GradedHandIn(
            handin=HandIn(id="c", name=HOSTILE, path=Path("c"), notes=(HOSTILE,)),
            status=ERROR,
            message=HOSTILE,
        ),
    ]


def test_the_page_for_staff_tells_who_and_escapes_what_they_wrote() -> None:
    page = render_summary(
        HOSTILE, figures(class_of_three()), NAMES, is_anonymous=False, notes=[HOSTILE]
    )
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 6
    assert "criterion 2 <span" in page
    assert "<td>a</td><td>student 0001</td>" in page


def test_the_page_to_be_shown_has_no_names_messages_or_hidden_criteria() -> None:
    page = render_summary(
        "Tiny", figures(class_of_three()), NAMES, is_anonymous=True, notes=["a note on a"],
        copies="<p>copies</p>",
    )  # fmt: skip
    assert "script" not in page
    assert "criterion 1" in page
    assert "criterion 2" not in page
    assert "copies" not in page
    assert "a note" not in page
    assert "<td>a</td>" not in page
    places = [page.index(name) for name in NAMES.values()]
    assert places == sorted(places)


def test_a_page_asks_for_nothing_outside_of_it() -> None:
    page = render_summary("Tiny", figures(class_of_three()), NAMES, is_anonymous=False)
    assert not re.findall(r"(?:src|href)=|url\(|@import|https?:", page)


def test_lines_on_a_terminal() -> None:
    some = [*class_of_three(), handed_in("d", path=None)]
    shown = list(lines("Tiny", figures(some), lambda one: one.handin.name, is_anonymous=False))
    assert shown[0] == "Tiny: 2 of 3 hand-ins graded"
    assert shown[1].startswith("5.0 of 20 points on average, median 5.0")
    assert "missing: 1 (d)" in shown
    assert "cannot be loaded: 1 (b)" in shown
    assert shown[-1] == f"could not be graded: {HOSTILE}: {HOSTILE}"
    hidden = lines("Tiny", figures(some), lambda one: "somebody", is_anonymous=True)
    assert not [line for line in hidden if "script" in line or "(b)" in line]


# --- what is kept


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    secret, is_new = class_secret(tmp_path)
    assert is_new
    assert re.fullmatch(r"[0-9a-f]{64}", secret)
    assert class_secret(tmp_path) == (secret, False)
    (tmp_path / "secret").write_text("short")
    with pytest.raises(ResultsError, match="holds 5 characters; expected the secret"):
        class_secret(tmp_path)


@pytest.mark.posix
def test_nobody_else_reads_the_secret(tmp_path: Path) -> None:
    class_secret(tmp_path)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_pseudonyms_stay_and_differ() -> None:
    ids = [f"student{n}" for n in range(2000)]
    names = pseudonyms(ids, "s" * 32)
    assert len(set(names.values())) == 2000
    assert pseudonyms(ids[:3], "s" * 32).items() != pseudonyms(ids[:3], "t" * 32).items()
    few = pseudonyms(ids[:3], "s" * 32)
    assert all(names[one].startswith(few[one]) for one in few)
    assert all(re.fullmatch(r"student [0-9a-f]{4}", name) for name in few.values())


def test_masks_come_back_as_they_were(circle: Challenge, relu: Challenge) -> None:
    generator = torch.Generator().manual_seed(0)
    masks = {
        f"{network} {seed!r}": Mask.from_vector(
            network_of, torch.rand(network_of.total, generator=generator) < 0.3
        )
        for network, network_of in (("circle", circle.network), ("relu", relu.network))
        for seed in range(2)
    }
    content = packed(masks)
    assert len(content) < sum(mask.total for mask in masks.values()) / 8 + 4000
    found = unpacked(content)
    assert {name: mask.digest() for name, mask in found.items()} == {
        name: mask.digest() for name, mask in masks.items()
    }
    assert unpacked(packed({})) == {}


def test_a_grade_comes_back_as_it_was() -> None:
    one = grade(10.0, 2.5, error="why")
    back = Grade.from_json(one.to_json(), decimals=2, hidden_visibility="hidden")
    assert back == one


def test_gradings_come_back_and_history_is_safe_to_open(tmp_path: Path) -> None:
    first = Grading(
        id="a",
        name="=HYPERLINK(1)",
        status=GRADED,
        graded="2026-01-01T00:00:00+00:00",
        digest="d" * 64,
        basis=Basis(rubric="r", challenges="c"),
        why="first",
        grade=grade(5.0).to_json(),
    )
    with ClassDirectory(tmp_path) as directory:
        directory.add(first)
        directory.write_history()
    with ClassDirectory(tmp_path) as directory:
        assert directory.last() == {"a": first}
    rows = (tmp_path / "history.csv").read_text().splitlines()
    assert rows[1] == (
        "2026-01-01T00:00:00+00:00,a,'=HYPERLINK(1),graded,5.0,10.0,True,first,dddddddddddd"
    )
