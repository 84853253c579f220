"""What a rubric makes run, and what becomes of the records; the evaluation itself is a fake."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import record_of

from plantkit.challenges import bundles
from plantkit.challenges.bundles import Challenge
from plantkit.errors import PluginError, RubricError, UsageError
from plantkit.evaluation.requests import Request
from plantkit.evaluation.trials import Task
from plantkit.evaluation.workplace import Trial, check_submitted, only_entry
from plantkit.grading import grader, plan
from plantkit.grading.grade import Grade, Mark, MarkVerdict
from plantkit.grading.plan import GradingPlan
from plantkit.grading.rubric import read_rubric
from plantkit.isolation.wire import Limits
from plantkit.pruners.sources import PrunerSource
from plantkit.scoring.entries import Entry
from plantkit.scoring.protocol import resolve_densities
from plantkit.scoring.records import Record

HEAD = """title = "Tiny\x1b"
pass = 0.9
decimals = 3
gradescope_hidden = "after_due_date"
[run]
challenges = ["relu-3x8"]
densities = [0.5]
seeds = 2
time_seconds = 20
memory_mib = 123
""".replace("\x1b", "\\u001b")
F1 = """[[criteria]]
name = "f1"
description = "how it overlaps"
metric = "f1"
density = 0.5
zero_at = 0
at_least = 0.4
points = 8
"""


@dataclass
class Fake:
    """In place of `open_workplace`: makes records without running anything.

    changes: of the records on a challenge, by its id; theirs: of baselines' records. labels: of
    what the submission defines.
    """

    directory: Path
    plans: list[GradingPlan] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    theirs: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels: Sequence[str] = ("mine",)
    rewind: int = 0
    error: Exception | None = None

    @contextmanager
    def __call__(
        self,
        request: Request,
        make_plan: Callable[[int], GradingPlan],
        *,
        runs_again: bool,
        warn: Any,
        progress: Any,
    ) -> Iterator[Any]:
        plan = make_plan(1)
        self.requests.append(request)
        self.plans.append(plan)
        warn(f"warned of {request.pruners[0]}")
        progress("pruning", 1, 2)
        limits = Limits(time_seconds=request.time_seconds, memory_mib=request.memory_mib)
        names = {name for task in plan.tasks for name in task.baselines}
        yield SimpleNamespace(
            plan=plan,
            resources=SimpleNamespace(limits=limits),
            baselines={
                name: Trial(
                    pruner=name,
                    records=self.records(
                        [one for one in plan.tasks if name in one.baselines], name
                    ),
                )
                for name in names
            },
            run=partial(self.run, plan),
        )

    def run(
        self, plan: GradingPlan, pruners: Sequence[str], finish: Callable[[Trial, Any], Any]
    ) -> Iterator[tuple[int, Any]]:
        slot: Any = SimpleNamespace(number=0)
        for position, pruner in enumerate(pruners):
            trial = Trial(pruner=pruner)
            try:
                check_submitted(pruner)
                if self.error is not None:
                    raise self.error
                is_path = Path(pruner).exists()
                entries = [
                    Entry(
                        label=label,
                        source=PrunerSource(path=pruner if is_path else None),
                        rewind=self.rewind,
                    )
                    for label in self.labels
                ]
                trial.entry = only_entry(pruner, entries)
                trial.records = self.records(plan.tasks, trial.entry.label)
            except PluginError as error:
                trial.error = error
            except UsageError as error:
                yield position, error
                continue
            yield position, finish(trial, slot)

    def records(self, tasks: Sequence[Task], label: str) -> list[Record]:
        return [
            record_of(
                task.challenge,
                pruner=label,
                target_density=density,
                is_planted_density=planted,
                seed=seed,
                **(self.changes if label in self.labels else self.theirs).get(
                    task.challenge.id, {}
                ),
            )
            for task in tasks
            for density, planted in resolve_densities(task.challenge, task.protocol)
            for seed in range(task.protocol.seeds)
        ]

    def ran(self, number: int = -1) -> list[str]:
        """Returns the ids of the challenges of a plan, the last one's if nothing is said."""
        return [task.challenge.id for task in self.plans[number].tasks]

    def densities(self, number: int = -1) -> list[tuple[float | str, ...]]:
        """Returns the densities at which each of them is run."""
        return [task.protocol.densities for task in self.plans[number].tasks]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tiny_challenges: Path) -> Fake:
    found = Fake(tiny_challenges)
    monkeypatch.setattr(grader, "open_workplace", found)
    return found


