"""The pages of a board: what they show, and what they do not."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from toy_board import NOON, made_up, toy_contest

from plantkit.board.board import Board
from plantkit.board.content import read_content
from plantkit.board.contest import Phase
from plantkit.board.site import build_site
from plantkit.challenges import bundles
from plantkit.challenges.bundles import Challenge
from plantkit.challenges.facts import ChallengeFacts
from plantkit.challenges.freezing import seal_bundle
from plantkit.challenges.sealing import SecretKey
from plantkit.reports.html import render

HOSTILE = "<script>alert('team')</script> & \"co\""
ERROR = "ValueError: <img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def sealed(tiny_challenges: Path, tmp_path_factory: Any) -> ChallengeFacts:
    """The public half of circle-3x60, sealed."""
    root = tmp_path_factory.mktemp("sealed") / "circle-3x60"
    seal_bundle(tiny_challenges / "circle-3x60", SecretKey.generate().public, root)
    return bundles.load_public(root)


@pytest.fixture
def board(tmp_path: Path, sealed: Any, relu: Challenge) -> Board:
    """circle is public and sealed, relu final; a hostile team, and one that failed."""
    board = Board(toy_contest(tmp_path / "board.sqlite", sealed, relu), clock=lambda: NOON)
    board.add_team(HOSTILE, ["Eve <eve@example.org>"])
    board.add_team("Bob", [])
    board.add(made_up(sealed, 0.4, name="<b>good</b>"), team=HOSTILE)
    board.add(made_up(relu, 0.123456, name="<b>good</b>"), team=HOSTILE)
    board.add(made_up(sealed, None, name="bad", error=ERROR), team="Bob")
    return board


def built(board: Board, directory: Path, **options: Any) -> dict[str, str]:
    """Builds the pages, with reports that only say whose they are, and returns their text."""
    options = {"report": lambda run: f"<p>{len(run.records)} runs</p>", **options}
    files = build_site(board.path, read_content(board.path), directory, **options)
    assert sorted(files) == sorted(path for path in directory.rglob("*") if path.is_file())
    return {
        path.relative_to(directory).as_posix(): path.read_text(encoding="utf-8")
        for path in files
        if path.suffix != ".sqlite"
    }


def test_before_the_end_nothing_final_is_in_the_pages(
    board: Board, tmp_path: Path, relu: Challenge
) -> None:
    pages = built(board, tmp_path / "site")
    assert set(pages) == {
        "index.html", "history.html", "style.css", "challenges/circle-3x60.html",
        "submissions/1.html", "submissions/2.html", "submissions/1-public-report.html",
        "submissions/2-public-report.html",
    }  # fmt: skip
    everything = "".join(pages.values())
    run = read_content(board.path).submissions[0].runs[Phase.FINAL]
    assert "relu" not in everything
    assert "0.123" not in everything
    for record in run.records:
        assert str(record.mask_sha256) not in everything
    assert relu.digest in pages["index.html"]  # so that nobody can exchange it
    assert "overlap" not in pages["submissions/1.html"]  # by density it would help to guess
    assert not list((tmp_path / "site").rglob("*.sqlite"))


def test_the_overlap_with_one_sealed_ticket_is_shown_afterwards_only(
    tmp_path: Path, circle: Challenge, sealed: Any, relu: Challenge
) -> None:
    for name, public in (("open", circle), ("sealed", sealed)):
        board = Board(toy_contest(tmp_path / f"{name}.sqlite", public, relu), clock=lambda: NOON)
        board.add_team("Ada", [])
        board.add(made_up(public, 0.4), team="Ada")
        before = built(board, tmp_path / f"{name} before")["index.html"]
        board.finish(with_gaps=True)
        after = built(board, tmp_path / f"{name} after")["index.html"]
        columns = [re.findall(r"<th[^>]*>overlap", page) != [] for page in (before, after)]
        assert columns == [name == "open", True]
        assert ("overlap: not shown" in before) == (name == "sealed")
        assert "not shown" not in after


def test_afterwards_all_of_it_is(board: Board, tmp_path: Path) -> None:
    board.finish(with_gaps=True)
    pages = built(board, tmp_path / "site")
    assert {"challenges/relu-3x8.html", "submissions/1-final-report.html"} <= set(pages)
    assert "0.123" in pages["submissions/1.html"]
    headings = re.findall(r"<caption>(.*? standings)</caption>", pages["index.html"])
    assert headings == ["Final standings", "Public standings"]
    assert read_content(tmp_path / "site/leaderboard.sqlite") == read_content(board.path)


def test_only_what_counts_has_a_report_unless_all_are_asked_for(
    board: Board, sealed: Any, tmp_path: Path
) -> None:
    board.add(made_up(sealed, 0.6, name="better"), team=HOSTILE)
    reports = {name for name in built(board, tmp_path / "site") if "report" in name}
    assert reports == {"submissions/2-public-report.html", "submissions/3-public-report.html"}
    pages = built(board, tmp_path / "all", all_reports=True)
    assert {name: page for name, page in pages.items() if "report" in name} == {
        f"submissions/{number}-public-report.html": "<p>6 runs</p>" for number in (1, 2, 3)
    }


def test_names_and_messages_are_text(board: Board, tmp_path: Path) -> None:
    board.finish(with_gaps=True)
    pages = built(board, tmp_path / "site")
    for name, page in pages.items():
        if "report" not in name:
            assert "<script" not in page
            assert "<img" not in page
            assert "<b>" not in page
    assert (
        html.escape(HOSTILE, quote=False).replace('"', "&#34;").replace("'", "&#39;")
        in (pages["index.html"])
    )
    assert "&lt;img src=x" in pages["submissions/2.html"]
    assert "alert('team')" not in "".join(pages.values())


def test_every_link_leads_somewhere(board: Board, tmp_path: Path) -> None:
    board.finish(with_gaps=True)
    site = tmp_path / "site"
    for name, page in built(board, site).items():
        if "report" in name:
            continue
        for address in re.findall(r'(?:href|src)="([^"]*)"', page):
            target, _, fragment = html.unescape(address).partition("#")
            path = (site / name).parent / target if target else site / name
            assert path.is_file(), (name, address)
            if fragment:
                assert f'id="{fragment}"' in path.read_text(encoding="utf-8")
            assert "//" not in address  # nothing comes from elsewhere


def test_the_same_board_gives_the_same_bytes(board: Board, tmp_path: Path) -> None:
    board.retract(2, "one report is enough")
    content = read_content(board.path)
    for name in ("one", "two", "two"):  # the last one over what is there
        build_site(board.path, content, tmp_path / name)
    one, two = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two


def test_an_open_challenge_keeps_nothing_back(tmp_path: Path, circle: Challenge) -> None:
    board = Board(toy_contest(tmp_path / "b.sqlite", circle, None), clock=lambda: NOON)
    board.add_team("Ada", [])
    assert "No team has handed in yet" in built(board, tmp_path / "site")["index.html"]
    board.add(made_up(circle, 0.4), team="Ada")
    pages = built(board, tmp_path / "site", report=render)
    assert "<title>" in pages["submissions/1-public-report.html"]
    assert "circle-3x60" in pages["submissions/1-public-report.html"]
    assert 'href="leaderboard.sqlite"' in pages["index.html"]
