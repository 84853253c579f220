"""Grading real submissions, by the command line, on tiny challenges."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import junitparser
import pytest

from plantkit.challenges import keys, sealing
from plantkit.challenges.freezing import seal_bundle
from plantkit.cli.new.scaffolding import new_assignment
from plantkit.evaluation.evaluating import evaluate
from plantkit.grading.criteria import conformance
from plantkit.grading.grade import MarkVerdict
from plantkit.grading.rubric import read_rubric
from plantkit.isolation.levels import AUTO, Level, choose
from plantkit.isolation.probe import probe_machine
from plantkit.scoring.score import seed_score
from plantkit.testing import CHECKS, CheckResult, CheckStatus

RUBRIC = """title = "Tiny"
pass = 0.9
[run]
challenges = ["relu-3x8"]
densities = [0.5]
seeds = 2
time_seconds = 20
[[criteria]]
name = "deterministic"
kind = "determinism"
points = 2
[[criteria]]
name = "exact density"
metric = "density"
density = 0.5
at_most = 0.5
points = 1
[[criteria]]
name = "area"
metric = "area"
track = "strong"
zero_at = -1
at_least = 1
points = 2
[[criteria]]
name = "score"
metric = "score"
zero_at = 0
at_least = 200
points = 200
[[criteria]]
name = "against magnitude"
metric = "recall"
density = "planted"
baseline = "magnitude"
zero_at = -1
at_least = 1
points = 2
[[criteria]]
name = "fast"
metric = "seconds"
seeds = "max"
at_most = 20
points = 1
[[criteria]]
name = "secret challenge"
hidden = true
metric = "density"
challenge = "circle-3x60"
density = 0.5
at_most = 0.5
points = 4
"""
GOOD = """
import torch
def prune(problem, density, seed):
    flat = torch.cat([weight.flatten() for weight in problem.weights.values()]).abs()
    flat = flat.argsort(stable=True).argsort() >= len(flat) - problem.budget
    masks = {}
    for name, weight in problem.weights.items():
        masks[name], flat = flat[:weight.numel()].reshape(weight.shape), flat[weight.numel():]
    return masks
"""
#: No mask at the planted density, another mask each time at 0.5, and a mask of ones on circle.
BAD = """
import torch
def prune(problem, density, seed):
    if density < 0.4:
        raise ValueError("\\x1b[2J::error::]]><b>")
    if problem.task.kind == "classification":
        return problem.weights
    flat = torch.zeros(sum(weight.numel() for weight in problem.weights.values()))
    flat[torch.randperm(len(flat), generator=torch.Generator().manual_seed(
        __import__("time").monotonic_ns()))[:problem.budget]] = 1
    masks = {}
    for name, weight in problem.weights.items():
        masks[name], flat = flat[:weight.numel()].reshape(weight.shape), flat[weight.numel():]
    return masks
"""


@dataclass(frozen=True, kw_only=True)
class Graded:
    """The files of one run of `plantkit grade`."""

    code: int
    out: str
    staff: dict[str, Any]
    gradescope: dict[str, Any]
    prairielearn: dict[str, Any]
    classroom: dict[str, Any]
    junit: Any

    def criteria(self) -> dict[str, dict[str, Any]]:
        return {criterion["name"]: criterion for criterion in self.staff["criteria"]}


@pytest.fixture
def graded(
    tiny_challenges: Path,
    tmp_path: Path,
    plantkit_cli: Callable[..., Any],
    write: Callable[..., Path],
) -> Callable[..., Graded]:
    """Grades a submission's code with every format."""

    def run(code: str, *options: str, rubric: str = RUBRIC) -> Graded:
        rubric_path = tmp_path / "rubric.toml"
        rubric_path.write_text(rubric)
        formats = ["json", "gradescope", "prairielearn", "classroom", "junit"]
        files = {name: tmp_path / f"{name}.out" for name in formats}
        outcome = plantkit_cli(
            "grade",
            write(code),
            "--rubric",
            rubric_path,
            "--challenges",
            tiny_challenges,
            "--jobs",
            "1",
            *options,
            *[text for name, path in files.items() for text in (f"--{name}", path)],
        )
        read = {name: path.read_text() for name, path in files.items()}
        return Graded(
            code=outcome.code,
            out=outcome.out,
            staff=json.loads(read["json"]),
            gradescope=json.loads(read["gradescope"]),
            prairielearn=json.loads(read["prairielearn"]),
            classroom=json.loads(base64.b64decode(read["classroom"])),
            junit=next(iter(junitparser.JUnitXml.fromstring(read["junit"].encode()))),
        )

    return run


