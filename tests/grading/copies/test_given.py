"""Code that was handed out is known, and a wrong path is an error before anything is graded."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from test_copied_texts import BASELINES, ORIGINAL

from plantkit.cli import cli
from plantkit.errors import UsageError
from plantkit.grading.copies.given import given_code
from plantkit.grading.copies.pairs import find_copies


def test_the_skeleton_and_installed_pruners_are_nobodys_own(tmp_path: Path):
    made = CliRunner().invoke(cli, ["new", "pruner", str(tmp_path / "mine.py")])
    assert made.exit_code == 0, made.output
    skeleton = {"mine.py": (tmp_path / "mine.py").read_text(encoding="utf-8")}
    both = {"a": skeleton, "b": skeleton, "c": BASELINES["lamp"], "d": BASELINES["lamp"]}
    copies = find_copies(both, given_code())
    assert copies.pairs == []
    assert copies.unchanged == ["a", "b", "c", "d"]


def test_more_can_be_given(tmp_path: Path):
    (tmp_path / "starter.py").write_text(ORIGINAL, encoding="utf-8", newline="\n")
    texts = {"a": {"a.py": ORIGINAL}, "b": {"b.py": ORIGINAL}}
    assert len(find_copies(texts, given_code()).pairs) == 1
    for path in (tmp_path, tmp_path / "starter.py"):
        assert find_copies(texts, given_code([path])).pairs == []


def test_a_path_without_code_is_an_error_before_the_work(tmp_path: Path):
    with pytest.raises(UsageError, match=r"--given: .*starter.txt holds no Python file"):
        given_code([tmp_path / "starter.txt"])
    (tmp_path / "hand-ins").mkdir()
    rubric = Path(__file__).parents[3] / "examples" / "rubric.toml"
    arguments = [str(tmp_path / "hand-ins"), "--rubric", str(rubric), "-o", str(tmp_path / "out")]
    arguments += ["--given", str(tmp_path / "none.py")]
    result = CliRunner().invoke(cli, ["grade-class", *arguments])
    assert result.exit_code == 2
    assert "none.py holds no Python file and no notebook" in result.output
    assert not (tmp_path / "out").exists()
