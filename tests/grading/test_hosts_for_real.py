"""The assignment's scripts where hosts run them: Gradescope's container and GitHub's runner."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hosts import Gradescope, Workflow, borrow, fresh_environment, scripts_here, use_tiny_rubric

from plantkit.cli.new.scaffolding import new_assignment

pytestmark = pytest.mark.posix
ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ".github/workflows/grade.yml"
BY_MAGNITUDE = """
import torch

def prune(problem, density, seed):
    weights = problem.weights
    importance = torch.cat([w.abs().flatten() for w in weights.values()])
    keep = torch.zeros(len(importance), dtype=torch.bool)
    keep[importance.topk(problem.budget).indices] = True
    pieces = keep.split([w.numel() for w in weights.values()])
    return {n: p.reshape(weights[n].shape) for n, p in zip(weights, pieces)}
"""
KILLS_ITSELF = "import os\n\ndef prune(problem, density, seed):\n    os.kill(os.getpid(), 9)\n"
WRITES_ITS_GRADE = """
import glob

def prune(problem, density, seed):
    print('{"score": 100}')
    for path in ["RESULTS", *glob.glob("/tmp/**/results/results.json")]:
        try:
            open(path, "w").write('{"score": 100}')
        except OSError:
            pass
    raise SystemExit(0)
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory, tiny_challenges: Path) -> Path:
    course = tmp_path_factory.mktemp("hosts") / "course"
    new_assignment(course)
    use_tiny_rubric(course, tiny_challenges)
    return course


@pytest.fixture
def gradescope(course: Path, tmp_path: Path) -> Gradescope:
    return Gradescope.built(course, tmp_path / "autograder")


def results(host: Gradescope) -> dict[str, Any]:
    """Returns what the host reads, checked against its field list."""
    value: dict[str, Any] = json.loads((host.root / "results/results.json").read_text())
    fields = Path(__file__).parent / "formats/gradescope.schema.json"
    jsonschema.Draft202012Validator(json.loads(fields.read_text())).validate(value)
    return value


@pytest.mark.parametrize(
    ("code", "score"),
    [
        pytest.param(BY_MAGNITUDE, 15.0, id="good"),
        pytest.param(WRITES_ITS_GRADE, 0.0, id="hostile"),
        pytest.param(KILLS_ITSELF, 0.0, id="killed", marks=pytest.mark.slow),
        pytest.param("def prune(:", 0.0, id="broken", marks=pytest.mark.slow),
    ],
)
def test_gradescope_grades_what_is_submitted(
    gradescope: Gradescope, code: str, score: float
) -> None:
    code = code.replace("RESULTS", str(gradescope.root / "results/results.json"))
    (gradescope.root / "submission/my_pruner.py").write_text(code)
    done = gradescope.run("run_autograder", AUTOGRADER_PLANTKIT=str(scripts_here() / "plantkit"))
    assert done.returncode == 0, done.stdout + done.stderr
    found = results(gradescope)
    assert [(test["name"], test["visibility"]) for test in found["tests"]] == [
        ("Sparse enough", "visible"),
        ("The same, hidden", "hidden"),
    ]
    assert found["score"] == score


def test_gradescope_gets_a_file_for_nothing(gradescope: Gradescope) -> None:
    done = gradescope.run("run_autograder", AUTOGRADER_PLANTKIT=str(scripts_here() / "plantkit"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "my_pruner.py is missing" in results(gradescope)["output"]


@pytest.mark.slow
def test_gradescope_builds_and_grades(tmp_path: Path, tiny_challenges: Path) -> None:
    """With the wheel of this checkout in an environment of its own, as setup.sh makes it."""
    course = tmp_path / "course"
    new_assignment(course, plantkit_from=str(ROOT))
    use_tiny_rubric(course, tiny_challenges)
    host = Gradescope.built(course, tmp_path / "autograder")
    done = host.run("source/setup.sh", AUTOGRADER_PYTHON=sys.executable, PIP_NO_DEPS="1")
    assert done.returncode == 0, done.stdout + done.stderr
    borrow(host.root / "source/.venv")
    (host.root / "submission/my_pruner.py").write_text(BY_MAGNITUDE)
    done = host.run("run_autograder")
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(host)["score"] == 15


@pytest.fixture
def workflow(course: Path, tmp_path: Path) -> Workflow:
    repository = tmp_path / "repository"
    shutil.copytree(course, repository, ignore=shutil.ignore_patterns("staff"))
    (tmp_path / "runner").mkdir()
    return Workflow(repository, scripts_here(), tmp_path / "runner")


def test_github_runs_every_step(workflow: Workflow) -> None:
    (workflow.repository / "submissions/my_pruner.py").write_text(BY_MAGNITUDE)
    workflow.run(workflow.repository / WORKFLOW, "grade", skip="pip install")
    assert [step.code for step in workflow.steps] == [0, 0], workflow.steps
    assert [step.command.split()[1] for step in workflow.steps] == ["check", "grade"]
    assert "**10 of 10 points**, passed" in workflow.summary
    assert "Hidden criteria were not run here" in workflow.summary


def test_github_grades_what_fails_its_checks(workflow: Workflow) -> None:
    (workflow.repository / "submissions/my_pruner.py").write_text("def prune(:\n")
    workflow.run(workflow.repository / WORKFLOW, "grade", skip="pip install")
    assert [step.code for step in workflow.steps] == [1, 1], workflow.steps
    assert "::error file=submissions/my_pruner.py,line=1,title=Tiny::" in workflow.steps[1].out
    assert "**0 of 10 points**" in workflow.summary


@pytest.mark.slow
def test_github_installs_and_runs_every_step(tmp_path: Path, tiny_challenges: Path) -> None:
    """With `pip install`, of the wheel of this checkout, in an environment of its own."""
    repository = tmp_path / "repository"
    new_assignment(repository, plantkit_from=str(ROOT))
    use_tiny_rubric(repository, tiny_challenges)
    (repository / "submissions/my_pruner.py").write_text(BY_MAGNITUDE)
    (tmp_path / "runner").mkdir()
    scripts = fresh_environment(tmp_path / "environment")
    (tmp_path / "runner/.config/pip").mkdir(parents=True)
    (tmp_path / "runner/.config/pip/pip.conf").write_text(
        "[install]\nno-deps = true\nignore-installed = true\n"
    )
    workflow = Workflow(repository, scripts, tmp_path / "runner")
    workflow.run(repository / WORKFLOW, "grade")
    assert [step.code for step in workflow.steps] == [0, 0, 0], workflow.steps