def test_a_good_submission(
    graded: Callable[..., Graded], tiny_challenges: Path, tmp_path: Path
) -> None:
    result = graded(GOOD, "--hidden", "show")
    evaluation = evaluate(
        tmp_path / "mine.py",
        challenge="relu-3x8",
        directories=[tiny_challenges],
        density=0.5,
        seeds=2,
        jobs=1,
    ).evaluation
    relu = evaluation.challenges[0]
    at_half = evaluation.records_of("mine", relu)
    scores = [seed_score(relu, [r for r in at_half if r.seed == seed]) for seed in (0, 1)]
    criteria = result.criteria()
    for name in ("deterministic", "exact density", "fast", "secret challenge"):
        assert criteria[name]["points"] == criteria[name]["max_points"], criteria[name]
    protocol = evaluation.protocol
    assert criteria["area"]["value"] == pytest.approx(
        (scores[0].strong_area + scores[1].strong_area) / 2
    )
    # The planted density was only run for one criterion: it is no part of the score.
    assert criteria["score"]["value"] == pytest.approx(
        (scores[0].total(protocol) + scores[1].total(protocol)) / 2
    )
    # The submission is magnitude pruning, so that nothing lies between them.
    assert criteria["against magnitude"]["value"] == 0.0
    assert criteria["against magnitude"]["points"] == 1.0
    assert "secret challenge" in result.out
    total = sum(criterion["points"] for criterion in criteria.values())
    assert result.gradescope["score"] == round(total, 2)
    assert result.staff["max_points"] == 212
    assert result.code == 0  # not passed, but a host reads the file
    assert result.classroom["status"] == "fail"
    assert result.prairielearn["gradable"] is True


def test_a_hostile_submission(graded: Callable[..., Graded]) -> None:
    result = graded(BAD, "--hidden", "run")
    criteria = result.criteria()
    assert criteria["deterministic"]["verdict"] == "failed"
    assert "another mask for the same seed" in criteria["deterministic"]["message"]
    assert criteria["against magnitude"]["verdict"] == "error"
    assert "2 of 2 runs failed" in criteria["against magnitude"]["message"]
    assert "\x1b" not in json.dumps(result.staff)
    # A mask that is none earns nothing where less is better.
    assert criteria["secret challenge"]["verdict"] == "invalid mask"
    assert criteria["secret challenge"]["points"] == 0
    assert "values other than 0 and 1" in criteria["secret challenge"]["message"]
    assert "secret challenge" not in result.out
    assert "::" not in result.out
    kinds = {case.name: [type(one).__name__ for one in case.result] for case in result.junit}
    assert kinds["deterministic"] == ["Failure"]
    assert kinds["against magnitude"] == ["Error"]
    # What is wrong with hidden challenges is not told, so the submission counts as gradable.
    assert result.prairielearn["gradable"] is True
    visible = [test for test in result.gradescope["tests"] if test["visibility"] == "visible"]
    assert len(visible) == 6


def test_a_submission_that_cannot_be_loaded(graded: Callable[..., Graded]) -> None:
    result = graded("x = 1\ndef prune(:\n", "--hidden", "run")
    assert result.code == 0
    assert result.gradescope["score"] == 0
    assert result.staff["error_line"] == 2
    assert {criterion["verdict"] for criterion in result.staff["criteria"]} == {"error"}
    assert result.prairielearn["gradable"] is False
    assert result.classroom["status"] == "error"
    assert result.junit.errors == result.junit.tests == 7


