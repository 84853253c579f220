"""Rubrics: every mistake names its line, and what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from plantkit.challenges.densities import EXPECTED
from plantkit.errors import RubricError
from plantkit.grading.credit import Credit
from plantkit.grading.rubric import Criterion, RunPlan, read_rubric

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
        ("density = 0.5", "density = 0", 10, "expected a number in (0, 1], a whole multiple"),
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


#: A change of `GOOD`, and all that is said of it.
MESSAGES = [
    ("[run]", '[run]\nsuite = "starter"', "[run] has both suite and challenges; give one"),
    (
        "at_least = 0.9",
        'at_least = 0.9\n[[criteria]]\nname = "a"\npoints = 1',
        "criterion 'a': another criterion has this name already; names must differ",
    ),
    (
        "at_least = 0.9",
        "at_least = 0.9\nat_most = 1.0",
        "criterion 'a': has both at_least and at_most; give one of them",
    ),
    (
        "at_least = 0.9",
        "at_least = 0.9\nsteps = [{ at_least = 1, points = 4 }]",
        "criterion 'a': has both at_least and steps; give one of them",
    ),
    (
        "at_least = 0.9",
        "at_most = 0.9\nsteps = [{ at_most = 1, points = 4 }]",
        "criterion 'a': has both at_most and steps; give one of them",
    ),
    (
        "at_least = 0.9",
        "zero_at = 0.5\nsteps = [{ at_least = 1, points = 4 }]",
        "criterion 'a': has both steps and zero_at; give one of them",
    ),
    (
        "at_least = 0.9",
        "at_least = 0.9\nzero_at = 0.9",
        "criterion 'a': zero_at is 0.9; expected a value below at_least = 0.9",
    ),
    (
        "at_least = 0.9",
        "at_most = 0.9\nzero_at = 0.9",
        "criterion 'a': zero_at is 0.9; expected a value above at_most = 0.9",
    ),
    (
        "at_least = 0.9",
        "steps = [{ at_least = 1, points = 3 }, { at_most = 2, points = 4 }]",
        "criterion 'a': mixes at_least and at_most in its steps; use one of them",
    ),
    (
        "at_least = 0.9",
        "steps = [{ at_least = 1, points = 3 }, { at_least = 2, points = 4.5 }]",
        "criterion 'a': its best step gives 4.5 points; expected its points, 4",
    ),
    (
        'metric = "recovered_accuracy"',
        "",
        "criterion 'a': has no metric; expected one of recovered_accuracy, recovered_digits, "
        "performance, f1, precision, recall, iou, lift, average_precision, adjusted_recall, "
        "density, sparsity, effective_density, collapsed_layers, seconds, effort, peak_rss_mib, "
        "area, score",
    ),
    (
        "at_least = 0.9",
        "",
        "criterion 'a': has no threshold; expected at_least, at_most or steps",
    ),
    (
        "density = 0.5",
        "density = 0.5\nmargin = 0.1",
        "criterion 'a': margin needs a baseline, from which the difference is taken",
    ),
    (
        "density = 0.5",
        "density = 0.5\nfresh = 2",
        "criterion 'a': fresh needs a challenge, of which fresh instances are planted",
    ),
    (
        'track = "weak"',
        "",
        "criterion 'a': metric 'recovered_accuracy' has two tracks; "
        "give track = 'strong' or 'weak'",
    ),
    (
        'metric = "recovered_accuracy"',
        'metric = "f1"',
        "criterion 'a': metric 'f1' has no track; drop it",
    ),
    (
        "density = 0.5",
        "",
        f"criterion 'a': metric 'recovered_accuracy' needs a density: {EXPECTED}",
    ),
    (
        'metric = "recovered_accuracy"',
        'metric = "area"',
        "criterion 'a': metric 'area' goes over all densities; drop density",
    ),
    (
        'metric = "recovered_accuracy"\ntrack = "weak"',
        'kind = "determinism"',
        "criterion 'a': density has no meaning for kind = 'determinism'; drop it",
    ),
    ("pass = 0.5", "", "the rubric has no 'pass'"),
    ('name = "a"', "", "criteria 1 has no 'name'"),
    (
        "at_least = 0.9",
        "steps = [{ points = 4 }]",
        "criteria 1, steps 1 needs either at_least or at_most",
    ),
    (
        "density = 0.5",
        "density = 0",
        f"criteria 1, density is 0; expected {EXPECTED}",
    ),
    (
        'track = "weak"',
        'track = "week"',
        "track is 'week'; expected one of strong, weak; did you mean 'weak'?",
    ),
    ('track = "weak"', 'track = "z"', "track is 'z'; expected one of strong, weak"),
    (
        "[run]",
        "[run]\nxx = 1",
        "unknown key 'xx'; expected one of suite, challenges, densities, seeds, time_seconds, "
        "memory_mib, fresh_seed_env",
    ),
    ("[run]", "[rum]", "unknown key 'rum'; did you mean 'run'?"),
]


@pytest.mark.parametrize(("old", "new", "message"), MESSAGES, ids=range(len(MESSAGES)))
def test_a_mistake_in_full(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    error = read(tmp_path, GOOD.replace(old, new))
    assert str(error) == f"{tmp_path}/rubric.toml, line {error.line}: {message}"


def test_several_mistakes_are_counted_and_the_first_line_is_named(tmp_path: Path) -> None:
    text = GOOD.replace("points = 4", "points = 0").replace('track = "weak"', "track = 1")
    two = read(tmp_path, text)
    assert two.line == 7
    assert str(two).endswith(" (and 1 more mistake)")
    three = read(tmp_path, text.replace("density = 0.5", "density = 0"))
    assert three.line == 7
    assert str(three).endswith(" (and 2 more mistakes)")


def test_a_rubric_of_the_wrong_shape(tmp_path: Path) -> None:
    assert "rubric.toml, line 1: the rubric has no 'title'" in str(read(tmp_path, ""))
    long = read(tmp_path, GOOD.replace("points = 4", f"points = '{'x' * 500}'"))
    message = str(long).partition("line 7: ")[2]
    assert message == f"criteria 1, points: '{'x' * 500}"[:400]


def test_everything_that_a_rubric_can_say(tmp_path: Path) -> None:
    bundle = tmp_path / "bundles" / "mine"
    bundle.mkdir(parents=True)
    (bundle / "challenge.json").touch()
    (tmp_path / "relu-3x8").mkdir()  # not a bundle, so that the name is an id
    path = tmp_path / "rubric.toml"
    path.write_text(
        """title = "é"
