"""A Codabench bundle, its programs run by its own commands in Codabench's layout."""

from __future__ import annotations

import json
import runpy
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from plantkit.challenges.bundles import Challenge
from plantkit.exports.codabench.plan import Plan
from plantkit.exports.codabench.scoring import score

COMPETITION_KEYS = {
    "version", "title", "description", "image", "terms", "docker_image",
    "registration_auto_approve", "make_programs_available", "make_input_data_available",
    "enable_detailed_results", "pages", "phases", "tasks", "solutions", "leaderboards",
}  # fmt: skip
PHASE_KEYS = {
    "index", "name", "description", "start", "max_submissions_per_day", "execution_time_limit",
    "hide_prediction_output", "starting_kit", "tasks",
}  # fmt: skip
TASK_KEYS = {
    "index", "name", "description", "input_data", "reference_data", "ingestion_program",
    "scoring_program",
}  # fmt: skip
COLUMN_KEYS = {"title", "key", "index", "sorting", "precision"}
HOSTILE = """
def prune(problem, density, seed):
    if density == 0.5:
        raise ValueError("<script>alert(1)</script>\\x00")
    return {name: weight * 0 for name, weight in problem.weights.items()}
"""


@pytest.fixture(scope="session")
def bundle(tiny_challenges: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked bundle of the suite `tiny`, one seed."""
    from plantkit.exports.codabench.bundle import Competition, export

    root = tmp_path_factory.mktemp("codabench")
    competition = Competition(suite="tiny", docker_image="example.org/plantkit:1", seeds=1)
    assert export(competition, root / "bundle.zip", [tiny_challenges]) == [
        "relu-3x8",
        "circle-3x60",
    ]
    with zipfile.ZipFile(root / "bundle.zip") as archive:
        archive.extractall(root / "bundle")
    return root / "bundle"


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    code: int
    out: str
    err: str


def run_program(app: Path, program: Path, capfd: Any, *, separately: bool) -> Ended:
    """Runs a program as its metadata.yaml says, with /app somewhere else: in a process of its
    own as Codabench does, or, which is faster, in this one."""
    shutil.copytree(program, app / "program", dirs_exist_ok=True)
    command = yaml.safe_load((program / "metadata.yaml").read_text())["command"]
    words = shlex.split(command.replace("/app/", f"{app}/"))
    assert words[0] == "python3"
    if separately:
        done = subprocess.run(
            [sys.executable, *words[1:]], capture_output=True, text=True, timeout=120, check=False
        )
        return Ended(done.returncode, done.stdout, done.stderr)
    code = runpy.run_path(words[1])["main"](words[2:])
    captured = capfd.readouterr()
    return Ended(code, captured.out, captured.err)


Run = Callable[..., Any]


@pytest.fixture
def submit_to(tmp_path: Path, capfd: Any) -> Run:
    """Runs ingestion and scoring of a submission's files on an unpacked bundle; returns how both
    ended, and scoring's directory."""

    def run(bundle: Path, files: Mapping[str, str], *, separately: bool = False) -> Any:
        ingestion = tmp_path / "ingestion" / "app"
        shutil.copytree(bundle / "input_data", ingestion / "input_data")
        (ingestion / "output").mkdir()
        (ingestion / "ingested_program").mkdir()
        for name, text in files.items():
            (ingestion / "ingested_program" / name).write_text(text)
        first = run_program(ingestion, bundle / "ingestion_program", capfd, separately=separately)
        if first.code:
            return first, None, None
        scoring = tmp_path / "scoring" / "app"
        shutil.copytree(bundle / "reference_data", scoring / "input" / "ref")
        shutil.copytree(ingestion / "output", scoring / "input" / "res")
        (scoring / "output").mkdir()
        second = run_program(scoring, bundle / "scoring_program", capfd, separately=separately)
        return first, second, scoring

    return run


@pytest.fixture
def submit(bundle: Path, submit_to: Run) -> Run:
    """The same on the open bundle, where scoring must not fail."""

    def run(files: Mapping[str, str], *, separately: bool = False) -> Any:
        first, second, scoring = submit_to(bundle, files, separately=separately)
        assert second is None or second.code == 0, second.err
        return first, second, scoring

    return run


def leaderboard(bundle: Path) -> list[dict[str, Any]]:
    value = yaml.safe_load((bundle / "competition.yaml").read_text())
    columns: list[dict[str, Any]] = value["leaderboards"][0]["columns"]
    return columns


def test_competition_yaml_has_the_documented_fields(bundle: Path) -> None:
    value = yaml.safe_load((bundle / "competition.yaml").read_text())
    assert set(value) == COMPETITION_KEYS
    assert value["version"] == 2
    assert value["docker_image"] == "example.org/plantkit:1"
    assert all(set(page) == {"title", "file"} for page in value["pages"])
    assert [set(phase) for phase in value["phases"]] == [PHASE_KEYS]
    assert [set(task) for task in value["tasks"]] == [TASK_KEYS]
    assert all(set(column) == COLUMN_KEYS for column in leaderboard(bundle))
    assert [column["index"] for column in leaderboard(bundle)] == list(
        range(len(leaderboard(bundle)))
    )


def test_every_path_in_competition_yaml_exists(bundle: Path) -> None:
    value = yaml.safe_load((bundle / "competition.yaml").read_text())
    paths = [value["image"], value["terms"], *(page["file"] for page in value["pages"])]
    paths += [value["phases"][0]["starting_kit"], value["solutions"][0]["path"]]
    keys = ("input_data", "reference_data", "ingestion_program", "scoring_program")
    paths += [value["tasks"][0][key] for key in keys]
    for path in paths:
        assert (bundle / path).exists(), path
    assert (bundle / "logo.png").read_bytes().startswith(b"\x89PNG")
    for page in [*bundle.rglob("*.md")]:
        assert not {"{{", "{%", "}}"} & set(page.read_text().split())


def test_organisers_read_the_commands_that_codabench_runs(bundle: Path) -> None:
    page = (bundle / "ORGANISERS.md").read_text()
    for name in ("ingestion", "scoring"):
        metadata = yaml.safe_load((bundle / f"{name}_program" / "metadata.yaml").read_text())
        assert f"example.org/plantkit:1 {metadata['command']}\n" in page


def test_participants_get_no_truth(bundle: Path, circle: Challenge) -> None:
    """What ingestion and participants see holds none of the truth's tensors."""
    truth = load_file(circle.path / "truth.safetensors")
    public = [*(bundle / "input_data").rglob("*"), *(bundle / "starting_kit").rglob("*")]
    names = {path.name for path in public if path.is_file()}
    assert names == {
        "plan.json", "problem.json", "weights.safetensors", "train.safetensors",
        "my_pruner.py", "README.md",
    }  # fmt: skip
    for path in public:
        if path.suffix != ".safetensors":
            continue
        for name, tensor in load_file(path).items():
            assert not name.startswith(("ticket", "test", "salt"))
            assert not any(
                tensor.shape == secret.shape and torch.equal(tensor, secret.to(tensor.dtype))
                for secret in truth.values()
            )
    assert (bundle / "reference_data" / "circle-3x60" / "truth.safetensors").exists()


@pytest.mark.slow
def test_the_sample_solution_scores_as_it_does_with_plantkit(
    bundle: Path,
    submit: Callable[..., Any],
    tiny_challenges: Path,
    plantkit_cli: Callable[..., Any],
) -> None:
    code = (bundle / "solution" / "my_pruner.py").read_text()
    first, _, scoring = submit({"my_pruner.py": code, "notes.txt": "x"}, separately=True)
    assert "4 masks written" in first.out
    scores = json.loads((scoring / "output" / "scores.json").read_text())
    assert list(scores) == [column["key"] for column in leaderboard(bundle)]
    assert scores["failures"] == 0
    outcome = plantkit_cli(
        "evaluate", bundle / "solution" / "my_pruner.py", "--suite", "tiny", "--seeds", "1",
        "--challenges", tiny_challenges, "--baselines", "none", "--jobs", "1", "--format", "json",
    )  # fmt: skip
    (standing,) = json.loads(outcome.out)["standings"]
    for key in ("score", "strong_area", "weak_area", "f1"):
        assert scores[key] == pytest.approx(standing[key], abs=1e-6), key
    assert scores["score"] == pytest.approx(
        (scores["score_relu_3x8"] + scores["score_circle_3x60"]) / 2
    )


def test_a_failing_submission_scores_and_is_told_why(
    bundle: Path, submit: Callable[..., Any], circle: Challenge
) -> None:
    _, _, scoring = submit({"helper.py": "x = 1", "pruner.py": HOSTILE})
    scores = json.loads((scoring / "output" / "scores.json").read_text())
    assert scores["failures"] == 2
    assert set(scores) == {column["key"] for column in leaderboard(bundle)}
    details = (scoring / "output" / "detailed_results.html").read_text()
    assert "<script" not in details
    assert "&lt;script&gt;" in details
    assert "\x00" not in details

    # Results that were tampered with after ingestion count as what they are.
    results = scoring / "input" / "res"
    plan = Plan.read(bundle / "reference_data")
    runs = [run for run in plan.runs() if run.challenge == circle.id]
    lies = f'{{"seconds": {"9" * 400}, "peak_rss_mib": -1, "status": "ok", "error": 7}}'
    told = ", ".join(f'"{run.file}": {lies}' for run in runs)
    (results / "attempts.json").write_text(f'{{"x": [1], {told}, "seconds": Infinity}}')
    full = {f"mask.{name}": torch.ones(shape) for name, shape in circle.network.shapes.items()}
    save_file(full, results / runs[0].file)
    (results / runs[1].file).parent.mkdir(exist_ok=True)
    (results / runs[1].file).write_bytes(b"\xff" * 100)
    again = score(scoring / "input", scoring / "output")
    parts = (again["score_relu_3x8"], again["score_circle_3x60"])
    assert again["score"] == pytest.approx(sum(parts) / 2)
    assert again["seconds"] == 0
    assert again["failures"] == 3  # one more mask is none; those that crashed left none


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "holds no Python file"),
        ({"a.py": "", "b.py": ""}, "holds 2 Python files"),
        ({"a.py": "def prune(:"}, "line 1"),
        (
            {"a.py": "def prune(problem, density, seed): ...\nprune.rewind = 5"},
            "asks to be trained from step 5",
        ),
    ],
)
def test_a_submission_that_cannot_be_loaded_fails_with_a_reason(
    submit: Callable[..., Any], files: dict[str, str], words: str
) -> None:
    first, _, _ = submit(files)
    assert first.code == 1
    assert words in first.err
    assert "Traceback" not in first.err


def test_the_command(
    tmp_path: Path, tiny_challenges: Path, plantkit_cli: Callable[..., Any]
) -> None:
    arguments = ["export", "codabench", "--challenges", tiny_challenges, "--docker-image", "x:1"]
    target = tmp_path / "bundle.zip"
    outcome = plantkit_cli(
        *arguments, "--suite", "tiny", "-o", target, "--start", "2030-01-02", "--title", "a: b|c"
    )
    assert outcome.code == 0
    assert "never to participants" in outcome.err
    with zipfile.ZipFile(target) as archive:
        value = yaml.safe_load(archive.read("competition.yaml"))
    assert value["title"] == "a: b|c"
    assert value["phases"][0]["start"] == "2030-01-02 00:00:00"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.zip"]
    wrong = plantkit_cli(*arguments, "--suite", "tinny", "-o", target)
    assert wrong.code == 2
    assert "did you mean 'tiny'" in wrong.err