def test_students_run_visible_criteria_only(
    tiny_challenges: Path,
    tmp_path: Path,
    plantkit_cli: Callable[..., Any],
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rubric = tmp_path / "rubric.toml"
    kept = RUBRIC.replace("circle-3x60", "only-staff-has-it").partition('[[criteria]]\nname = "a')
    secret = "[[criteria]]" + RUBRIC.rpartition("[[criteria]]")[2]
    text = kept[0] + secret.replace("circle-3x60", "only-staff-has-it")
    rubric.write_text(text)
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    code = "def prune(problem, density, seed):\n    return {}\n"
    arguments = ["grade", write(code), "--rubric", rubric, "--challenges", tiny_challenges]
    outcome = plantkit_cli(*arguments, "--github")
    assert outcome.code == 1
    assert "0.00 of 3 points: not passed (90% needed)" in outcome.out
    assert "Not run here: 1 hidden criterion of 4 points" in outcome.out
    annotations = [line for line in outcome.out.splitlines() if line.startswith("::")]
    assert len(annotations) == 2
    assert "mask has no entry for 'layers.0.weight'" in annotations[0]
    assert "0 of 3 points" in summary.read_text()
    wrong = plantkit_cli(*arguments, "--hidden", "run")
    assert wrong.code == 2
    line = text[: text.index("only-staff")].count("\n") + 1
    assert f"{rubric}, line {line}: no challenge is named 'only-staff-has-it'" in wrong.err


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"magnitude"', '"magnitud"', "no pruner is named 'magnitud'; did you mean"),
        ('"recall"', '"recal"', "no metric is named 'recal'; did you mean 'recall'"),
        ('["relu-3x8"]', '["relu-3x9"]', "did you mean 'relu-3x8'"),
        ('challenges = ["relu-3x8"]', 'suite = "tinny"', "did you mean 'tiny'"),
    ],
)
def test_what_does_not_exist_names_its_line_and_leaves_the_stub(
    tiny_challenges: Path,
    tmp_path: Path,
    plantkit_cli: Callable[..., Any],
    write: Callable[..., Path],
    old: str,
    new: str,
    words: str,
) -> None:
    rubric, results = tmp_path / "rubric.toml", tmp_path / "results.json"
    assert old in RUBRIC
    text = RUBRIC.replace(old, new)
    rubric.write_text(text)
    outcome = plantkit_cli(
        "grade", write(GOOD), "--rubric", rubric, "--challenges", tiny_challenges,
        "--gradescope", results,
    )  # fmt: skip
    assert outcome.code == 2
    assert words in outcome.err
    line = text[: text.index(new)].count("\n") + 1
    assert f"rubric.toml, line {line}: " in outcome.err
    assert "before it was done" in json.loads(results.read_text())["output"]


FRESH = (
    RUBRIC.partition("[[criteria]]")[0]
    + """
[[criteria]]
name = "new networks"
metric = "density"
challenge = "relu-3x8"
density = 0.5
fresh = 2
at_most = 0.5
points = 1
"""
)


