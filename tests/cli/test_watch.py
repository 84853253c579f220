"""`plantkit evaluate --watch`: what is noticed, what comes out, and how it ends."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from builders import without_passing

from plantkit.evaluation import cache, watching
from plantkit.pruners.sources import parse_pruner

#: Keeps the first, or the last, parameters.
FIRST = """
import torch
def prune(problem, density, seed):
    kept = torch.arange(problem.network.total) < problem.budget
    pieces = kept.split([w.numel() for w in problem.weights.values()])
    return {n: p.reshape(w.shape) for (n, w), p in zip(problem.weights.items(), pieces)}
"""
LAST = FIRST.replace("< problem.budget", ">= problem.network.total - problem.budget")
BROKEN = "def prune(:"
WATCHING = "; Ctrl-C ends"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Does something in each pause between two looks, and interrupts in the one after them."""

    def plan(*actions: Callable[[], object]) -> None:
        left = iter(actions)

        def pause(seconds: float) -> None:
            action = next(left, None)
            if action is None:
                raise KeyboardInterrupt
            action()

        clock = SimpleNamespace(sleep=pause, monotonic=lambda: 0.0)
        monkeypatch.setattr(watching, "time", clock)

    return plan


@pytest.fixture
def watch(plantkit_cli: Callable[..., Any], tiny_challenges: Path) -> Callable[..., Any]:
    """Runs `plantkit evaluate --watch` on a tiny challenge, in this process."""

    def run(*arguments: str | Path) -> Any:
        return plantkit_cli("evaluate", *options(tiny_challenges), "--watch", *arguments)

    return run


def options(challenges: Path) -> list[str]:
    return [
        *("--challenges", str(challenges), "--challenge", "relu-3x8", "--jobs", "1"),
        *("--density", "0.5", "--baselines", "magnitude", "--format", "json"),
    ]


def nothing() -> None: ...


def documents(text: str) -> list[Any]:
    """Returns the JSON documents in a text, one after the other, without what may differ."""
    decoder, found, text = json.JSONDecoder(), [], text.lstrip()
    while text:
        value, end = decoder.raw_decode(text)
        found.append(results(value))
        text = text[end:].lstrip()
    return found


def results(value: Any) -> Any:
    del value["run"]["date"], value["run"]["threads"], value["run"]["speed"]
    lists = {name: list(map(without_passing, value[name])) for name in ("records", "standings")}
    return {**value, **lists}


