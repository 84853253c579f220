"""A class graded by the command line, on tiny challenges."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from plantkit.cli import main

RUBRIC = """title = "Tiny"
pass = 0.5
[run]
challenges = ["relu-3x8", "circle-3x60"]
densities = [0.5]
seeds = 2
time_seconds = 2
[[criteria]]
name = "deterministic"
kind = "determinism"
points = 2
[[criteria]]
name = "recall"
metric = "recall"
zero_at = -1
at_least = 1
density = 0.5
baseline = "magnitude"
points = 4
[[criteria]]
name = "weak"
hidden = true
metric = "recovered_digits"
track = "weak"
challenge = "circle-3x60"
density = 0.25
zero_at = 0
at_least = 1
points = 4
"""
PRUNE = """import torch


def prune(problem, density, seed):
    scores = {{name: SCORE for name, weight in problem.weights.items()}}
    flat = torch.cat([score.flatten() for score in scores.values()])
    kept = torch.zeros(len(flat), dtype=torch.bool)
    kept[flat.topk(problem.budget).indices] = True
    pieces = kept.split([score.numel() for score in scores.values()])
    return {{n: piece.reshape(scores[n].shape) for n, piece in zip(scores, pieces)}}
""".replace("{{", "{").replace("}}", "}")
GOOD = PRUNE.replace("SCORE", "weight.abs()")
OTHER = PRUNE.replace("SCORE", "weight")
HANG = "def prune(problem, density, seed):\n    while True:\n        pass\n"
CRASH = "def prune(problem, density, seed):\n    return 1 / 0\n"
CLASS = {
    "ann": GOOD,
    "bob": OTHER,
    "hung": HANG,
    "crash": CRASH,
    "syntax": "def prune(:\n",
    "ones": "def prune(problem, density, seed):\n"
    "    return {name: weight * 0 + 1 for name, weight in problem.weights.items()}\n",
}


def write_class(folder: Path, files: Mapping[str, str]) -> Path:
    for name, code in files.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "my_pruner.py").write_text(code, encoding="utf-8", newline="")
    return folder


def command(challenges: Path, work: Path, *more: str | Path) -> list[str]:
    given = [
        *("grade-class", work / "class", "--rubric", work / "rubric.toml", "-o", work / "out"),
        *("--challenges", challenges, "--jobs", "2"),
    ]
    return [*map(str, given), *map(str, more)]


def run_here(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return int(caught.value.code or 0)


def records(work: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (work / "out/records.jsonl").read_text().splitlines()]


def points(work: Path) -> dict[str, str]:
    text = (work / "out/gradebooks/gradebook.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {row["id"]: row["points"] for row in rows}


def timeless(grade: dict[str, Any]) -> dict[str, Any]:
    """Returns a grade without what may differ from run to run."""
    marks = [{**mark, "seconds": 0} for mark in grade["criteria"]]
    return {**grade, "seconds": 0, "criteria": marks}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, tiny_challenges: Path) -> Path:
    """A class that has been graded, and Eve, who handed in nothing."""
    directory = tmp_path_factory.mktemp("work")
    write_class(directory / "class", CLASS)
    (directory / "rubric.toml").write_text(RUBRIC)
    roster = "id,name\n" + "".join(f"{one},{one.title()}\n" for one in [*CLASS, "eve"])
    (directory / "roster.csv").write_text(roster)
    code = run_here(command(tiny_challenges, directory, "--roster", directory / "roster.csv"))
    assert code == 0
    return directory


def test_everybody_has_a_grade(work: Path) -> None:
    found = {one["id"]: one for one in records(work)}
    assert found.keys() == {*CLASS, "eve"}
    assert (found["eve"]["status"], found["eve"]["grade"]) == ("missing", None)
    graded = {name: one["grade"] for name, one in found.items() if one["grade"]}
    assert graded.keys() == CLASS.keys()
    assert graded["ann"]["points"] > 2
    assert {graded[name]["points"] for name in ("hung", "crash", "syntax", "ones")} == {0.0}
    assert "Eve" in (work / "out/summary.html").read_text()
    assert points(work)["eve"] == ""


@pytest.mark.parametrize(
    "name",
    # What a time limit does to the other runs is tested below, of the class.
    ["ann", "bob", "crash", "syntax", "ones", pytest.param("hung", marks=pytest.mark.slow)],
)
def test_a_grade_is_the_one_that_grade_gives(
    work: Path, tiny_challenges: Path, tmp_path: Path, name: str
) -> None:
    """Whatever else was in the batch: byte for byte, but for seconds."""
    given = ["grade", work / "class" / name, "--rubric", work / "rubric.toml", "--hidden", "run"]
    given += ["--challenges", tiny_challenges, "--json", tmp_path / "staff.json"]
    run_here([*map(str, given)])
    alone = json.loads((tmp_path / "staff.json").read_text())
    together = next(one["grade"] for one in records(work) if one["id"] == name)
    assert json.dumps(timeless(together)) == json.dumps(timeless(alone))


def test_one_that_hangs_costs_its_own_time_and_is_told(work: Path) -> None:
    """Two challenges hang for 2 s each; of 6 runs two are made."""
    runs = json.loads((work / "out/runs/hung.json").read_text())
    assert sorted(one["status"] for one in runs) == ["skipped"] * 4 + ["timeout"] * 2
    feedback = (work / "out/feedback/hung.html").read_text()
    assert "not started, since an earlier run reached the time limit of 2 s" in feedback


def test_feedback_is_for_one_student_and_has_nothing_of_hidden_criteria(work: Path) -> None:
    text = (work / "out/feedback/ann.html").read_text()
    assert "deterministic" in text
    assert "weak" not in text
    assert "bob" not in text
    assert str(work) not in text
    assert not (work / "out/feedback/eve.html").exists()


def test_masks_that_nobody_can_know_are_kept_for_comparison(work: Path) -> None:
    """Every challenge here is one that students know."""
    from plantkit.grading.classes.directory import ClassDirectory

    with ClassDirectory(work / "out") as directory:
        assert directory.masks_of("ann") == {}
        assert len(directory.records_of("ann")) == 6


def test_the_page_to_be_shown_names_nobody(work: Path) -> None:
    page = (work / "out/projector.html").read_text()
    for name in [*CLASS, "eve"]:
        assert not re.search(rf"\b{name}\b", page, re.IGNORECASE) or name in {"crash", "syntax"}
    assert "student " in page


def test_what_is_graded_is_not_graded_again_until_it_changes(
    work: Path, tiny_challenges: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = records(work)
    roster = ["--roster", work / "roster.csv"]
    assert run_here(command(tiny_challenges, work, *roster, "--anonymise")) == 0
    assert records(work) == before
    shown = capfd.readouterr()
    assert "student " in shown.out
    assert not re.search(r"\b(?:Ann|Bob|Hung|Eve)\b", shown.out + shown.err)
    # One changes its files: its row is new, the others stay.
    rows = points(work)
    write_class(work / "class", {"crash": GOOD})
    assert run_here(command(tiny_challenges, work, *roster)) == 0
    (new,) = records(work)[len(before) :]
    assert (new["id"], new["why"]) == ("crash", "files changed")
    assert points(work) == rows | {"crash": rows["ann"]}
    history = (work / "out/history.csv").read_text().splitlines()
    assert len(history) == len(before) + 2
    assert ",crash,Crash,graded,0.0,10.0,False,first," in "\n".join(history)
    # One is asked for.
    assert run_here(command(tiny_challenges, work, *roster, "--only", "bob")) == 0
    (new,) = records(work)[len(before) + 1 :]
    assert (new["id"], new["why"]) == ("bob", "asked for")
    assert points(work) == rows | {"crash": rows["ann"]}
    # One is taken back.
    (work / "class/crash/my_pruner.py").unlink()
    (work / "class/crash").rmdir()
    assert run_here(command(tiny_challenges, work, *roster)) == 0
    assert records(work)[-1]["status"] == "missing"
    assert points(work)["crash"] == ""
    assert not (work / "out/feedback/crash.md").exists()


def test_a_class_that_is_killed_goes_on(tiny_challenges: Path, tmp_path: Path) -> None:
    write_class(tmp_path / "class", {f"s{n}": OTHER.replace("weight}", "weight") for n in range(4)})
    write_class(tmp_path / "class", {f"t{n}": GOOD for n in range(4)})
    (tmp_path / "rubric.toml").write_text(RUBRIC)
    start = [sys.executable, "-c", "from plantkit.cli import main; main()"]
    arguments = command(tiny_challenges, tmp_path)
    file = tmp_path / "out/records.jsonl"
    process = subprocess.Popen(
        [*start, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 240
        while not (file.exists() and file.read_text()) and time.monotonic() < until:
            assert process.poll() is None or file.exists()
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    done = records(tmp_path)
    assert done
    gradebook = points(tmp_path)
    assert run_here(arguments) == 0
    found = records(tmp_path)
    assert found[: len(done)] == done
    assert sorted(one["id"] for one in found) == sorted(
        path.name for path in (tmp_path / "class").iterdir()
    )
    assert {name: value for name, value in points(tmp_path).items() if gradebook.get(name)} == {
        name: value for name, value in gradebook.items() if value
    }


# --- what is wrong with the command


@pytest.fixture
def given(tmp_path: Path) -> Path:
    write_class(tmp_path / "class", {"ann": GOOD, "bob": GOOD})
    (tmp_path / "rubric.toml").write_text(RUBRIC)
    return tmp_path


def test_what_is_written_must_not_be_taken_for_a_hand_in(
    given: Path, plantkit_cli: Callable[..., Any]
) -> None:
    outcome = plantkit_cli(
        "grade-class", given / "class", "--rubric", given / "rubric.toml",
        "-o", given / "class/out",
    )  # fmt: skip
    assert outcome.code == 2
    assert "where it would be taken for a hand-in" in outcome.err
    assert not (given / "class/out").exists()


def test_a_folder_that_does_not_exist(given: Path, plantkit_cli: Callable[..., Any]) -> None:
    outcome = plantkit_cli(
        "grade-class", given / "clas", "--rubric", given / "rubric.toml", "-o", given / "out"
    )
    assert outcome.code == 2
    assert "clas does not exist" in outcome.err
    assert not (given / "out").exists()


def test_one_that_nobody_is(
    given: Path, tiny_challenges: Path, plantkit_cli: Callable[..., Any]
) -> None:
    outcome = plantkit_cli(*command(tiny_challenges, given, "--only", "anne"))
    assert outcome.code == 2
    assert "no hand-in is named 'anne'; did you mean 'ann'?" in outcome.err


def test_a_students_rubric_is_not_enough(
    given: Path, tiny_challenges: Path, plantkit_cli: Callable[..., Any]
) -> None:
    stub = '[[criteria]]\nname = "secret"\npoints = 1\nhidden = true\n'
    (given / "rubric.toml").write_text(RUBRIC + stub)
    outcome = plantkit_cli(*command(tiny_challenges, given))
    assert outcome.code == 2
    assert "grade with the rubric of course staff" in outcome.err


def test_two_at_once(given: Path, tiny_challenges: Path, plantkit_cli: Callable[..., Any]) -> None:
    from plantkit.grading.classes.directory import ClassDirectory

    with ClassDirectory(given / "out"):
        code = "import sys; from plantkit.cli import main; main(sys.argv[1:])"
        done = subprocess.run(
            [sys.executable, "-c", code, *command(tiny_challenges, given)],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert "is in use by another run; wait for it, or give another -o" in done.stderr


FRESH = (
    RUBRIC.partition("[[criteria]]")[0]
    + """
