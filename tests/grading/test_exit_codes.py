"""The exit code of `plantkit grade` is, in every case, what the page for course staff says."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plantkit.challenges import sealing
from plantkit.challenges.freezing import seal_bundle

PAGE = Path(__file__).resolve().parents[2] / "docs/staff.md"
RUBRIC = """title = "Tiny"
pass = 1
[run]
challenges = ["{challenge}"]
densities = [0.5]
seeds = 1
time_seconds = 10
[[criteria]]
name = "sparse"
metric = "density"
density = 0.5
at_most = 0.5
points = 1
"""
GOOD = """
import torch
def prune(problem, density, seed):
    return {name: torch.zeros_like(weight) for name, weight in problem.weights.items()}
"""
DENSE = GOOD.replace("zeros_like", "ones_like")
KILLER = f"import os\n{GOOD}".replace("    return", "    os.kill(os.getpid(), 9)\n    return")
SEVERAL = """
import plantkit
class P:
    reference = ""
    def __init__(self, name): self.name = name
    def prune(self, problem, density, *, seed): return {}
@plantkit.hookimpl
def plantkit_pruners(): return [P("one"), P("two")]
"""
#: The first words of a row, and the name of what is set up for it.
CASES = {
    "the submission reached": "passed",
    "it stayed below": "below",
    "the pruner cannot be loaded": "unloadable",
    "runs crash": "invalid",
    "the pruner kills": "hostile",
    "the submitted path": "missing",
    "the rubric is wrong": "rubric",
    "a challenge is sealed": "sealed",
    "`--github` outside": "outside",
    "a file cannot be read": "unwritable",
    "a bundle is invalid": "altered",
    "a mistake in plantkit": "bug",
}
#: These start what runs submissions, and take seconds.
SLOW = {"passed", "below", "unloadable", "invalid", "hostile", "several", "sealed", "altered"}


def stated() -> dict[str, tuple[int, int]]:
    """Returns the page's exit codes, without and with a host file, by case."""
    rows = re.findall(r"^\| (.+) \| (\d) \| (\d) \|$", PAGE.read_text(), re.MULTILINE)
    found = {}
    for words, alone, with_host in rows:
        (case,) = [case for start, case in CASES.items() if words.startswith(start)]
        found[case] = (int(alone), int(with_host))
    assert set(found) == set(CASES.values())
    return found | {"several": found["unloadable"]}


@pytest.mark.parametrize(
    ("case", "with_host"),
    [
        pytest.param(case, with_host, marks=[pytest.mark.slow] if case in SLOW else [])
        for case in [*CASES.values(), "several"]
        for with_host in (False, True)
    ],
)
def test_the_exit_code_is_the_documented_one(
    case: str,
    with_host: bool,
    tiny_challenges: Path,
    tmp_path: Path,
    plantkit_cli: Callable[..., Any],
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(sealing.KEY_VARIABLE, raising=False)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    challenge = tiny_challenges / "relu-3x8"
    codes = {"below": DENSE, "unloadable": "def prune(:", "invalid": DENSE, "hostile": KILLER}
    submission = write(codes.get(case, SEVERAL if case == "several" else GOOD))
    rubric = RUBRIC
    if case == "below":
        submission = write(GOOD)
        rubric = RUBRIC.replace("at_most = 0.5", "at_least = 0.5")
    if case == "missing":
        submission.unlink()
    if case == "rubric":
        rubric = RUBRIC.replace("at_most", "at_mots")
    if case == "sealed":
        key = sealing.SecretKey.generate()
        challenge = seal_bundle(challenge, key, tmp_path / "relu-3x8")
    if case == "altered":
        challenge = Path(shutil.copytree(challenge, tmp_path / "relu-3x8"))
        (challenge / "weights.safetensors").write_bytes(b"0")
    if case == "outside":
        monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    if case == "unwritable":
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "none" / "summary.md"))
    if case == "bug":
        broken = SimpleNamespace(measure=lambda *_: 1 / 0)
        monkeypatch.setitem(sys.modules, "plantkit.grading.criteria.metric", broken)
    (tmp_path / "rubric.toml").write_text(rubric.format(challenge=challenge))
    arguments = ["grade", submission, "--rubric", tmp_path / "rubric.toml", "--github"]
    arguments += ["--json", tmp_path / "staff.json", "--jobs", "1"]
    if with_host:
        arguments += ["--gradescope", tmp_path / "results.json"]
    outcome = plantkit_cli(*arguments)
    assert outcome.code == stated()[case][with_host], outcome
    assert "Traceback" not in outcome.err
    if with_host:  # there always is a result, and points only for who earned them
        result = json.loads((tmp_path / "results.json").read_text())
        assert result["score"] == (1 if case == "passed" else 0)
