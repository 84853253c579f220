"""The example contest, held by its one command."""

from __future__ import annotations

import csv
import io
import re
import runpy
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from plantkit.board.content import read_content
from plantkit.board.contest import Phase

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The directory of the contest, and what its commands printed."""
    directory = tmp_path_factory.mktemp("contest") / "held"
    example = ROOT / "examples/contest/run.py"
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed):
        patch.chdir(ROOT)  # where it leaves is where the tests go on
        patch.setattr(sys, "argv", [str(example), str(directory)])
        runpy.run_path(str(example), run_name="__main__")
    return directory, printed.getvalue()


def rows(plantkit_cli: Callable[..., Any], board: Path, *more: str) -> dict[str, dict[str, str]]:
    found = plantkit_cli("leaderboard", "show", "--board", board, "--format", "csv", *more)
    return {row["team"]: row for row in csv.DictReader(io.StringIO(found.out))}


def test_the_result(held: Any, plantkit_cli: Any) -> None:
    directory, _ = held
    for more in ([], ["--public"]):
        found = rows(plantkit_cli, directory / "board", *more)
        assert set(found) == {"Ada", "Bob", "Cleo", "random"}
        assert {found["Ada"]["rank"], found["Bob"]["rank"]} in ({"1="}, {"1", "2"})
        assert found["Cleo"]["rank"] == "failed"
        assert found["random"]["rank"] == "ref."
        assert list(found)[-1] == "Cleo"
        assert found["Ada"]["tries"] == "2"
        assert found["Ada"]["authors"] == "Ada L., Alan T."


def test_what_was_told(held: Any) -> None:
    _, printed = held
    for words in (
        "submission 6 of Cleo: the same files as submission 1 of team 'Ada'",
        "the same files and options as submission 5 of this team; not counted twice",
        "no final run was added of submission 3 of 'Cleo'; add them",
        "final scores, computed again",
    ):
        assert words in printed
    (verified,) = re.findall(r"final scores, computed again\n\n.*?\n\n", printed, re.DOTALL)
    assert verified.count(" same\n") == 3
    assert "no masks" in verified


def test_nobody_saw_final_scores_before_the_end(held: Any) -> None:
    directory, printed = held
    before, _, after = printed.partition("\nfinished; now build the pages again")
    assert after
    assert "final standings" not in before
    assert "final standings" in after
    content = read_content(directory / "board/leaderboard.sqlite")
    assert content.events[-1].kind == "finished"
    assert sum(Phase.FINAL in one.runs for one in content.submissions) == 5


def test_the_page_walks_through_it() -> None:
    """Every command of the walk in the documentation is one of the example's."""
    page = (ROOT / "docs/organisers.md").read_text(encoding="utf-8")
    script = (ROOT / "examples/contest/run.py").read_text(encoding="utf-8")
    example = {" ".join(line.split()) for line in joined(script) if line.startswith("plantkit ")}
    walk = page.partition("### A contest from beginning to end\n")[2].partition("\n### ")[0]
    lines = [" ".join(line.split()) for line in joined(walk) if line.startswith("plantkit ")]
    assert len(lines) >= 10
    assert [line for line in lines if line not in example] == []


def joined(text: str) -> list[str]:
    text = text.replace("\\\n", " ")
    return [line.partition("  # exit code")[0] for line in text.splitlines()]
