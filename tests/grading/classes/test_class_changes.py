"""What a grading depends on, and what becomes of earlier ones: all that can change in a class."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plantkit.challenges.freezing import freeze_anew
from plantkit.errors import RubricError, UsageError
from plantkit.evaluation.requests import Request
from plantkit.grading.classes.directory import ClassDirectory
from plantkit.grading.classes.graded import ERROR, GRADED, MISSING, GradedHandIn
from plantkit.grading.classes.grading import grade_class
from plantkit.grading.classes.job import ClassJob
from plantkit.grading.classes.likenesses import find_likenesses
from plantkit.grading.classes.reports import write_reports
from plantkit.grading.classes.state import State
from plantkit.grading.grade import Grade, Mark, MarkVerdict
from plantkit.grading.handins import HandIns, read_handins
from plantkit.grading.rubric import Rubric, read_rubric
from plantkit.isolation.levels import Level

RUBRIC = """title = "Tiny"
pass = 0.5
[run]
challenges = ["relu-3x8"]
densities = [0.5]
seeds = 1
time_seconds = 20
[[criteria]]
name = "recall"
metric = "recall"
zero_at = -1
at_least = 1
density = 0.5
points = 4
"""
FRESH = """[[criteria]]
name = "fresh"
metric = "recall"
zero_at = 0
at_least = 1
challenge = "relu-3x8"
density = 0.5
fresh = 1
points = 4
"""
ONES = (
    "def prune(problem, density, seed):\n"
    "    return {name: weight * 0 + 1 for name, weight in problem.weights.items()}\n"
)


def a_grade(points: float) -> Grade:
    mark = Mark(name="recall", points=points, max_points=4.0, verdict=MarkVerdict.PARTIAL)
    return Grade(title="Tiny", submission="x", path=None, marks=[mark], pass_share=0.5)


class Class:
    """A class on disk; nothing is run but by `grade`."""

    def __init__(self, root: Path, challenges: Path) -> None:
        self.root, self.out = root, root / "out"
        self.folder = root / "class"
        self.challenges = challenges
        self.rubric_text = RUBRIC

    def hand_in(self, *names: str, text: str = ONES) -> None:
        for name in names:
            file = self.folder / name / "my_pruner.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")

    @property
    def rubric(self) -> Rubric:
        path = self.root / "rubric.toml"
        path.write_text(self.rubric_text, encoding="utf-8", newline="\n")
        return read_rubric(path)

    def job(self, **options: Any) -> ClassJob:
        isolation = options.pop("isolation", "auto")
        request = Request(
            pruners=["class"],
            challenge_directories=[self.challenges],
            jobs=1,
            isolation=isolation,
        )
        return ClassJob.of(self.rubric, request, **options)

    def handins(self, **options: Any) -> HandIns:
        return read_handins(self.folder, work=self.root / "work", **options)

    def state(self, directory: ClassDirectory, **options: Any) -> State:
        return State(self.job(**options), self.handins(host="plain"), directory)

    def keep(self, points: Mapping[str, float]) -> None:
        """Keeps a grade of each, as if it had been graded now."""
        with ClassDirectory(self.out) as directory:
            state = self.state(directory)
            for one in self.handins(host="plain").handins:
                if one.id in points:
                    state.keep(one, GRADED, grade=a_grade(points[one.id]))
            self.report(directory, state)

    def report(self, directory: ClassDirectory, state: State) -> list[GradedHandIn]:
        graded = state.all()
        write_reports(directory, graded, self.handins(host="plain"), self.rubric)
        return graded

    @property
    def feedback(self) -> set[str]:
        return {path.name for path in (self.out / "feedback").iterdir()}


@pytest.fixture
def some(tmp_path: Path, tiny_challenges: Path) -> Class:
    made = Class(tmp_path, tiny_challenges)
    made.hand_in("ann", "bob", "cy", "dee")
    made.keep({"ann": 1.0, "bob": 2.0, "cy": 3.0, "dee": 4.0})
    return made


def test_challenges_that_changed_are_noticed(some: Class, tmp_path: Path) -> None:
    with ClassDirectory(some.out) as directory:
        assert some.state(directory).due() == []
        other = tmp_path / "challenges"
        other.mkdir()
        shutil.copytree(some.challenges / "circle-3x60", other / "relu-3x8")
        manifest = other / "relu-3x8/challenge.json"
        text = manifest.read_text(encoding="utf-8").replace('"circle-3x60"', '"relu-3x8"')
        manifest.write_text(text, encoding="utf-8", newline="\n")
        freeze_anew(other / "relu-3x8")
        some.challenges = other
        state = some.state(directory)
        due = state.due()
        assert [one.id for one in due] == ["ann", "bob", "cy", "dee"]
        state.keep(due[0], GRADED, grade=a_grade(0.0))
        assert directory.last()["ann"].why == "challenges changed"


def test_a_challenge_that_does_not_exist_is_told_before_anything_is_written(
    some: Class, tmp_path: Path, plantkit_cli: Callable[..., Any]
) -> None:
    some.rubric_text = RUBRIC.replace("relu-3x8", "relu-3x9")
    with pytest.raises(RubricError, match="no challenge is named 'relu-3x9'"):
        some.job()
    outcome = plantkit_cli(
        *("grade-class", some.folder, "--rubric", tmp_path / "rubric.toml"),
        *("-o", tmp_path / "new", "--challenges", some.challenges),
    )
    assert outcome.code == 2
    assert not (tmp_path / "new").exists()


def test_most_of_a_class_does_not_vanish_unseen(some: Class) -> None:
    for name in ("ann", "bob", "cy"):
        shutil.rmtree(some.folder / name)
    with ClassDirectory(some.out) as directory:
        before = list(directory.records)
        with pytest.raises(UsageError, match=r"3 of the 4 .* read as plain: ann, bob, cy; check"):
            grade_class(some.job(), some.handins(host="plain"), directory, warn=pytest.fail)
        assert directory.records == before
        grade_class(
            some.job(may_lose=True), some.handins(host="plain"), directory, warn=pytest.fail
        )
    some.hand_in("bob")  # half of them: that may be
    with ClassDirectory(some.out) as directory:
        some.state(directory).check_class()


def test_a_wrong_folder_changes_no_file(
    some: Class, tmp_path: Path, plantkit_cli: Callable[..., Any]
) -> None:
    def files() -> dict[str, bytes]:
        there = [path for path in some.out.rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in there}

    some.folder = tmp_path / "another"
    some.hand_in("eve", "fay")
    before = files()
    outcome = plantkit_cli(
        *("grade-class", some.folder, "--rubric", tmp_path / "rubric.toml", "-o", some.out),
        *("--challenges", some.challenges),
    )
    assert outcome.code == 2
    assert "4 of the 4 hand-ins that have a grade are not there any more" in outcome.err
    assert "give --host plain if they are to lose their grades" in outcome.err
    assert files() == before


def test_only_one_row_changes(some: Class, tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text("id,name\nann,Ann\nbob,Bob\ncy,Cy\ndee,Dee\neve,Eve\n")
    shutil.rmtree(some.folder / "bob")
    handins = some.handins(host="plain", roster=tmp_path / "roster.csv")
    with ClassDirectory(some.out) as directory:
        assert {one.id for one in State(some.job(), handins, directory).missing()} == {"bob", "eve"}
        state = State(some.job(only=["ann"]), handins, directory)
        assert state.missing() == []
        assert [one.id for one in state.due()] == ["ann"]
        assert [one.id for one in State(some.job(only=["bob"]), handins, directory).missing()] == [
            "bob"
        ]


def test_a_grade_stays_where_grading_again_fails(some: Class) -> None:
    with ClassDirectory(some.out) as directory:
        state = some.state(directory)
        ann, bob, *_ = some.handins(host="plain").handins
        state.keep(ann, ERROR, "the disk is full")
        state.keep(bob, MISSING)
        state.keep(bob, ERROR, "the disk is full")
        graded = {one.handin.id: one for one in some.report(directory, state)}
    assert graded["ann"].status == ERROR
    assert graded["ann"].grade is not None
    assert graded["ann"].grade.points == 1.0
    assert graded["bob"].grade is None  # it had been taken back
    book = (some.out / "gradebooks/gradebook.csv").read_text(encoding="utf-8").splitlines()
    row = next(line for line in book if line.startswith("ann,"))
    assert "error,1," in row
    assert f"the grade of {graded['ann'].graded}; could not be graded again: the disk" in row
    assert {"ann.md", "ann.html"} <= some.feedback
    assert "bob.md" not in some.feedback
    with ClassDirectory(some.out) as directory:
        assert [one.id for one in some.state(directory).due()] == ["ann", "bob"]


def test_feedback_is_as_things_are_now(some: Class) -> None:
    file = some.out / "feedback/ann.md"
    first = file.read_text(encoding="utf-8")
    file.unlink()  # as if it had been killed before
    (some.out / "feedback/notes.md").write_text("mine")
    shutil.rmtree(some.folder / "dee")
    with ClassDirectory(some.out) as directory:
        some.report(directory, some.state(directory))
        assert file.read_text(encoding="utf-8") == first
        assert some.feedback == {
            *(f"{one}{end}" for one in ("ann", "bob", "cy") for end in (".md", ".html")),
            "notes.md",
        }
        late = [
            replace(one, handin=replace(one.handin, late=True))
            for one in some.state(directory).all()
        ]
        write_reports(directory, late, some.handins(host="plain"), some.rubric)
    assert "Handed in late." in file.read_text(encoding="utf-8")


def test_runs_of_other_files_are_compared_with_nothing(
    some: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plantkit.grading.classes import likenesses

    seen: dict[str, Any] = {}
    monkeypatch.setattr(ClassDirectory, "masks_of", lambda _, one: {"run": one})
    monkeypatch.setattr(ClassDirectory, "records_of", lambda _, one: [one])
    monkeypatch.setattr(likenesses, "find_copies", lambda *given: seen.update(masks=given[2]) or [])
    monkeypatch.setattr(
        likenesses, "find_memories", lambda records, _: seen.update(records=records) or []
    )
    some.hand_in("bob", text=ONES + "# changed\n")
    with ClassDirectory(some.out) as directory:
        state = some.state(directory)
        state.keep(some.handins(host="plain").handins[1], ERROR, "no")
        find_likenesses(directory, state.all(), [])
    assert seen["records"].keys() == {"ann", "cy", "dee"}
    assert seen["masks"]["bob"] == {}
    assert seen["masks"]["ann"] == {"run": "ann"}


def test_what_is_graded_is_what_was_there(tmp_path: Path, tiny_challenges: Path) -> None:
    """At levels below full one hand-in can rewrite another's files while the class is graded."""
    some = Class(tmp_path, tiny_challenges)
    some.hand_in("ann", "bob")
    (some.folder / "bob/my_pruner.py").write_text("def prune(:\n")

    def tamper(graded: list[GradedHandIn]) -> None:
        if not any(one.status for one in graded):
            some.hand_in("ann", text=ONES.replace("0 + 1", "1"))

    warned: list[str] = []
    with ClassDirectory(some.out) as directory:
        job, handins = some.job(isolation="watched"), some.handins()
        graded = grade_class(
            job, handins, directory, warn=lambda one: warned.append(str(one)), on_graded=tamper
        )
        ann, bob = graded
        assert (ann.status, ann.grade) == (ERROR, None)
        assert ann.message == "its files changed while the class was graded"
        assert (bob.status, bob.grade and bob.grade.points) == (GRADED, 0.0)
        assert directory.records_of("ann") == []
        assert sum("hand-ins can read and change what you can" in one for one in warned) == 1
        ann, _ = grade_class(job, some.handins(), directory, warn=lambda _: None)
        assert ann.status == GRADED


def test_a_secret_that_hand_ins_could_read_is_not_used(
    some: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    some.rubric_text = RUBRIC.replace("[[criteria]]", 'fresh_seed_env = "SECRET"\n[[criteria]]')
    some.rubric_text += FRESH
    monkeypatch.delenv("SECRET", raising=False)
    with pytest.raises(UsageError, match="need the environment variable SECRET here"):
        some.job(isolation="watched")
    full = some.job()
    if full.level is Level.FULL:
        assert full.fresh_secret is None
    monkeypatch.setenv("SECRET", "s" * 40)
    assert some.job(isolation="watched").fresh_secret == "s" * 40
