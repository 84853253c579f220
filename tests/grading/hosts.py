"""Hosts in miniature: an assignment with a tiny rubric, and what runs its scripts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

RUBRIC = """title = "Tiny"
pass = 0.2
[run]
challenges = ["{challenge}"]
densities = [0.5]
seeds = 1
time_seconds = 60
memory_mib = 2048
[[criteria]]
name = "Sparse enough"
metric = "sparsity"
density = 0.5
at_least = 0.4
points = 10
[[criteria]]
name = "The same, hidden"
hidden = true
"""
HIDDEN = """metric = "sparsity"
density = 0.5
at_least = 0.45
"""


def use_tiny_rubric(course: Path, challenges: Path) -> None:
    """Has an assignment grade on the tiny challenge `relu-3x8`, for students and for staff."""
    for place, name in (
        (course / "challenges", "challenges/relu-3x8"),
        (course / "staff/challenges", "relu-3x8"),
    ):
        shutil.copytree(challenges / "relu-3x8", place / "relu-3x8")
        hidden = HIDDEN if place.parent.name == "staff" else ""
        text = RUBRIC.format(challenge=name) + "points = 5\n" + hidden
        (place.parent / "rubric.toml").write_text(text, encoding="utf-8", newline="\n")


def environment(home: Path, *scripts: Path) -> dict[str, str]:
    """Returns what a container's environment has, which is not much."""
    path = os.pathsep.join([*map(str, scripts), "/usr/local/bin", "/usr/bin", "/bin"])
    kept = {name: os.environ[name] for name in ("PLANTKIT_CACHE_DIR",) if name in os.environ}
    return {"PATH": path, "HOME": str(home), **kept}


def scripts_here() -> Path:
    return Path(sysconfig.get_path("scripts"))


def borrow(directory: Path) -> None:
    """Has a virtual environment find the packages of this one: to install torch takes minutes."""
    (site,) = directory.glob("lib/python3.*/site-packages")
    places = [path for path in sys.path if path.endswith("site-packages")]
    (site / "this_environment.pth").write_text("\n".join(places) + "\n")


@dataclass
class Gradescope:
    """Gradescope's container, its root somewhere else than `/autograder`."""

    root: Path

    @classmethod
    def built(cls, course: Path, root: Path) -> Gradescope:
        """Unpacks the autograder's zip as the host does, and lays out the rest."""
        staff = course / "staff"
        subprocess.run([sys.executable, staff / "gradescope/make_zip.py"], check=True, timeout=60)
        with zipfile.ZipFile(staff / "autograder.zip") as archive:
            archive.extractall(root / "source")
            for entry in archive.infolist():
                (root / "source" / entry.filename).chmod(entry.external_attr >> 16)
        shutil.copy(root / "source/run_autograder", root)
        for name in ("submission", "results"):
            (root / name).mkdir()
        (root / "submission_metadata.json").write_text('{"id": 1}')
        return cls(root)

    def run(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs `source/setup.sh` or `run_autograder`, from where the host does."""
        values = environment(self.root) | {"AUTOGRADER_ROOT": str(self.root)} | variables
        return subprocess.run(
            ["bash", self.root / script], cwd=self.root, env=values, capture_output=True,
            text=True, timeout=600, check=False,
        )  # fmt: skip


@dataclass
class Step:
    """How a step of a workflow ended; skipped if `code` is None."""

    command: str
    code: int | None = None
    out: str = ""


@dataclass
class Workflow:
    """The steps of a job that run commands, as GitHub's runner runs them on Linux."""

    repository: Path
    scripts: Path
    temporary: Path
    steps: list[Step] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(step.code for step in self.steps)

    @property
    def summary(self) -> str:
        files = sorted(self.temporary.glob("summary-*"))
        return "".join(path.read_text(encoding="utf-8") for path in files)

    def run(self, file: Path, job: str, *, skip: str = "") -> None:
        """Runs the steps in order; `skip` matches commands that are left out.

        After a failure, a step runs only if its `if` says so.
        """
        value = yaml.safe_load(file.read_text(encoding="utf-8"))
        for number, step in enumerate(value["jobs"][job]["steps"]):
            if "run" not in step or (skip and re.search(skip, step["run"])):
                continue
            self.steps.append(Step(step["run"]))
            if self._goes(step.get("if", "success()")):
                self._execute(self.steps[-1], step, number)

    def _goes(self, condition: str) -> bool:
        names = {"success": not self.failed, "failure": self.failed, "always": True}
        found = re.sub(r"\b(success|failure|always)\(\)", lambda one: str(names[one[1]]), condition)
        words = found.replace("||", " or ").replace("&&", " and ").split()
        assert set(words) <= {"True", "False", "or", "and"}, condition
        return bool(eval(" ".join(words)))

    def _execute(self, step: Step, given: Mapping[str, Any], number: int) -> None:
        script = self.temporary / f"step-{number}.sh"
        script.write_text(step.command + "\n", encoding="utf-8", newline="\n")
        values = environment(self.temporary, self.scripts) | {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.repository),
            "GITHUB_STEP_SUMMARY": str(self.temporary / f"summary-{number}"),
        }
        (self.temporary / f"summary-{number}").touch()
        values |= {name: str(one) for name, one in given.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "-e", script], cwd=self.repository / given.get("working-directory", "."),
            env=values, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        step.code, step.out = done.returncode, done.stdout + done.stderr


def fresh_environment(directory: Path) -> Path:
    """Makes a virtual environment that borrows this one's packages, and returns its scripts."""
    venv.create(directory, with_pip=True)
    borrow(directory)
    return directory / "bin"