def test_fresh_instances_need_a_secret(
    tiny_challenges: Path,
    tmp_path: Path,
    plantkit_cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PLANTKIT_FRESH_SEED", raising=False)
    (tmp_path / "rubric.toml").write_text(FRESH)
    outcome = plantkit_cli(
        "grade", "random", "--rubric", tmp_path / "rubric.toml", "--challenges", tiny_challenges
    )
    assert outcome.code == 2
    assert "PLANTKIT_FRESH_SEED is not set" in outcome.err


def test_fresh_instances(graded: Callable[..., Graded], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTKIT_FRESH_SEED", "a secret of the course staff")
    result = graded(GOOD, rubric=FRESH)
    assert result.criteria()["new networks"]["value"] == pytest.approx(
        0.5, abs=0.03
    )  # a mask of 25 keeps 12


CONFORMANCE = (
    RUBRIC.partition("[[criteria]]")[0].replace("seeds = 2", "seeds = 1")
    + """
[[criteria]]
name = "valid"
kind = "conformance"
zero_at = 0
points = 4
"""
)
#: Whatever comes of a submission, so many checks count: the suite's but the one that needs
#: trust, and the rubric's runs together.
CONFORMANCE_CHECKS = sum(not check.needs_trust for check in CHECKS) + 1


@pytest.mark.parametrize(
    ("status", "passed", "fault", "told"),
    [
        ("ok", "2 of 4 checks passed", None, ""),
        (
            "invalid",
            "1 of 4 checks passed",
            MarkVerdict.INVALID,
            "\n1 of 1 runs failed\ninvalid: why",
        ),
        ("crash", "1 of 4 checks passed", MarkVerdict.ERROR, "\n1 of 1 runs failed\ncrash: why"),
    ],
)
def test_checks_that_were_not_made_count_as_missed(
    tmp_path: Path, status: str, passed: str, fault: MarkVerdict | None, told: str
) -> None:
    """Of three checks one fails and one is skipped since it failed; the runs are the fourth."""
    (tmp_path / "rubric.toml").write_text(CONFORMANCE)
    (criterion,) = read_rubric(tmp_path / "rubric.toml").criteria
    run = SimpleNamespace(status=status, error="why", seconds=2.0)
    bench: Any = SimpleNamespace(
        challenges=["relu"], records=lambda *_: [run], examine=lambda: MADE
    )
    valid = conformance.measure(criterion, bench)
    assert valid.got == passed
    assert criterion.credit.earned(valid.value) == float(passed[0])
    assert valid.fault is fault
    assert valid.message == (
        f"ties: expected an exact count; got 12\nzeros: not run, after 'ties' failed{told}"
    )
    assert valid.seconds == 2.0
    assert conformance.expected(criterion) == "all checks passed"


def made(check: str, status: CheckStatus, **found: str) -> CheckResult:
    return CheckResult(check=check, description="", status=status, **found)


MADE = [
    made("loads", CheckStatus.OK),
    made("ties", CheckStatus.FAILED, expected="an exact count", got="12"),
    made("zeros", CheckStatus.SKIPPED, reason="after 'ties' failed"),
]


def test_an_invalid_mask_is_no_error_and_changes_no_count(graded: Callable[..., Graded]) -> None:
    """Its first checks pass; the rest needs a mask, and the rubric's runs gave none either."""
    code = "def prune(problem, density, seed):\n    return {'none': 1}\n"
    result = graded(code, rubric=CONFORMANCE)
    valid = result.criteria()["valid"]
    assert valid["got"] == f"2 of {CONFORMANCE_CHECKS} checks passed"  # loads, returns-mask
    assert valid["verdict"] == "invalid mask"
    assert "names: expected exactly the names of problem.weights" in valid["message"]
    assert "1 of 1 runs failed\ninvalid: mask has an entry 'none'" in valid["message"]
    assert "invalid mask" in result.out
    (case,) = result.junit
    assert [type(one).__name__ for one in case.result] == ["Error"]


@pytest.mark.slow
@pytest.mark.parametrize("crashes", [False, True])
def test_the_conformance_suite_itself(graded: Callable[..., Graded], crashes: bool) -> None:
    valid = graded("raise ValueError\n" * crashes + GOOD, rubric=CONFORMANCE).criteria()["valid"]
    if crashes:  # it cannot be loaded, and nothing is run
        assert (valid["got"], valid["verdict"]) == ("nothing", "error")
        return
    assert valid["got"] == f"{CONFORMANCE_CHECKS} of {CONFORMANCE_CHECKS} checks passed"
    assert valid["verdict"] == "passed", valid["message"]


@pytest.mark.slow
def test_the_count_is_the_same_for_an_installed_pruner(
    tmp_path: Path, tiny_challenges: Path, plantkit_cli: Callable[..., Any]
) -> None:
    (tmp_path / "rubric.toml").write_text(CONFORMANCE)
    outcome = plantkit_cli(
        "grade", "magnitude", "--rubric", tmp_path / "rubric.toml", "--challenges", tiny_challenges
    )
    assert f"{CONFORMANCE_CHECKS} of {CONFORMANCE_CHECKS} checks passed" in " ".join(
        outcome.out.split()
    )


def test_a_grader_that_breaks_off_leaves_the_stub(
    tmp_path: Path,
    tiny_challenges: Path,
    plantkit_cli: Callable[..., Any],
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def break_off(*_: object, **__: object) -> None:
        raise RuntimeError("no more memory")

    broken = SimpleNamespace(measure=break_off)
    monkeypatch.setitem(sys.modules, "plantkit.grading.criteria.metric", broken)
    (tmp_path / "rubric.toml").write_text(RUBRIC)
    results = tmp_path / "results.json"
    arguments = ["grade", write(GOOD), "--rubric", tmp_path / "rubric.toml"]
    arguments += ["--challenges", tiny_challenges, "--prairielearn", results]
    assert plantkit_cli(*arguments).code == 3
    stub = json.loads(results.read_text())
    assert stub["gradable"] is False
    assert "before it was done" in stub["format_errors"][0]


def test_a_missing_submission(
    tmp_path: Path, tiny_challenges: Path, plantkit_cli: Callable[..., Any]
) -> None:
    (tmp_path / "rubric.toml").write_text(RUBRIC)
    arguments = ["grade", tmp_path / "mine.py", "--rubric", tmp_path / "rubric.toml"]
    arguments += ["--challenges", tiny_challenges]
    assert plantkit_cli(*arguments).code == 2
    results = tmp_path / "results.json"
    outcome = plantkit_cli(*arguments, "--gradescope", results)
    assert outcome.code == 0
    assert "mine.py: was not submitted" in json.loads(results.read_text())["output"]


def test_a_file_that_cannot_be_written(tmp_path: Path, plantkit_cli: Callable[..., Any]) -> None:
    (tmp_path / "directory").mkdir()
    outcome = plantkit_cli(
        "grade", "magnitude", "--rubric", "r.toml", "--junit", tmp_path / "none" / "x.xml"
    )
    assert outcome.code == 2
    assert "is not a directory" in outcome.err


@pytest.mark.slow
def test_isolation_reaches_every_criterion(graded: Callable[..., Graded]) -> None:
    """A submission that reads this file of tests can do so without full isolation only."""
    peek = f"open({str(Path(__file__))!r}).close()\n"
    rubric = RUBRIC.partition('[[criteria]]\nname = "exact')[0]
    code = GOOD.replace("    flat =", f"    {peek}    flat =", 1)
    assert graded(code, "--isolation", "process", rubric=rubric).staff["points"] == 4
    if choose(AUTO, probe_machine())[0] is Level.FULL:
        assert graded(code, "--isolation", "full", rubric=rubric).staff["points"] == 0


def test_a_sealed_challenge_needs_its_key(
    graded: Callable[..., Graded],
    tiny_challenges: Path,
    tmp_path: Path,
    plantkit_cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(sealing.KEY_VARIABLE, raising=False)
    key = sealing.SecretKey.generate()
    keys.write_keys(key, tmp_path / "contest.key")
    sealed = seal_bundle(tiny_challenges / "relu-3x8", key.public, tmp_path / "sealed" / "relu-3x8")
    rubric = f'''title = "Sealed"
pass = 1
[run]
challenges = ["{sealed}"]
densities = [0.5]
seeds = 1
[[criteria]]
name = "finds the ticket"
metric = "recall"
density = 0.5
at_least = 0
points = 1
'''
    result = graded(GOOD, "--key", str(tmp_path / "contest.key"), rubric=rubric)
    assert (result.staff["points"], result.staff["share"]) == (1, 1)
    (tmp_path / "r.toml").write_text(rubric)
    outcome = plantkit_cli("grade", "random", "--rubric", tmp_path / "r.toml")
    assert outcome.code == 2
    assert "is sealed, and no key was given" in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("rubric", ["example", "assignment"])
def test_the_rubrics_tell_good_pruners_from_bad_ones(
    rubric: str, tmp_path: Path, plantkit_cli: Callable[..., Any]
) -> None:
    """Half of the points pass; the comments in the rubrics state what was measured, and other
    machines may train a little differently."""
    root = Path(__file__).resolve().parents[2]
    path = root / "examples/rubric.toml"
    if rubric == "assignment":
        new_assignment(tmp_path / "course")
        path = tmp_path / "course/staff/rubric.toml"
    stated = {
        "example": {"random": 15.6, "my_pruner": 28.0, "magnitude": 45.0, "synflow": 100.0},
        "assignment": {"random": 20.0, "magnitude": 45.0, "synflow": 100.0},
    }[rubric]
    for pruner, points in stated.items():
        given = root / "submissions/my_pruner.py" if pruner == "my_pruner" else pruner
        outcome = plantkit_cli(
            "grade", given, "--rubric", path, "--hidden", "run", "--json", tmp_path / "staff.json"
        )
        staff = json.loads((tmp_path / "staff.json").read_text())
        assert staff["points"] == pytest.approx(points, abs=6), pruner
        assert staff["passed"] is (pruner == "synflow"), pruner
        assert outcome.code == (0 if staff["passed"] else 1)
