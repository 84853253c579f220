"""`plantkit leaderboard` as organisers use it, and what it says where they slip."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plantkit.board.content import read_content
from plantkit.evaluation.requests import Request
from plantkit.evaluation.run import run_evaluation

SUITES = """
[open]
title = "The open one"
challenges = ["circle-3x60"]
densities = ["planted", 0.5]
seeds = 1
[kept]
title = "The one for the end"
challenges = ["relu-3x8"]
densities = [0.5]
seeds = 1
"""
Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def challenges(tiny_challenges: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = Path(shutil.copytree(tiny_challenges, tmp_path_factory.mktemp("two") / "challenges"))
    (root / "suites.toml").write_text(SUITES, encoding="utf-8", newline="\n")
    return root


@pytest.fixture(scope="module")
def runs(challenges: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directories of real runs: `open`, `kept`, and `bare` without isolation."""
    root = tmp_path_factory.mktemp("runs")
    submission = root / "mine.py"
    submission.write_text(
        "def prune(problem, density, seed):\n"
        "    return {n: w * 0 for n, w in problem.weights.items()}\n",
        encoding="utf-8",
        newline="\n",
    )
    for name, suite, isolation in (
        ("open", "open", "auto"), ("kept", "kept", "auto"), ("bare", "open", "none")
    ):  # fmt: skip
        run_evaluation(
            Request(
                pruners=[str(submission)],
                baselines="none",
                challenge_directories=[challenges],
                suite=suite,
                jobs=1,
                isolation=isolation,
                run_directory=root / name,
            ),
            warn=print,
            progress=lambda *_: None,
        )
    return root


@pytest.fixture
def made(
    challenges: Path, tmp_path: Path, plantkit_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A board with the team Ada, named by PLANTKIT_BOARD."""
    directory = tmp_path / "contest"
    done = plantkit_cli(
        "leaderboard", "init", directory, "--public", "open", "--final", "kept",
        "--challenges", challenges, "--closes", "2050-01-01",
    )  # fmt: skip
    assert done.code == 0, done
    assert "not for prizes: in these challenges of the public phase" in done.err
    monkeypatch.setenv("PLANTKIT_BOARD", str(directory))
    assert plantkit_cli("leaderboard", "team", "Ada", "--author", "Ada L.").code == 0
    return directory


def test_from_a_run_to_the_pages(made: Path, runs: Path, tmp_path: Path, plantkit_cli: Cli) -> None:
    added = plantkit_cli("leaderboard", "add", runs / "open", runs / "kept", "--team", "ada")
    assert added.code == 0, added
    assert added.out.splitlines() == [
        "submission 1 of Ada: public run added",
        "submission 1 of Ada: final run added",
    ]
    shown = plantkit_cli("leaderboard", "show")
    assert "The open one: public standings" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 100
    assert plantkit_cli("leaderboard", "finish").code == 2  # it closes in 2050
    assert plantkit_cli("leaderboard", "change", "--closes", "none").code == 0
    assert plantkit_cli("leaderboard", "finish").code == 0
    assert "The open one: final standings" in plantkit_cli("leaderboard", "show").out
    assert plantkit_cli("leaderboard", "build", tmp_path / "site").code == 0
    assert (tmp_path / "site/submissions/1-final-report.html").is_file()


@pytest.mark.parametrize("more", [[], ["--entries"], ["--history"]])
def test_formats(more: list[str], made: Path, runs: Path, plantkit_cli: Cli) -> None:
    plantkit_cli("leaderboard", "team", "=cmd()", "--author", "@x")
    plantkit_cli("leaderboard", "add", runs / "open", "--team", "=cmd()")
    rows = list(
        csv.DictReader(
            io.StringIO(plantkit_cli("leaderboard", "show", "--format", "csv", *more).out)
        )
    )
    assert "'=cmd()" in {row["team"] for row in rows}
    found = json.loads(plantkit_cli("leaderboard", "show", "--format", "json", *more).out)
    if not more:
        assert (found["title"], found["phase"]) == ("The open one", "public")
        (track,) = found["tracks"]
        (found,) = (track["places"],)
        assert found[0]["authors"] == ["@x"]
        assert found[0]["standing"]["failures"] == 0
    assert "=cmd()" in {row["team"] for row in found}
    assert "=cmd()" in plantkit_cli("leaderboard", "show", "--format", "markdown", *more).out


class TestRefused:
    def refused(self, plantkit_cli: Cli, *arguments: Any) -> str:
        found = plantkit_cli("leaderboard", *arguments)
        assert found.code == 2, found
        assert "Traceback" not in found.err
        return str(found.err)

    def test_runs_that_cannot_be_taken(
        self, made: Path, runs: Path, tmp_path: Path, plantkit_cli: Cli
    ) -> None:
        team = ("--team", "Ada")
        assert "does not exist" in self.refused(plantkit_cli, "add", tmp_path / "none", *team)
        assert "without isolation" in self.refused(plantkit_cli, "add", runs / "bare", *team)
        cut = Path(shutil.copytree(runs / "open", tmp_path / "cut"))
        lines = (cut / "records.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        (cut / "records.jsonl").write_text("".join(lines[:-1]), encoding="utf-8", newline="\n")
        words = self.refused(plantkit_cli, "add", cut, *team)
        assert "1 of 2 runs are missing" in words
        assert "--resume" in words
        bare = Path(shutil.copytree(runs / "open", tmp_path / "no-masks"))
        shutil.rmtree(bare / "masks")
        words = self.refused(plantkit_cli, "add", bare, *team)
        assert "masks are missing" in words
        assert "evaluate again with --run-dir" in words
        assert read_content(made / "leaderboard.sqlite").submissions == []

    def test_what_does_not_exist(self, made: Path, plantkit_cli: Cli) -> None:
        words = self.refused(plantkit_cli, "retract", "3", "--reason", "x")
        assert "no submission has the number 3; there is none yet" in words
        assert "did you mean 'show'" in self.refused(plantkit_cli, "shwo")
        assert "is not a time; expected ISO 8601" in self.refused(
            plantkit_cli, "change", "--closes", "soon"
        )
        assert "nothing to change" in self.refused(plantkit_cli, "change")
        assert "exclude each other" in self.refused(plantkit_cli, "show", "--entries", "--history")

    def test_a_directory_that_is_taken(
        self, made: Path, challenges: Path, plantkit_cli: Cli
    ) -> None:
        before = (made / "leaderboard.sqlite").read_bytes()
        words = self.refused(
            plantkit_cli, "init", made, "--public", "open", "--challenges", challenges
        )
        assert "exists already" in words
        assert (made / "leaderboard.sqlite").read_bytes() == before

    def test_an_unknown_suite(self, challenges: Path, tmp_path: Path, plantkit_cli: Cli) -> None:
        words = self.refused(
            plantkit_cli, "init", tmp_path / "x", "--public", "opne", "--challenges", challenges
        )
        assert "did you mean 'open'" in words
        assert not (tmp_path / "x").exists()


def test_a_team_is_changed(made: Path, plantkit_cli: Cli) -> None:
    assert plantkit_cli("leaderboard", "team", "ada", "--rename", "Countess").code == 0
    found = plantkit_cli("leaderboard", "team", "Ada", "--author", "Someone else")
    assert (found.code, "has or had the name 'Ada'" in found.err) == (2, True)
    (team,) = read_content(made / "leaderboard.sqlite").teams
    assert (team.name, team.authors) == ("Countess", ("Ada L.",))
