"""The workflows for GitHub, and what is said to be supported."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from plantkit.machine import PYTHONS, SYSTEMS

ROOT = Path(__file__).resolve().parents[2]
CI = ROOT / ".github/workflows/ci.yml"
WORKFLOWS = [CI, *sorted((ROOT / "plantkit/templates").rglob("*.yml.in"))]
RUNNERS = {"Linux": "ubuntu-latest", "macOS": "macos-latest", "Windows": "windows-latest"}
VERSIONS = [f"3.{minor}" for minor in range(PYTHONS[0][1], PYTHONS[1][1] + 1)]


def test_ci_runs_our_script_on_every_system_and_python():
    job = yaml.safe_load(CI.read_text(encoding="utf-8"))["jobs"]["test"]
    matrix = job["strategy"]["matrix"]
    assert matrix["system"] == [RUNNERS[name] for name in SYSTEMS.values()]
    assert matrix["python"] == VERSIONS
    assert job["runs-on"] == "${{ matrix.system }}"
    assert job["defaults"]["run"]["shell"] == "bash"  # on Windows too
    assert job["steps"][-1] == {"run": ".ci/run"}


def test_the_package_and_the_readme_say_the_same():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    told = [
        line.rpartition(" :: ")[2]
        for line in project["classifiers"]
        if re.match(r"Programming Language :: Python :: 3\.\d|Operating System ::", line)
    ]
    assert told == ["Linux", "MacOS", "Windows", *VERSIONS]
    assert project["requires-python"] == f">={VERSIONS[0]}"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"Python {VERSIONS[0]} to {VERSIONS[-1]}" in readme
    for name in SYSTEMS.values():
        assert re.search(rf"^\| {name} ", readme, re.MULTILINE), name


def test_every_shell_gets_the_same_command():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Run it")[2].partition("\n## ")[0]
    found = dict(re.findall(r"```(\w+)\n(.*?)\n```", section, re.DOTALL))
    assert set(found) == {"sh", "powershell", "bat"}
    steps = set()
    for line in found.values():
        assert line.count("\n") == 0
        plain = line.replace("\\", "/").replace(".venv/Scripts/", "")
        kept = [step for step in re.split(r" && |; ", plain) if not step.startswith(". ")]
        steps.add(tuple(re.sub(r"^(py|python3) ", "python ", step) for step in kept))
    assert len(steps) == 1
    assert [step.split()[0] for step in steps.pop()] == ["python", "pip", "plantkit"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_can_do_little_and_not_for_ever(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 120
        for step in job["steps"]:
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="actionlint is not installed")
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actionlint_finds_nothing(path):
    command = ["actionlint", "-stdin-filename", path.name, "-"]
    done = subprocess.run(
        command, input=path.read_bytes(), capture_output=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout.decode()