@pytest.fixture
def grade(fake: Fake, tmp_path: Path, write: Callable[..., Path]) -> Callable[..., Grade]:
    """Grades `mine.py` by a rubric's text."""

    def run(text: str, *, pruner: str | None = None, **options: Any) -> Grade:
        (tmp_path / "rubric.toml").write_text(text)
        given = str(write("")) if pruner is None else pruner
        request = Request(pruners=[given], challenge_directories=[fake.directory], jobs=7)
        return grader.grade_submission(
            read_rubric(tmp_path / "rubric.toml"),
            request,
            warn=options.pop("warn", lambda message: None),
            **options,
        )

    return run


FAST = """[[criteria]]
name = "fast"
metric = "seconds"
at_most = 9
points = 8
"""


def refused(grade: Callable[..., Grade], text: str, **options: Any) -> str:
    with pytest.raises(RubricError) as caught:
        grade(text, **options)
    return re.sub(r"^.*/rubric\.toml, ", "", str(caught.value))


def test_a_density_that_a_challenge_cannot_have_is_the_rubrics_fault(
    grade: Callable[..., Grade],
) -> None:
    text = HEAD + F1.replace("density = 0.5", 'density = "9999x"')
    assert "9999x is above 1 on relu-3x8, whose planted density is 0.08" in refused(grade, text)


# --- the grade


def test_a_grade_says_what_was_graded_and_by_which_rubric(
    grade: Callable[..., Grade], tmp_path: Path
) -> None:
    found = grade(HEAD + F1)
    assert (found.title, found.submission) == ("Tiny", "mine")
    assert found.path == str(tmp_path / "mine.py")
    assert (found.pass_share, found.decimals, found.hidden_visibility) == (0.9, 3, "after_due_date")
    assert (found.error, found.error_line, list(found.format_errors)) == ("", None, [])
    assert 0 < found.seconds < 60


def test_a_mark_says_what_was_measured(grade: Callable[..., Grade]) -> None:
    """F1 is 0.1 in every run, a quarter of the way to 0.4."""
    (found,) = grade(HEAD + F1).marks
    assert found == Mark(
        name="f1",
        description="how it overlaps",
        points=2.0,
        max_points=8.0,
        verdict=MarkVerdict.PARTIAL,
        expected="f1 at density 0.5, at least 0.4 (points from 0)",
        got="0.1",
        value=0.1,
        seconds=6.0,
    )


def test_warnings_and_progress_are_passed_on(grade: Callable[..., Grade], tmp_path: Path) -> None:
    warned: list[object] = []
    seen: list[object] = []
    grade(HEAD + F1, warn=warned.append, progress=lambda *news: seen.append(news))
    assert warned == [f"warned of {tmp_path / 'mine.py'}"]
    assert seen == [("pruning", 1, 2)]


def test_an_installed_pruner_has_no_path(grade: Callable[..., Grade], fake: Fake) -> None:
    fake.labels = ("magnitude",)
    text = HEAD + F1.replace("points = 8", 'points = 8\nbaseline = "magnitude"\nmargin = 0.5')
    found = grade(text, pruner="magnitude")
    assert (found.submission, found.path) == ("magnitude", None)


def test_texts_of_a_mark_are_clean_and_short(grade: Callable[..., Grade], fake: Fake) -> None:
    fake.changes["relu-3x8"] = {"status": "crash", "error": "\x1b[2J" + "e" * 3000}
    (found,) = grade(HEAD + F1).marks
    assert found.message.startswith("2 of 2 runs failed\ncrash: [2Jeee")
    assert len(found.message) == 2000
    assert (found.verdict, found.points, found.value) == (MarkVerdict.ERROR, 0.0, None)


# --- hidden criteria

HIDDEN = F1.replace('"f1"', '"secret"', 1) + 'hidden = true\nchallenge = "circle-3x60"\n'


def test_hidden_criteria_are_not_run_unless_asked_for(
    grade: Callable[..., Grade], fake: Fake
) -> None:
    shown, secret = grade(HEAD + F1 + HIDDEN).marks
    assert shown.verdict is MarkVerdict.PARTIAL
    assert secret == Mark(
        name="secret",
        description="how it overlaps",
        points=0.0,
        max_points=8.0,
        verdict=MarkVerdict.NOT_RUN,
        hidden=True,
    )
    assert fake.ran() == ["relu-3x8"]