pass = 1
decimals = 1
gradescope_hidden = "after_published"
[run]
challenges = ["relu-3x8", "bundles/mine"]
densities = ["planted", 0.5]
seeds = 4
time_seconds = 1.5
memory_mib = 99
fresh_seed_env = "SECRET"
[[criteria]]
name = "a"
description = "what it is"
points = 4
metric = "f1"
density = "planted"
seeds = "min"
challenge = "bundles/mine"
baseline = "magnitude"
margin = 0.25
fresh = 3
hidden = true
at_most = 2
zero_at = 3
[[criteria]]
name = "b"
points = 1
challenge = "relu-3x8"
kind = "determinism"
""",
        encoding="utf-8",
    )
    rubric = read_rubric(path)
    assert (rubric.path, rubric.title, rubric.pass_share) == (path, "é", 1.0)
    assert type(rubric.pass_share) is float
    assert (rubric.decimals, rubric.gradescope_hidden) == (1, "after_published")
    assert rubric.run == RunPlan(
        challenges=["relu-3x8", str(bundle)],
        densities=["planted", 0.5],
        seeds=4,
        time_seconds=1.5,
        memory_mib=99,
        fresh_seed_env="SECRET",
    )
    assert rubric.criteria == (
        Criterion(
            position=0,
            is_stub=False,
            name="a",
            points=4.0,
            description="what it is",
            hidden=True,
            metric="f1",
            challenge=str(bundle),
            density="planted",
            seeds="min",
            baseline="magnitude",
            fresh=3,
            margin=0.25,
            at_most=2,
            zero_at=3,
        ),
        Criterion(
            position=1,
            is_stub=False,
            name="b",
            points=1.0,
            kind="determinism",
            challenge="relu-3x8",
        ),
    )


def test_what_a_rubric_need_not_say(tmp_path: Path) -> None:
    path = tmp_path / "rubric.toml"
    path.write_text(GOOD.replace('[run]\nchallenges = ["relu-3x8"]\n', ""))
    rubric = read_rubric(path)
    assert (rubric.decimals, rubric.gradescope_hidden) == (2, "hidden")
    assert rubric.run == RunPlan(challenges=[])


def test_credit_of_steps_and_of_kinds_without_a_threshold(tmp_path: Path) -> None:
    path = tmp_path / "rubric.toml"
    steps = "steps = [{ at_most = 9, points = 1 }, { at_most = 5, points = 4 }]"
    path.write_text(GOOD.replace("at_least = 0.9", steps))
    credit = read_rubric(path).criteria[0].credit
    assert credit.expected() == "at most 9 for 1, 5 for 4"
    assert [credit.earned(value) for value in (10, 9, 6, 5, 0)] == [0, 1, 1, 4, 4]
    path.write_text(GOOD.replace("at_least = 0.9", steps.replace("most", "least")))
    credit = read_rubric(path).criteria[0].credit
    assert credit.expected() == "at least 5 for 4, 9 for 1"
    path.write_text(GOOD.partition("metric")[0] + 'kind = "determinism"')
    assert read_rubric(path).criteria[0].credit == Credit(points=4.0, target=1.0)


def test_only_a_hidden_criterion_without_details_is_a_stub(tmp_path: Path) -> None:
    path = tmp_path / "rubric.toml"
    whole = '[[criteria]]\nname = "x"\ndescription = "d"\npoints = 5\nhidden = true\n'
    path.write_text(GOOD + whole)
    assert [criterion.is_stub for criterion in read_rubric(path).criteria] == [False, True]
    for text in (whole.replace("hidden = true\n", ""), whole.replace("true", "false")):
        assert "'x': has no metric" in str(read(tmp_path, GOOD + text))
    path.write_text(GOOD + "hidden = true\n")
    assert not read_rubric(path).criteria[0].is_stub


def test_students_may_be_told_the_name_of_a_hidden_criterion_only(tmp_path: Path) -> None:
    path = tmp_path / "rubric.toml"
    path.write_text(GOOD + '[[criteria]]\nname = "secret"\npoints = 5\nhidden = true\n')
    assert [criterion.is_stub for criterion in read_rubric(path).criteria] == [False, True]


def test_a_rubric_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RubricError, match="cannot be read"):
        read_rubric(tmp_path / "nowhere.toml")
    assert read(tmp_path, "title = 'é\x00'").line == 1
    (tmp_path / "rubric.toml").write_bytes(b"title = '\xff'")
    with pytest.raises(RubricError, match=r"cannot be read: .*; expected a rubric in TOML"):
        read_rubric(tmp_path / "rubric.toml")


def test_a_rubric_that_ends_too_early_has_no_line_to_name(tmp_path: Path) -> None:
    error = read(tmp_path, 'title = """')
    assert error.line is None
    assert str(error).startswith(f"{tmp_path}/rubric.toml: is not valid TOML: ")
