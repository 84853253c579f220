"""The commands that people use, on whatever system this is, or is made to look like."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
import toy_study
from builders import without_passing

from plantkit import testing
from plantkit.isolation.levels import Level, process_level
from plantkit.isolation.probe import probe_machine
from plantkit.research.studies import STUDIES

GOOD = """
import torch
def prune(problem, density, seed):
    kept = torch.arange(problem.network.total) < problem.budget
    sizes = [w.numel() for w in problem.weights.values()]
    pieces = kept.split(sizes)
    return {n: p.reshape(w.shape) for (n, w), p in zip(problem.weights.items(), pieces)}
"""
#: What goes wrong, the code before `return`, the status and a part of the message.
BAD = {
    "hangs": ("import time; time.sleep(600)", "timeout", "time limit of 5 s"),
    "raises": ("raise ValueError('no idea')", "crash", "ValueError: no idea"),
    "exits": ("import os; os._exit(0)", "crash", "without an answer"),
    "takes_memory": ("held = torch.ones(2**28)", "oom", ""),
}
#: Leaves a program behind that never ends, and prints what is no text.
MESSY = """
    import os, subprocess, sys
    program = "import time; time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.DEVNULL)
    print("child", child.pid, "\\N{PILE OF POO}", flush=True)
    os.write(1, bytes(range(256)))
