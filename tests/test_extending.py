"""The ten changes of docs/extending.md are made for real: files, lines, and commands."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sysconfig
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "extending.md"
CLI = "from plantkit.cli import main; main()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One section of the page.

    files: new files by path. edits: (path, old line, new lines). commands: with what they print.
    trials: files by name that are not part of the change, but show that it works.
    """

    title: str
    files: dict[str, str]
    trials: dict[str, str]
    edits: list[tuple[str, str, str]]
    commands: list[tuple[str, str]]


def read_changes() -> list[Change]:
    """Returns the page's sections."""
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return [read_change(section) for section in sections]


def read_change(section: str) -> Change:
    files, trials, edits, commands = {}, {}, [], []
    for language, body in re.findall(r"```(\w+)\n(.*?)```", section, re.DOTALL):
        first, _, rest = body.partition("\n")
        if language == "diff":
            path = first.removeprefix("--- ")
            old = "\n".join(re.findall(r"^-(.*)$", rest, re.MULTILINE))
            new = "\n".join(re.findall(r"^\+(.*)$", rest, re.MULTILINE))
            edits.append((path, old, new))
        elif language == "console":
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                commands.append((command, output))
        elif first.startswith("# file: "):
            files[first.removeprefix("# file: ")] = rest
        elif first.startswith("# try: "):
            trials[first.removeprefix("# try: ")] = rest
    return Change(
        title=section.partition("\n")[0],
        files=files,
        trials=trials,
        edits=edits,
        commands=commands,
    )


CHANGES = read_changes()


def test_there_are_ten_and_each_has_one_home():
    assert len(CHANGES) == 10
    for change in CHANGES:
        assert change.commands, f"{change.title}: nothing shows that it works"
        if change.files:  # one new file, and one line that makes it known
            assert len(change.files) == 1, change.title
            assert len(change.edits) <= 1, change.title
        else:  # or a change within one file
            assert len({path for path, _, _ in change.edits}) == 1, change.title


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the code, installed in a virtual environment of its own; see `run`."""
    venv.create(tmp_path / "venv", symlinks=True)
    [root] = (tmp_path / "venv").glob("lib/python*/site-packages")
    for folder in ("plantkit", "plugins"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / "tree.pth").write_text(f"plugins\n{sysconfig.get_path('purelib')}\n")
    return root


def make(change: Change, tree: Path) -> None:
    for path, content in change.files.items():
        target = tree / path
        assert not target.exists(), f"{path} exists already"
        target.write_text(content, encoding="utf-8")
    for name, content in change.trials.items():
        (tree / name).write_text(content, encoding="utf-8")
    for path, old, new in change.edits:
        text = (tree / path).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{path} has not just one place that reads {old!r}"
        (tree / path).write_text(text.replace(old, new), encoding="utf-8")
    install(tree)


def install(tree: Path) -> None:
    """Writes what `pip install -e .` would: the entry points of the tree's pyproject.toml."""
    project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = tree / "plantkit-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plantkit\nVersion: 0.1.0\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")


def run(command: str, tree: Path, tiny_challenges: Path) -> str:
    """Runs a command of the page in a copy of the code, and returns what it prints."""
    words = shlex.split(command)
    python = str(tree.parents[2] / "bin" / "python")
    program = {"plantkit": [python, "-c", CLI], "python": [python]}[words[0]]
    environment = {**os.environ, "PLANTKIT_CHALLENGES": str(tiny_challenges)}
    done = subprocess.run(
        [*program, *words[1:]],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.title)
def test_the_change_works_as_the_page_says(change: Change, tree: Path, tiny_challenges: Path):
    make(change, tree)
    for command, expected in change.commands:
        printed = run(command, tree, tiny_challenges)
        parts = [re.escape(part.strip("\n")) for part in expected.split("...")]
        assert re.search(".*".join(parts), printed, re.DOTALL), printed