[[criteria]]
name = "new network"
metric = "recall"
challenge = "relu-3x8"
density = 0.5
fresh = 1
zero_at = -1
at_least = 1
points = 1
"""
)


def test_fresh_instances_of_a_class_come_from_its_secret(
    given: Path,
    tiny_challenges: Path,
    plantkit_cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who grades one by hand with the same secret gets the same grade."""
    from plantkit.grading.classes.directory import ClassDirectory

    monkeypatch.delenv("PLANTKIT_FRESH_SEED", raising=False)
    (given / "rubric.toml").write_text(FRESH)
    outcome = plantkit_cli(*command(tiny_challenges, given))
    assert outcome.code == 0
    assert "fresh instances come from" in outcome.err
    secret = (given / "out/secret").read_text().strip()
    assert secret not in outcome.out + outcome.err
    with ClassDirectory(given / "out") as directory:
        assert len(directory.masks_of("ann")) == 2  # of two seeds
    monkeypatch.setenv("PLANTKIT_FRESH_SEED", secret)
    one = ["grade", given / "class/ann", "--rubric", given / "rubric.toml"]
    one += ["--challenges", tiny_challenges, "--json", given / "staff.json"]
    plantkit_cli(*one)
    alone = json.loads((given / "staff.json").read_text())
    together = next(one["grade"] for one in records(given) if one["id"] == "ann")
    assert timeless(alone) == timeless(together)
    monkeypatch.setenv("PLANTKIT_FRESH_SEED", "short")
    outcome = plantkit_cli(*command(tiny_challenges, given))
    assert outcome.code == 2
    assert "PLANTKIT_FRESH_SEED has 5 characters; expected a secret" in outcome.err


def test_a_folder_of_which_nothing_can_be_loaded_is_asked_about(
    given: Path, tiny_challenges: Path, plantkit_cli: Callable[..., Any]
) -> None:
    for file in (given / "class").rglob("*.py"):
        file.write_text("x = 1\n", encoding="utf-8", newline="\n")
    outcome = plantkit_cli(*command(tiny_challenges, given))
    assert outcome.code == 0
    assert "none of the hand-ins can be loaded; is" in outcome.err
