"""Code that was handed out is known, and a wrong path is an error before anything is graded."""

from __future__ import annotations

from pathlib import Path

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
    (tmp_path / "starter.txt").write_text("x = 1", encoding="utf-8")
    (tmp_path / "hand-ins").mkdir()
    rubric = Path(__file__).parents[3] / "examples" / "rubric.toml"
    arguments = [str(tmp_path / "hand-ins"), "--rubric", str(rubric), "-o", str(tmp_path / "out")]
    arguments += ["--given", str(tmp_path / "starter.txt")]
    result = CliRunner().invoke(cli, ["grade-class", *arguments])
    assert isinstance(result.exception, UsageError)
    assert "starter.txt holds no Python file and no notebook" in str(result.exception)
    missing = CliRunner().invoke(cli, ["grade-class", *arguments[:-1], str(tmp_path / "none.py")])
    assert missing.exit_code == 2
    assert not (tmp_path / "out").exists()