def test_hidden_criteria_are_run_for_staff(grade: Callable[..., Grade], fake: Fake) -> None:
    fake.changes["circle-3x60"] = {"overlap": {"f1": 0.3}}
    shown, secret = grade(HEAD + F1 + HIDDEN, with_hidden=True).marks
    assert (shown.value, secret.value) == (pytest.approx(0.1), pytest.approx(0.3))
    assert (shown.hidden, secret.hidden) == (False, True)
    assert fake.ran() == ["relu-3x8", "circle-3x60"]


def test_a_stub_cannot_be_run(grade: Callable[..., Grade]) -> None:
    text = HEAD + F1 + '[[criteria]]\nname = "secret"\npoints = 1\nhidden = true\n'
    assert grade(text).marks[1].verdict is MarkVerdict.NOT_RUN
    line = text[: text.index('"secret"')].count("\n") + 1
    assert refused(grade, text, with_hidden=True) == (
        f"line {line}: criterion 'secret': it is hidden and has no details here; grade with the "
        "rubric of course staff, or with --hidden skip"
    )


# --- what is run


def test_what_the_rubric_says_is_run(grade: Callable[..., Grade], fake: Fake) -> None:
    grade(HEAD + F1)
    ((task,), request) = fake.plans[0].tasks, fake.requests[0]
    assert task.challenge.path == fake.directory / "relu-3x8"
    assert (task.protocol.densities, task.protocol.seeds, task.baselines) == ((0.5,), 2, ())
    assert (request.time_seconds, request.memory_mib) == (20.0, 123)
    assert request.jobs == 7  # what is not the rubric's stays as it was asked for


def test_densities_and_baselines_of_criteria_are_run_too(
    grade: Callable[..., Grade], fake: Fake
) -> None:
    other = F1.replace('"f1"', '"b"', 1).replace("density = 0.5", "density = 0.25")
    again = other.replace('"b"', '"c"', 1) + 'baseline = "snip"\n'
    more = F1.replace('"f1"', '"d"', 1) + 'baseline = "magnitude"\n'
    grade(HEAD + F1 + other + again + more)
    (task,) = fake.plans[0].tasks
    assert task.protocol.densities == (0.5, 0.25)
    assert set(task.baselines) == {"magnitude", "snip"}


def test_a_challenge_that_only_a_criterion_names_is_run_as_that_asks_for(
    grade: Callable[..., Grade], fake: Fake
) -> None:
    named = F1.replace('"f1"', '"b"', 1).replace("density = 0.5", "density = 0.25")
    named += 'challenge = "circle-3x60"\nbaseline = "snip"\n'
    grade(HEAD.replace("[0.5]", '["planted", 0.5]') + FAST + named)
    relu, circle = fake.plans[0].tasks
    assert (relu.protocol.densities, relu.baselines) == (("planted", 0.5), ())
    assert (circle.protocol.densities, circle.baselines) == ((0.25,), ("snip",))


def test_without_densities_those_of_the_first_challenge_count(
    grade: Callable[..., Grade], fake: Fake
) -> None:
    grade(HEAD.replace("densities = [0.5]\nseeds = 2\n", "") + FAST)
    (task,) = fake.plans[0].tasks
    assert (task.protocol.densities, task.protocol.seeds) == (("planted", 0.5), 3)


def test_a_suite_brings_its_protocol(grade: Callable[..., Grade], fake: Fake) -> None:
    run = 'suite = "tiny"\n'
    head = HEAD.replace('challenges = ["relu-3x8"]\ndensities = [0.5]\nseeds = 2\n', run)
    grade(head + FAST)
    assert fake.ran() == ["relu-3x8", "circle-3x60"]
    assert fake.densities() == [("planted", 0.5)] * 2
    assert {task.protocol.seeds for task in fake.plans[0].tasks} == {2}
    grade(head.replace(run, run + "densities = [0.25]\nseeds = 5\n") + FAST)
    assert fake.densities() == [(0.25,)] * 2
    assert {task.protocol.seeds for task in fake.plans[1].tasks} == {5}


