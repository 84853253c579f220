"""The pytest plugin, in pytest runs of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap

import pytest

SUBMISSION = """
import torch

def prune(problem, density, seed):
    flat = torch.cat([weight.abs().flatten() for weight in problem.weights.values()])
    kept = torch.zeros(len(flat), dtype=torch.bool)
    kept[torch.sort(flat, descending=True, stable=True).indices[:problem.budget]] = True
    sizes = [weight.numel() for weight in problem.weights.values()]
    return {
        name: piece.reshape(weight.shape)
        for (name, weight), piece in zip(problem.weights.items(), kept.split(sizes), strict=True)
    }
"""
COURSE_TESTS = """
import importlib.util

import pytest
from plantkit.errors import UnknownNameError, UsageError


def test_beats_random(plantkit_evaluate):
    result = plantkit_evaluate(
        "my_pruner.py", densities=["planted", 0.5], seeds=1, baselines="random", jobs=1
    )
    assert set(result) == {"my_pruner", "random"}
    mine = result["my_pruner"]
    assert mine.failures == 0 and mine.errors == []
    assert 0.0 <= mine.weak_area <= 1.0 and 0.0 <= mine.score <= 100.0
    assert {record.challenge for record in mine.records} == {"circle-3x60"}
    values = [mine.recovered("weak", density=density) for density in ("planted", 0.5)]
    assert mine.recovered("weak") == pytest.approx(sum(values) / 2)
    assert mine.recovered("weak", challenge="circle-3x60", density=0.5) == values[1]
    for arguments in ({"density": 0.25}, {"challenge": "helix"}):
        with pytest.raises(UsageError, match="'my_pruner' has no run of challenge"):
            mine.recovered("weak", **arguments)
    with pytest.raises(UsageError, match="expected 'strong' or 'weak'"):
        mine.recovered("week")
    with pytest.raises(UnknownNameError, match="did you mean 'my_pruner'"):
        result["my_pruners"]
    assert result.data["run"]["seeds"] == 1


def test_a_failure_is_a_figure_and_a_reason(plantkit_evaluate):
    result = plantkit_evaluate("broken.py", challenge="relu-3x8", densities=[0.5], seeds=2, jobs=1)
    assert result["broken"].failures == 2
    assert result["broken"].errors[1] == (
        "relu-3x8, density 0.5, seed 1: crash: ValueError: no idea (line 1)"
    )
    assert result["broken"].score == 0


def test_a_submission_that_cannot_be_loaded_is_a_warning_beside_others(plantkit_evaluate):
    result = plantkit_evaluate(
        "my_pruner.py", "unloadable.py", challenge="relu-3x8", densities=[0.5], seeds=1, jobs=1
    )
    assert "unloadable" not in result
    assert any("defines no pruner" in warning for warning in result.warnings)


def test_mistakes_are_errors(plantkit_evaluate):
    with pytest.raises(UsageError, match="exclude each other"):
        plantkit_evaluate("my_pruner.py", suite="tiny", challenge="relu-3x8")
    with pytest.raises(UsageError, match="no pruner was given"):
        plantkit_evaluate()
    with pytest.raises(UsageError, match="did you mean 'circle-3x60'"):
        plantkit_evaluate("my_pruner.py", challenge="circle-3x42")


def test_the_function_itself(plantkit_problem):
    spec = importlib.util.spec_from_file_location("mine", "my_pruner.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    problem = plantkit_problem(density=0.25)
    mask = module.prune(problem, 0.25, seed=0)
    assert sum(int(value.sum()) for value in mask.values()) == problem.budget


def test_the_tiny_challenges(plantkit_tiny_challenges):
    found = sorted(path.name for path in plantkit_tiny_challenges.iterdir())
    assert found == ["circle-3x60", "relu-3x8", "suites.toml"]
"""


@pytest.fixture
def run_pytest(tmp_path):
    """Runs pytest on a directory of its own, with the plugins of this environment."""

    def run(*arguments: str, **files: str) -> subprocess.CompletedProcess[str]:
        for name, code in files.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(code), encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.mark.slow
def test_a_course_writes_plain_tests(run_pytest):
    done = run_pytest(
        "-W",
        "error",
        "-q",
        test_course=COURSE_TESTS,
        my_pruner=SUBMISSION,
        unloadable="",
        broken="def prune(problem, density, seed): raise ValueError('no idea')\n",
    )
    assert "6 passed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


def test_nothing_heavy_is_imported_until_a_fixture_is_used(run_pytest):
    done = run_pytest(
        "-W",
        "error",
        test_light="""
        import sys

        def test_light(request):
            assert "plantkit.pytest_plugin" in sys.modules
            heavy = {"torch", "numpy", "safetensors", "jsonschema", "click"}
            assert heavy.isdisjoint(sys.modules)
            assert {name for name in sys.modules if name.startswith("plantkit")} == {
                "plantkit", "plantkit.hookspecs", "plantkit.pytest_plugin", "plantkit.version"
            }
        """,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_fixtures_are_documented(run_pytest):
    done = run_pytest("--fixtures", "-q", test_none="")
    for fixture in ("plantkit_evaluate", "plantkit_problem", "plantkit_tiny_challenges"):
        assert re.search(rf"^{fixture} .*\n +\w", done.stdout, re.MULTILINE)
