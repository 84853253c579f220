"""What `plantkit evaluate` prints and keeps: details, quiet and verbose, `results.txt`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def evaluate(tiny_challenges: Path, tmp_path: Path, plantkit_cli):
    """Runs one evaluation of magnitude on the tiny challenges, kept in the directory `run`."""

    def run(*options: str) -> Any:
        return plantkit_cli(
            *("evaluate", "magnitude", "--baselines", "none", "--suite", "tiny"),
            *("--challenges", tiny_challenges, "--density", "0.5", "--seeds", "1", "--jobs", "1"),
            *("--isolation", "none", "--no-cache", "--run-dir", tmp_path / "run", *options),
        )

    return run


def test_details_quiet_and_verbose(evaluate, tmp_path: Path) -> None:
    verbose = evaluate("--verbose", "--details")
    assert verbose.code == 0
    steps = re.findall(r"^(.*): (\d+) of (\d+) \((\d+) of 4 in all\)$", verbose.err, re.MULTILINE)
    assert ("relu-3x8: pruning, magnitude", "0", "1", "0") in steps
    assert ("circle-3x60, magnitude: training", "1", "1", "4") in steps
    assert [int(step[3]) for step in steps] == sorted(int(step[3]) for step in steps)
    # The run directory keeps what the details show.
    kept = (tmp_path / "run" / "results.txt").read_text(encoding="utf-8")
    assert kept == verbose.out
    assert "\ncircle-3x60\n" in kept

    quiet = evaluate("--quiet", "--resume")
    assert quiet.code == 0
    assert "of 4 in all" not in quiet.err
    assert "\ncircle-3x60\n" not in quiet.out
    assert kept.endswith(quiet.out[: quiet.out.index("--details")])
    assert evaluate("--resume", "--quiet", "--verbose").code == 2


def test_ranking_a_run_directory_gives_what_the_evaluation_gave(evaluate, plantkit_cli, tmp_path):
    made = evaluate()
    assert plantkit_cli("rank", tmp_path / "run").out == made.out


def test_a_page_is_announced_before_it_is_made(evaluate, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    told = evaluate("--report", page)
    assert told.code == 0
    assert told.err.index("writing the report\n") < told.err.index("report written to")
    assert "writing the report" not in evaluate("--report", page, "--resume", "--quiet").err
