"""`plantkit evaluate` as its users meet it: tables, exit codes, files and messages."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from builders import without_passing

from plantkit.schemas import violations

GOOD = """
import torch
def prune(problem, density, seed):
    kept = torch.arange(problem.network.total) < problem.budget
    sizes = [w.numel() for w in problem.weights.values()]
    pieces = kept.split(sizes)
    return {n: p.reshape(w.shape) for (n, w), p in zip(problem.weights.items(), pieces)}
"""


@pytest.fixture
def evaluate(plantkit_cli, tiny_challenges):
    """Runs `plantkit evaluate` on the tiny suite."""

    def run(*arguments):
        return plantkit_cli(
            "evaluate", "--challenges", tiny_challenges, "--suite", "tiny", *arguments
        )

    return run


def test_the_main_job(evaluate, write):
    outcome = evaluate(write(GOOD), "--baselines", "magnitude,random")
    assert outcome.code == 0, outcome
    lines = outcome.out.splitlines()
    assert lines[0] == "Standings: suite tiny (relu-3x8, circle-3x60)"
    for name in ("mine", "magnitude", "random"):
        assert sum(line.split()[1:2] == [name] for line in lines[4:8]) == 1
    assert "--details" in lines[-1]
    progress = r"[^\n]+: \d+ of \d+ [^\n]*\n"  # what a slow machine tells meanwhile
    assert re.sub(progress, "", outcome.err) == ""


def test_a_suite_says_what_is_ranked_beside_a_pruner(
    plantkit_cli, tiny_challenges, tmp_path, write
):
    for name in ("relu-3x8", "circle-3x60"):
        shutil.copytree(tiny_challenges / name, tmp_path / name)
    text = (tiny_challenges / "suites.toml").read_text()
    (tmp_path / "suites.toml").write_text(text.replace('["magnitude"]', '["snip"]'))
    given = ["evaluate", write(GOOD), "--challenges", tmp_path, "--seeds", 1, "--jobs", 1]
    outcome = plantkit_cli(*given, "--suite", "tiny", "--format", "json")
    assert {one["pruner"] for one in json.loads(outcome.out)["standings"]} == {"mine", "snip"}
    (tmp_path / "suites.toml").write_text(text.replace('["magnitude"]', '["snipp"]'))
    outcome = plantkit_cli(*given, "--suite", "tiny")
    assert outcome.code == 2
    assert "did you mean 'snip'" in outcome.err


def test_json_is_valid_and_complete(evaluate, write, tmp_path):
    target = tmp_path / "results.json"
    outcome = evaluate(
        write(GOOD), "--baselines", "snip", "--format", "json", "-o", target, "--jobs", 1
    )
    assert outcome.code == 0
    assert outcome.out == ""
    results = json.loads(target.read_text())
    assert violations(results, "results") == []
    assert len(results["records"]) == 2 * 2 * 2 * 2  # challenges, pruners, densities, seeds
    assert {row["status"] for row in results["records"]} == {"ok"}
    assert results["pruners"][0]["sha256"]
    assert results["run"]["suite"] == "tiny"
    assert not list(tmp_path.glob(".*.tmp"))


def test_results_do_not_depend_on_jobs_or_on_who_else_takes_part(evaluate, write):
    found = []
    for arguments in (["--jobs", 1, "--baselines", "none"], ["--jobs", 2]):
        outcome = evaluate(write(GOOD), "--format", "json", *arguments)
        rows = [r for r in json.loads(outcome.out)["records"] if r["pruner"] == "mine"]
        found.append([without_passing(row) for row in rows])
    assert found[0] == found[1]


def test_failures_are_rows_and_the_others_stand(evaluate, write):
    bad = write("def prune(problem, density, seed):\n    raise ValueError('no | idea')\n")
    outcome = evaluate(bad, "--baselines", "magnitude", "--format", "json")
    assert outcome.code == 1
    results = json.loads(outcome.out)
    by_pruner = {s["pruner"]: s for s in results["standings"]}
    assert by_pruner["mine"]["failures"] == 8
    assert by_pruner["magnitude"]["failures"] == 0
    assert by_pruner["magnitude"]["rank"] == 1
    errors = {r["error"] for r in results["records"] if r["pruner"] == "mine"}
    assert errors == {"ValueError: no | idea (line 2)"}


def test_failures_are_told_below_the_tables(evaluate, write):
    bad = write("def prune(problem, density, seed):\n    raise ValueError('no')\n")
    outcome = evaluate(bad, "--baselines", "none")
    assert "mine: 8 of 8 runs failed: crash: ValueError: no (line 2)" in outcome.out


def test_a_broken_file_beside_a_good_one(evaluate, write):
    broken = write("def prune(:", "broken.py")
    outcome = evaluate(broken, write(GOOD), "--baselines", "none")
    assert outcome.code == 1
    assert "warning: " in outcome.err
    assert "broken.py, line 1: syntax error" in outcome.err
    assert "mine" in outcome.out


def test_a_broken_file_alone(evaluate, write):
    outcome = evaluate(write("def prune(:"), "--baselines", "none")
    assert outcome.code == 1
    assert "error: " in outcome.err
    assert "line 1: syntax error" in outcome.err
    assert outcome.out == ""


def test_options_of_pruners(evaluate):
    outcome = evaluate(
        *("synflow:iterations=2,scope=layerwise", "synflow", "--baselines", "synflow"),
        *("--format", "json"),
    )
    assert outcome.code == 0, outcome
    names = [one["pruner"] for one in json.loads(outcome.out)["standings"]]
    assert sorted(names) == ["synflow", "synflow:iterations=2,scope=layerwise"]


def test_equal_names_are_told_apart(evaluate, write):
    outcome = evaluate(write(GOOD, "random.py"), "--baselines", "random")
    assert outcome.code == 0
    assert "random (random.py)" in outcome.out


def test_run_directory_and_resume(evaluate, write, tmp_path):
    arguments = [write(GOOD), "--baselines", "none", "--run-dir", tmp_path / "run"]
    first = evaluate(*arguments, "--format", "json")
    again = evaluate(*arguments)
    assert again.code == 2
    assert "--resume" in again.err
    records = (tmp_path / "run" / "records.jsonl").read_text().splitlines()
    (tmp_path / "run" / "records.jsonl").write_text("\n".join(records[:3]) + "\n")
    resumed = evaluate(*arguments, "--resume", "--format", "json")
    strip = [
        [without_passing(record) for record in json.loads(o.out)["records"]]
        for o in (first, resumed)
    ]
    assert strip[0] == strip[1]
    other = evaluate(*arguments, "--resume", "--seeds", 1)
    assert other.code == 2
    assert "whose seeds differ" in other.err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nowhere.py"], "nowhere.py does not exist"),
        (["nowhere/"], "nowhere/ does not exist; expected a Python file (.py), a notebook"),
        (["snap"], "did you mean 'snip'"),
        (["snip", "--density", "0"], "out of range"),
        (["snip", "--density", "1.5"], "out of range"),
        (["snip", "--density", "nan"], "out of range"),
        (["snip", "--density", "abc"], "'abc' is not a density"),
        (["snip", "--density", "0.001"], "keeps none of the 25 parameters of relu-3x8"),
        (["snip", "--seeds", "0"], "--seeds"),
        (["snip", "--format", "jsn"], "did you mean 'json'"),
        (["snip", "--baselines", "magnitud"], "did you mean 'magnitude'"),
        (["snip:iteration=3"], "no option of pruner 'snip'"),
        (["synflow:iterations=x"], "expected int"),
        (["snip", "--resume"], "--resume needs --run-dir"),
        (["snip", "-o", "/no/such/dir/x"], "not a directory"),
        (["snip", "--challenge", "relu-3x8"], "exclude each other"),
        ([], "Missing argument"),
    ],
)
def test_bad_input(evaluate, arguments, text):
    outcome = evaluate(*arguments)
    assert outcome.code == 2, outcome
    assert text in outcome.err
    assert outcome.out == ""


def test_unknown_challenge(plantkit_cli):
    outcome = plantkit_cli("evaluate", "snip", "--challenge", "circle-5x10")
    assert outcome.code == 2
    assert "did you mean 'circle-5x100'" in outcome.err


def test_an_altered_bundle(plantkit_cli, copied_bundle):
    (copied_bundle / "truth.safetensors").unlink()
    outcome = plantkit_cli("evaluate", "snip", "--challenge", copied_bundle)
    assert outcome.code == 4
    assert "truth.safetensors: is missing" in outcome.err


def test_an_output_that_cannot_be_written_is_printed(evaluate, tmp_path):
    (tmp_path / "link.json").symlink_to(tmp_path / "target.json")
    evaluate("magnitude", "--baselines", "none", "-o", tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "target.json").read_text().startswith("Standings")
    outcome = evaluate("magnitude", "--baselines", "none", "-o", "/dev/full")
    assert outcome.code == 2
    assert outcome.out.startswith("Standings")
    assert "cannot be written" in outcome.err


def test_debug_shows_the_traceback(plantkit_cli):
    assert "Traceback" not in plantkit_cli("evaluate", "nowhere.py").err
    assert "Traceback" in plantkit_cli("--debug", "evaluate", "nowhere.py").err
    assert "Traceback" in plantkit_cli("evaluate", "nowhere.py", "--debug").err
