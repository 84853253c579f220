"""Rubrics: every mistake names its line, and what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from plantkit.errors import RubricError
from plantkit.grading.rubric import read_rubric

EXAMPLE = Path(__file__).parents[2] / "examples" / "rubric.toml"
GOOD = """title = "t"
pass = 0.5
[run]
challenges = ["relu-3x8"]
[[criteria]]
name = "a"
points = 4
metric = "recovered_accuracy"
track = "weak"
density = 0.5
at_least = 0.9
"""


def read(tmp_path: Path, text: str) -> RubricError:
    path = tmp_path / "rubric.toml"
    path.write_text(text)
    with pytest.raises(RubricError) as caught:
        read_rubric(path)
    return caught.value


def test_the_example_is_a_rubric() -> None:
    rubric = read_rubric(EXAMPLE)
    assert sum(criterion.points for criterion in rubric.criteria) == 100
    assert [criterion.hidden for criterion in rubric.criteria].count(True) == 1


def test_a_good_rubric(tmp_path: Path) -> None:
    path = tmp_path / "rubric.toml"
    path.write_text(GOOD)
    rubric = read_rubric(path)
    (criterion,) = rubric.criteria
    assert (criterion.kind, criterion.seeds, criterion.hidden) == ("metric", "mean", False)
    assert criterion.credit.earned(0.95) == 4
    assert (rubric.run.time_seconds, rubric.run.memory_mib) == (300.0, 4096)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("pass = 0.5", "pass = ", 2, "not valid TOML"),
        ("pass = 0.5", "pass = 50", 2, "pass: 50 is greater than the maximum of 1"),
        ("pass = 0.5", "", 1, "the rubric has no 'pass'"),
        ("[run]", "[rum]", 3, "unknown key 'rum'; did you mean 'run'?"),
        ("challenges =", "chalenges =", 4, "did you mean 'challenges'?"),
        ('name = "a"', "", 5, "criteria 1 has no 'name'"),
        ("points = 4", "points = 0", 7, "criteria 1, points"),
        ("points = 4", 'points = "4"', 7, "is not of type 'number'"),
        ('track = "weak"', 'track = "week"', 9, "did you mean 'weak'?"),
        ('track = "weak"', "", 8, "two tracks"),
        ("density = 0.5", "density = 0", 10, "expected a number in (0, 1] or 'planted'"),
        ("density = 0.5", "", 8, "needs a density"),
        ("at_least", "atleast", 11, "did you mean 'at_least'?"),
        ("at_least = 0.9", "", 6, "no threshold"),
        ("at_least = 0.9", "at_least = 0.9\nat_most = 1.0", 12, "both at_least and at_most"),
        ("at_least = 0.9", "at_least = 0.9\nzero_at = 0.9", 12, "expected a value below"),
        ("at_least = 0.9", "at_most = 0.9\nzero_at = 0.5", 12, "expected a value above"),
        ("at_least = 0.9", "steps = [{ at_least = 1, points = 3 }]", 11, "expected its points, 4"),
        ("at_least = 0.9", "steps = [{ points = 4 }]", 11, "either at_least or at_most"),
        (
            "at_least = 0.9",
            "steps = [{ at_least = 1, points = 3 }, { at_most = 2, points = 4 }]",
            11,
            "mixes",
        ),
        ('metric = "recovered_accuracy"', "", 6, "has no metric"),
        ('metric = "recovered_accuracy"', 'metric = "f1"', 9, "has no track"),
        ('metric = "recovered_accuracy"', 'metric = "area"', 10, "goes over all densities"),
        ('metric = "recovered_accuracy"', 'kind = "determinism"', 9, "track has no meaning"),
        ("density = 0.5", "density = 0.5\nfresh = 2", 11, "fresh needs a challenge"),
        ("density = 0.5", "density = 0.5\nmargin = 0.1", 11, "margin needs a baseline"),
        ("density = 0.5", 'density = 0.5\nmargin = -1\nbaseline = "snip"', 11, "minimum of 0"),
        ("[run]", '[run]\nsuite = "starter"', 5, "both suite and challenges"),
        ("at_least = 0.9", 'at_least = 0.9\n[[criteria]]\nname = "a"\npoints = 1', 13, "differ"),
    ],
)
def test_a_mistake_names_its_line(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    assert old in GOOD
    error = read(tmp_path, GOOD.replace(old, new))
    assert error.line == line
    assert words in str(error)
    assert str(error).startswith(f"{tmp_path}/rubric.toml, line {line}: ")
    assert error.exit_code == 2


def test_students_may_be_told_the_name_of_a_hidden_criterion_only(tmp_path: Path) -> None:
    path = tmp_path / "rubric.toml"
    path.write_text(GOOD + '[[criteria]]\nname = "secret"\npoints = 5\nhidden = true\n')
    assert [criterion.is_stub for criterion in read_rubric(path).criteria] == [False, True]


def test_a_rubric_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RubricError, match="cannot be read"):
        read_rubric(tmp_path / "nowhere.toml")
    assert read(tmp_path, "title = 'é\x00'").line == 1