def test_every_change_comes_out_as_in_a_process_of_its_own(
    watch: Callable[..., Any],
    pauses: Callable[..., None],
    write: Callable[..., Path],
    tiny_challenges: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = write(FIRST)
    changes = [partial(write, code) for code in (LAST, BROKEN, FIRST)]
    pauses(*(step for change in changes for step in (change, nothing)))
    outcome = watch(mine, "--no-cache")
    assert outcome.code == 0, outcome
    first, last, again = documents(outcome.out)
    assert first == again != last
    assert outcome.err.count("\nerror: ") == 1
    assert "line 1: syntax error" in outcome.err
    assert outcome.err.count(f"watching {mine}{WATCHING}") == 4

    monkeypatch.setenv("PLANTKIT_CACHE_DIR", str(tmp_path / "cache"))
    done = subprocess.run(
        [sys.executable, "-m", "plantkit", "evaluate", *options(tiny_challenges), write(LAST)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert documents(done.stdout) == [last]


def test_a_submission_that_fails_decides_the_exit_code(
    watch: Callable[..., Any], pauses: Callable[..., None], write: Callable[..., Path]
) -> None:
    mine = write(FIRST)
    pauses(lambda: write(BROKEN), nothing)
    assert watch(mine).code == 1
    pauses(lambda: write(FIRST), nothing)
    assert watch(mine).code == 0


def test_files_are_written_anew(
    watch: Callable[..., Any],
    pauses: Callable[..., None],
    write: Callable[..., Path],
    tmp_path: Path,
) -> None:
    mine, output, report = write(FIRST), tmp_path / "results.json", tmp_path / "report.html"
    seen: list[Any] = []

    def change() -> None:
        seen.append((output.read_text(encoding="utf-8"), report.read_text(encoding="utf-8")))
        write(LAST)

    pauses(change, nothing)
    assert watch(mine, "-o", output, "--report", report).code == 0
    before, after = documents(seen[0][0]), documents(output.read_text(encoding="utf-8"))
    assert before[0]["pruners"][0]["sha256"] != after[0]["pruners"][0]["sha256"]
    assert report.read_text(encoding="utf-8") != seen[0][1]


def test_it_ends_when_a_plugin_has_changed(
    watch: Callable[..., Any],
    pauses: Callable[..., None],
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digest = cache._files_digest

    def edited(root: Path, *pattern: str) -> str:
        return digest(root, *pattern) + ("" if root.name == "plantkit" else "edited")

    def edit() -> None:
        monkeypatch.setattr(cache, "_files_digest", edited)
        write(LAST)

    mine = write(FIRST)
    pauses(edit, nothing)
    outcome = watch(mine)
    monkeypatch.undo()
    cache.forget_digests()
    assert outcome.code == 2
    assert len(documents(outcome.out)) == 1
    assert "a plugin or an installed package has changed meanwhile" in outcome.err


@pytest.fixture
def contents(pauses: Callable[..., None]) -> Callable[..., list[set[str]]]:
    """Returns the files' contents of each version of a submission that is noticed; empty where it
    cannot be read."""

    def of(path: Path, *actions: Callable[[], object]) -> list[set[str]]:
        pauses(*actions)
        found = []
        with contextlib.suppress(KeyboardInterrupt):
            for [source] in watching.versions([parse_pruner(str(path))]):
                files = source.submission.files if source.submission else {}
                found.append({content.decode() for content in files.values()})
        return found

    return of


def test_equal_bytes_are_no_change(
    contents: Callable[..., Any], write: Callable[..., Path], tmp_path: Path
) -> None:
    mine = write("A")
    renamed = tmp_path / "mine.py.new"

    def replace(text: str) -> None:
        renamed.write_text(text, encoding="utf-8")
        renamed.replace(mine)

    same = [lambda: write("A"), nothing, lambda: replace("A"), nothing, mine.touch, nothing]
    assert contents(mine, *same) == [{"A"}]
    assert contents(mine, lambda: replace("B"), nothing, nothing) == [{"A"}, {"B"}]


def test_a_file_that_is_being_written_is_left_alone(
    contents: Callable[..., Any], write: Callable[..., Path]
) -> None:
    mine = write("A")
    steps = [mine.unlink, lambda: write("A"), nothing]  # gone for a moment
    assert contents(mine, *steps) == [{"A"}]
    steps = [lambda: write(""), lambda: write("B"), lambda: write("BC"), nothing]
    assert contents(mine, *steps) == [{"A"}, {"BC"}]
    gone = [mine.unlink, nothing, nothing, lambda: write("A"), nothing]
    write("A")
    assert contents(mine, *gone) == [{"A"}, set(), {"A"}]


def test_all_files_of_a_submission_count(
    contents: Callable[..., Any], write: Callable[..., Path], tmp_path: Path
) -> None:
    mine, other = write("import part"), tmp_path / "another.py"
    steps = [
        *(lambda: write("1", "part.py"), nothing, lambda: other.write_text("3"), nothing),
        *(lambda: write("2", "part.py"), nothing),
    ]
    assert contents(mine, *steps) == [{"import part"}, {"import part", "1"}, {"import part", "2"}]

    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "pruner.py").write_text("A", encoding="utf-8")
    data = folder / "data.txt"
    steps = [lambda: data.write_text("1", encoding="utf-8"), nothing, data.unlink, nothing]
    assert contents(folder, *steps) == [{"A"}, {"A", "1"}, {"A"}]

    archive = tmp_path / "mine.zip"

    def pack(text: str) -> None:
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("pruner.py", text)

    pack("A")
    half = archive.read_bytes()[:20]
    steps = [lambda: archive.write_bytes(half), lambda: pack("B"), nothing]
    assert contents(archive, *steps) == [{"A"}, {"B"}]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-"], "standard input is read once"),
        (["snip", "synflow:iterations=2"], "installed pruners do not change"),
        (["FILE", "--run-dir", "run"], "--watch and --run-dir exclude each other"),
        (["FILE", "--run-dir", "run", "--resume"], "--watch and --run-dir exclude each other"),
        (["FILE", "--executor", "dask"], "--watch and --executor dask exclude each other"),
        (["FILE", "--isolation", "none"], "--watch and --isolation none exclude each other"),
        (["FILE", "--fresh", "1"], "planted anew in every run"),
        (["nowhere.py"], "nowhere.py does not exist"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(
    plantkit_cli: Callable[..., Any],
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    text: str,
) -> None:
    from plantkit.evaluation import run

    monkeypatch.setattr(run, "start", lambda *_, **__: pytest.fail("something was started"))
    monkeypatch.chdir(tmp_path)
    given = [str(write(FIRST)) if one == "FILE" else one for one in arguments]
    outcome = plantkit_cli("evaluate", "--watch", *given)
    assert (outcome.code, outcome.out) == (2, "")
    assert text in outcome.err


def test_a_suite_that_plants_its_instances_is_refused(
    plantkit_cli: Callable[..., Any], write: Callable[..., Path]
) -> None:
    outcome = plantkit_cli("evaluate", "--watch", write(FIRST), "--suite", "wide", "--jobs", "1")
    assert outcome.code == 2
    assert "planted anew in every run" in outcome.err


@pytest.mark.linux  # elsewhere no process waits between two runs
@pytest.mark.parametrize(
    ("number", "code"), [("SIGINT", 0), pytest.param("SIGTERM", 128 + 15, marks=pytest.mark.slow)]
)
def test_nothing_is_left_behind(
    write: Callable[..., Path],
    tiny_challenges: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: str,
    code: int,
) -> None:
    mine, scratch = write(FIRST), tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # nothing is remembered
    command = ["evaluate", *options(tiny_challenges), str(mine), "--watch", "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "plantkit", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    lines: list[str] = []
    for text in (FIRST, LAST):
        mine.write_text(text, encoding="utf-8")
        for line in process.stderr:
            lines.append(line)
            if WATCHING in line:
                break
    started = psutil.Process(process.pid).children(recursive=True)
    assert started
    assert list(scratch.iterdir())
    process.send_signal(getattr(signal, number))
    lines.append(process.communicate()[1])
    assert process.returncode == code
    assert "Traceback" not in "".join(lines)
    assert not [one for one in started if one.is_running()]
    assert not list(scratch.iterdir())