"""
RUBRIC = """title = "Tiny"
pass = 1
[run]
challenges = ["{challenge}"]
densities = [0.5]
seeds = 1
time_seconds = 60
[[criteria]]
name = "Sparse"
metric = "density"
density = 0.5
at_most = 0.5
points = 1
"""


def spoiled(code: str) -> str:
    return GOOD.replace("    kept =", f"{code}\n    kept =")


def expected_level() -> Level:
    """What `--isolation auto` means here."""
    return Level.FULL if probe_machine().offers(Level.FULL) else process_level()


@pytest.fixture
def evaluate(plantkit_cli, tiny_challenges):
    """Runs `plantkit evaluate` at one density with one seed, and nothing else."""

    def run(*arguments):
        return plantkit_cli(
            *("evaluate", "--challenges", tiny_challenges, "--challenge", "relu-3x8"),
            *("--baselines", "none", "--density", "0.5", "--seeds", "1", "--jobs", "1"),
            *arguments,
        )

    return run


def test_evaluate_tells_ranks_and_the_level(evaluate, write, tmp_path):
    output = tmp_path / "results.json"
    done = evaluate(write(GOOD), "--format", "json", "-o", output, "--run-dir", tmp_path / "run")
    assert done.code == 0, done
    results = json.loads(output.read_bytes())
    assert results["run"]["isolation"] == expected_level()
    assert [record["status"] for record in results["records"]] == ["ok"]
    full = expected_level() is Level.FULL
    assert ("isolation is" in done.err) is not full, "a lower level is told"
    texts = {".json", ".jsonl", ".txt"}
    written = [path for path in (tmp_path / "run").rglob("*") if path.suffix in texts]
    names = {path.name for path in written}
    assert names == {"evaluation.json", "records.jsonl", "results.txt", "run.json"}
    assert not any(b"\r" in path.read_bytes() for path in [output, *written])


def test_bad_submissions_are_rows(evaluate, write):
    files = [write(spoiled(f"    {code}"), f"{name}.py") for name, (code, _, _) in BAD.items()]
    files.append(write(GOOD, "good.py"))
    limits = ["--time-limit", "5", "--memory-limit", "512"]
    done = evaluate(*files, *limits, "--format", "json")
    assert done.code == 1, done
    found = {record["pruner"]: record for record in json.loads(done.out)["records"]}
    assert found.pop("good")["status"] == "ok"
    assert {name: record["status"] for name, record in found.items()} == {
        name: status for name, (_, status, _) in BAD.items()
    }
    for name, (_, _, message) in BAD.items():
        assert message in found[name]["error"]


def test_what_a_submission_leaves_running_is_ended(evaluate, write, tmp_path):
    import psutil

    level = process_level()  # full isolation forbids to start a program
    run = tmp_path / "run"
    done = evaluate(write(spoiled(MESSY)), "--isolation", level, "--run-dir", run)
    assert done.code == 0, done
    [output] = (run / "output").iterdir()
    words = output.read_text(encoding="utf-8").split()
    pid = int(words[words.index("child") + 1])
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_run_goes_on_and_several_processes_give_the_same(evaluate, write, tmp_path):
    arguments = [write(GOOD), "--density", "planted", "--format", "json"]
    one = json.loads(evaluate(*arguments, "--no-cache").out)
    run = ["--run-dir", tmp_path / "run"]
    assert evaluate(write(GOOD), *run).code == 0
    assert evaluate(write(GOOD), *run).code == 2
    assert evaluate(write(GOOD), *run, "--resume").code == 0
    several = json.loads(evaluate(*arguments, "--no-cache", "--jobs", "2").out)
    assert [*map(without_passing, one["records"])] == [*map(without_passing, several["records"])]
    assert len(one["records"]) == 2


def test_full_isolation_is_refused_where_it_is_not_to_be_had(evaluate, write):
    done = evaluate(write(GOOD), "--isolation", "full")
    if expected_level() is Level.FULL:
        assert done.code == 0
    else:
        assert done.code == 3
        assert "full isolation is not available on this machine" in done.err
        assert "Landlock" in done.err
        assert "plantkit doctor" in done.err


#: Of the checks, those that depend on processes; each takes some, which import torch anew where
#: none can be forked.
CHECKED = {"loads", "budget", "same-seed", "time-limit", "isolated"}


def test_check(plantkit_cli, write, monkeypatch):
    others = {check.name for check in testing.CHECKS} - CHECKED
    run_checks = functools.partial(testing.run_checks, leave_out=others)
    monkeypatch.setattr(testing, "run_checks", run_checks)
    done = plantkit_cli("check", write(GOOD), "--trusted", "--format", "json")
    assert done.code == 0, done
    [report] = json.loads(done.out)["pruners"]
    assert {check["check"]: check["status"] for check in report["checks"]} == dict.fromkeys(
        CHECKED, "ok"
    )


def test_check_of_what_cannot_be_loaded(plantkit_cli, write):
    done = plantkit_cli("check", write("prune = 3\n"))
    assert done.code == 1, done
    assert "FAILED" in done.out


def test_grade(plantkit_cli, write, tiny_challenges, tmp_path):
    rubric = tmp_path / "rubric.toml"
    text = RUBRIC.format(challenge="relu-3x8").replace("\n", "\r\n")
    rubric.write_bytes(b"\xef\xbb\xbf" + text.encode())  # as Notepad writes it
    mine = write(GOOD.replace("\n", "\r\n"))
    arguments = ["--rubric", rubric, "--challenges", tiny_challenges, "--jobs", 1]
    results = tmp_path / "results.json"
    done = plantkit_cli("grade", mine, *arguments, "--gradescope", results)
    assert done.code == 0, done
    assert json.loads(results.read_bytes())["score"] == 1


def test_plant_verify_and_seal(plantkit_cli, tmp_path):
    directory = tmp_path / "Ünïcode and spaces"
    options = ["--depth", 3, "--width", 5, "--out", directory]
    assert plantkit_cli("plant", "relu", *options).code == 0
    bundle = directory / "relu-3x5"
    assert plantkit_cli("keygen", "--out", tmp_path / "contest.key").code == 0
    assert plantkit_cli("verify", bundle).code == 0
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    assert b"\r" not in before["challenge.json"]
    for command, key in (("seal", "contest.key.pub"), ("unseal", "contest.key")):
        done = plantkit_cli(command, bundle, "--key", tmp_path / key)
        assert done.code == 0, done
        assert plantkit_cli("verify", bundle).code == 0
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before


def test_new_gives_what_works(plantkit_cli, evaluate, tmp_path):
    mine = tmp_path / "my_pruner.py"
    assert plantkit_cli("new", "pruner", mine).code == 0
    assert evaluate(mine).code == 0
    assert plantkit_cli("new", "plugin", "plantkit-gradient", "--directory", tmp_path).code == 0
    project = tmp_path / "plantkit-gradient" / "pyproject.toml"
    assert tomllib.loads(project.read_text(encoding="utf-8"))["project"]["name"]
    assert plantkit_cli("new", "assignment", tmp_path / "course").code == 0
    script = tmp_path / "course/staff/gradescope/run_autograder"
    assert b"\r" not in script.read_bytes()


def test_study(plantkit_cli, tmp_path, monkeypatch):
    monkeypatch.setitem(STUDIES, "toy", "toy_study_module")
    monkeypatch.setitem(sys.modules, "toy_study_module", None)
    toy_study.register()
    run = ["--run-dir", tmp_path / "run"]
    assert plantkit_cli("study", "toy", "--kind", "even", "--number", "2", *run).code == 0
    done = plantkit_cli("study", "toy", "--kind", "even", *run, "--resume")
    assert done.code == 0, done
    assert "**reproduced**" in done.out


def test_doctor(plantkit_cli):
    found = json.loads(plantkit_cli("doctor", "--format", "json").out)
    assert found["isolation"] == expected_level()
    assert found["levels"][process_level()]["available"]
    told = plantkit_cli("doctor").out
    system = {"linux": "Linux", "darwin": "macOS", "win32": "Windows"}[sys.platform]
    assert told.startswith(f"system: {system} ")
    assert f"plantkit evaluate uses: {expected_level()}" in told


def test_the_installed_command(tiny_challenges):
    """As a shell starts it, with the text encoding of the system."""
    program = next(Path(sysconfig.get_path("scripts")).glob("plantkit*"))
    done = subprocess.run(
        [program, "show", "relu-3x8", "--challenges", tiny_challenges],
        capture_output=True,
        check=True,
    )
    assert b"2-60-4" not in done.stdout
    assert b"1-8-1" in done.stdout
    newline = b"\r\n" if sys.platform == "win32" else b"\n"
    assert done.stdout.endswith(newline)