def test_the_same_bundle_at_another_place_is_not_run_twice(
    grade: Callable[..., Grade], fake: Fake, tmp_path: Path
) -> None:
    shutil.copytree(fake.directory / "relu-3x8", tmp_path / "copies" / "relu-3x8")
    named = F1.replace('"f1"', '"b"', 1) + 'challenge = "copies/relu-3x8"\n'
    marks = grade(HEAD + F1 + named).marks
    assert fake.ran() == ["relu-3x8"]
    assert marks[0].value == marks[1].value == pytest.approx(0.1)


def test_a_criterion_looks_at_its_challenge_and_the_others_at_the_runs(
    grade: Callable[..., Grade], fake: Fake
) -> None:
    fake.changes["circle-3x60"] = {"overlap": {"f1": 0.3}, "seconds": 50.0}
    named = F1.replace('"f1"', '"b"', 1) + 'challenge = "circle-3x60"\n'
    mine, other = grade(HEAD + F1 + named).marks
    assert (mine.value, mine.seconds) == (pytest.approx(0.1), 6.0)
    assert (other.value, other.seconds) == (pytest.approx(0.3), 100.0)


def test_fresh_instances_are_planted_once_for_all_criteria(
    grade: Callable[..., Grade], fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted: list[Any] = []

    def plant(manifests: Any, count: int, secret: str, **_: Any) -> list[Challenge]:
        planted.append(([one["id"] for one in manifests], count, secret))
        like = bundles.load(fake.directory / "circle-3x60")
        return [
            replace(like, id=f"fresh-{number}", digest=f"{number}" * 64) for number in range(count)
        ]

    monkeypatch.setattr(plan, "fresh_challenges", plant)
    monkeypatch.setenv("SECRET", "a secret of the course staff")
    fake.changes["fresh-0"] = {"overlap": {"f1": 0.2}}
    fake.changes["fresh-1"] = {"overlap": {"f1": 0.4}}
    two = F1.replace('"f1"', '"two"', 1) + 'challenge = "circle-3x60"\nfresh = 2\n'
    one = two.replace('"two"', '"one"').replace("fresh = 2", "fresh = 1")
    marks = grade(HEAD + 'fresh_seed_env = "SECRET"\n' + F1 + one + two).marks
    assert [mark.value for mark in marks] == pytest.approx([0.1, 0.2, 0.3])
    assert planted == [(["circle-3x60"], 2, "a secret of the course staff")]
    assert fake.ran() == ["relu-3x8", "fresh-0", "fresh-1"]
    assert fake.densities() == [(0.5,)] * 3
    assert fake.plans[0].fresh == {"0" * 64, "1" * 64}
    assert not fake.plans[0].fresh & fake.plans[0].visible


def test_what_no_pruner_may_read_and_what_a_bench_holds(
    grade: Callable[..., Grade], fake: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Bundles stay closed: those of the catalog, and one at a path of its own."""
    benches: list[Any] = []

    def remember(_: Any) -> Any:
        def measure(criterion: Any, bench: Any) -> Any:
            benches.append(bench)
            return grader._UNLOADABLE

        return SimpleNamespace(measure=measure, expected=lambda _: "")

    monkeypatch.setattr(grader, "kind_of", remember)
    shutil.copytree(fake.directory / "circle-3x60", tmp_path / "circle-3x60")
    grade(HEAD + F1 + F1.replace('"f1"', '"b"', 1) + 'challenge = "circle-3x60"\n')
    hidden = set(fake.plans[0].hidden)
    assert {fake.directory, fake.directory / "relu-3x8", tmp_path / "circle-3x60"} <= hidden
    for bench in benches:
        assert bench.protocol.densities == (0.5,)
        assert {record.pruner for record in bench.mine} == {"mine"}
    assert [[one.id for one in bench.challenges] for bench in benches] == [
        ["relu-3x8"],
        ["circle-3x60"],
    ]


# --- names that do not exist


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'metric = "f1"',
            'metric = "recal"',
            "criterion 'f1': no metric is named 'recal'; did you mean 'recall' or",
        ),
        (
            'metric = "f1"',
            'metric = "qqqqqq"',
            "criterion 'f1': no metric is named 'qqqqqq'; expected one of recovered_accuracy, ",
        ),
        (
            "points = 8",
            'points = 8\nbaseline = "magnitud"',
            "criterion 'f1': no pruner is named 'magnitud'; did you mean 'magnitude'?",
        ),
        (
            '["relu-3x8"]',
            '["relu-3x8", "relu-3x9"]',
            "no challenge is named 'relu-3x9'; did you mean 'relu-3x8' or",
        ),
        ('["relu-3x8"]', '["relu-3x9"]', "no challenge is named 'relu-3x9'; did you mean"),
        (
            'challenges = ["relu-3x8"]',
            'suite = "tinny"',
            "no suite is named 'tinny'; did you mean 'tiny'?",
        ),
        (
            "points = 8",
            'points = 8\nchallenge = "circle-3x61"',
            "no challenge is named 'circle-3x61'; did you mean 'circle-3x60' or",
        ),
        (
            "points = 8",
            'points = 8\nfresh = 1\nchallenge = "circle-3x61"',
            "no challenge is named 'circle-3x61'; did you mean 'circle-3x60' or",
        ),
    ],
)
def test_a_name_that_does_not_exist(
    grade: Callable[..., Grade], fake: Fake, old: str, new: str, message: str
) -> None:
    assert old in HEAD + F1
    text = (HEAD + F1).replace(old, new)
    (name,) = re.findall(r"named '([^']*)'", message)
    line = text[: text.index(f'"{name}"')].count("\n") + 1
    assert refused(grade, text).startswith(f"line {line}: {message}")
    assert fake.requests == []


def test_without_a_suite_or_challenges_the_starter_suite_is_run(
    grade: Callable[..., Grade], fake: Fake
) -> None:
    grade(HEAD.replace('challenges = ["relu-3x8"]\n', "") + F1)
    shipped = Path(__file__).parents[2] / "challenges" / "suites.toml"
    assert fake.ran() == tomllib.loads(shipped.read_text())["starter"]["challenges"]


def test_names_in_hidden_criteria_are_checked_when_they_are_run(
    grade: Callable[..., Grade],
) -> None:
    text = HEAD + F1 + HIDDEN.replace('metric = "f1"', 'metric = "nothing_like_it"')
    grade(text)
    assert "no metric is named 'nothing_like_it'" in refused(grade, text, with_hidden=True)


# --- submissions that cannot be loaded


def unloadable(message: str, line: int | None, **changes: Any) -> Grade:
    fields: dict[str, Any] = {
        "title": "Tiny",
        "submission": "mine.py",
        "pass_share": 0.9,
        "decimals": 3,
        "hidden_visibility": "after_due_date",
        "error": message,
        "error_line": line,
        "format_errors": [message],
        "marks": [
            Mark(
                name="f1",
                description="how it overlaps",
                points=0.0,
                max_points=8.0,
                verdict=MarkVerdict.ERROR,
                expected="f1 at density 0.5, at least 0.4 (points from 0)",
                got="nothing",
                message="the submission cannot be loaded",
            )
        ],
    }
    return Grade(**(fields | changes))


@pytest.mark.parametrize(
    ("plugin", "text", "line", "message", "named"),
    [
        ("{path}", "no prune()", None, "mine.py: no prune()", None),
        ("{path}", "invalid syntax", 4, "mine.py, line 4: invalid syntax", 4),
        ("{path}", "broke at line 12 of 20", None, "mine.py: broke at line 12 of 20", 12),
        ("{path}", "baseline 12", None, "mine.py: baseline 12", None),
        ("{path}", "at line 3", 9, "mine.py, line 9: at line 3", 9),
        ("elsewhere", "is broken", None, "mine.py, elsewhere: is broken", None),
        ("mine.py", "mine.py, line 2: twice\x1b", None, "line 2: twice", 2),
    ],
)
def test_a_submission_that_cannot_be_loaded(
    grade: Callable[..., Grade],
    fake: Fake,
    tmp_path: Path,
    plugin: str,
    text: str,
    line: int | None,
    message: str,
    named: int | None,
) -> None:
    path = str(tmp_path / "mine.py")
    fake.error = PluginError(plugin.format(path=path), text, line=line)
    found = grade(HEAD + F1)
    shown = message if message.startswith("mine.py") else f"mine.py, {message}"
    assert replace(found, seconds=0.0) == unloadable(shown, named, path=path)


@pytest.mark.parametrize(("labels", "count"), [(("one", "two"), 2), (("one", "two", "three"), 3)])
def test_a_file_that_defines_several_pruners(
    grade: Callable[..., Grade], fake: Fake, tmp_path: Path, labels: Sequence[str], count: int
) -> None:
    fake.labels = labels
    names = ", ".join(labels)
    message = f"mine.py: defines {count} pruners, {names}; a graded file defines one"
    found = grade(HEAD + F1)
    path = str(tmp_path / "mine.py")
    assert replace(found, seconds=0.0) == unloadable(message, None, path=path)


def test_a_file_that_asks_for_rewinding(
    grade: Callable[..., Grade], fake: Fake, tmp_path: Path
) -> None:
    fake.rewind = 500
    message = (
        "mine.py: asks to be trained from step 500; grades are for training from the initial "
        "weights: leave out 'rewind'"
    )
    found = grade(HEAD + F1)
    path = str(tmp_path / "mine.py")
    assert replace(found, seconds=0.0) == unloadable(message, None, path=path)


def test_a_file_of_a_very_long_name(grade: Callable[..., Grade], fake: Fake) -> None:
    name = "x" * 240 + ".py"
    fake.error = PluginError(name, "no prune()")
    missing = grade(HEAD + F1, pruner=name, missing_is_zero=True)
    assert missing.submission == "x" * 199 + "…"
    fake.error = None
    fake.labels = ("y" * 201,)
    assert grade(HEAD + F1).submission == "y" * 199 + "…"


def test_a_file_that_was_not_submitted(
    grade: Callable[..., Grade], fake: Fake, tmp_path: Path
) -> None:
    message = "mine.py: was not submitted; submit a file of this name"
    path = str(tmp_path / "nowhere" / "mine.py")
    found = grade(HEAD + F1, pruner=path, missing_is_zero=True)
    assert replace(found, seconds=0.0) == unloadable(message, None, path=path)
    # Whoever grades by hand is told before anything starts.
    count = len(fake.requests)
    with pytest.raises(UsageError, match="does not exist"):
        grade(HEAD + F1, pruner=path)
    assert len(fake.requests) == count
    # A name is no file, and a file that is there is graded.
    assert not grade(HEAD + F1, pruner="magnitude", missing_is_zero=True).error
    assert not grade(HEAD + F1, missing_is_zero=True).error
    for name in ("mine.zip", "mine.ipynb", "folder/"):
        missing = grade(HEAD + F1, pruner=f"{tmp_path}/{name}:rounds=3", missing_is_zero=True)
        assert missing.error.startswith(f"{name.rstrip('/')}: was not submitted"), name


# --- masks that are invalid


def test_invalid_masks_on_visible_challenges_are_told_once(
    grade: Callable[..., Grade], fake: Fake
) -> None:
    invalid = {"status": "invalid", "error": "not\x1b a mask"}
    fake.changes = {"relu-3x8": invalid, "circle-3x60": invalid}
    text = HEAD + F1.replace('"f1"', '"sparse"', 1).replace("= 0.5", "= 0.25") + F1
    expected = [f"relu-3x8 at density {density}: not a mask" for density in ("0.25", "0.5")]
    assert list(grade(text).format_errors) == expected
    # What a hidden criterion alone looks at stays hidden; what a visible one names is told.
    assert list(grade(text + HIDDEN, with_hidden=True).format_errors) == expected
    shown = HIDDEN.replace("hidden = true\n", "")
    told = list(grade(text + shown).format_errors)
    assert told == [*expected, "circle-3x60 at density 0.5: not a mask"]


def test_other_failures_and_other_pruners_are_no_invalid_masks(
    grade: Callable[..., Grade], fake: Fake
) -> None:
    fake.changes = {"relu-3x8": {"status": "crash", "error": "broke"}}
    assert list(grade(HEAD + F1).format_errors) == []
    fake.changes = {}
    fake.theirs = {"relu-3x8": {"status": "invalid", "error": "no mask"}}
    text = HEAD + F1 + 'baseline = "magnitude"\n'
    assert list(grade(text).format_errors) == []


def test_tracebacks_are_handed_over_without_the_challenge(fake, grade):
    told: list[tuple[str, str]] = []
    fake.changes["relu-3x8"] = {"status": "crash", "error": "no", "traceback": "line 3"}
    grade(HEAD + F1, on_errors=told.extend)
    assert ("mine", "line 3") in told
    fake.error = PluginError("mine.py", "cannot be imported", traceback="line 1")
    told.clear()
    grade(HEAD + F1, on_errors=told.extend)
    assert told == [("mine.py", "line 1")]
