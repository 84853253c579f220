"""What people hand in, on the command line: every form, in every command that takes one."""

from __future__ import annotations

import io
import json
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from plantkit.networks.masks import Mask
from plantkit.plugins import load_submission
from plantkit.pruners.answers import mask_of
from plantkit.submissions.reading import read_submission
from plantkit.testing.problems import make_problem

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "submissions"

#: Keeps nothing; prints what the module next to it says.
MAIN = """
from helpers import text
def prune(problem, density, seed):
    print(text)
    return {n: w * 0 for n, w in problem.weights.items()}
"""
RUBRIC = """
title = "One"
pass = 0.5
[run]
challenges = ["relu-3x8"]
densities = [0.5]
seeds = 1
[[criteria]]
name = "Same seed, same mask"
kind = "determinism"
points = 5
"""


@pytest.fixture
def evaluate(plantkit_cli, tiny_challenges):
    """Runs `plantkit evaluate` on one tiny cell and returns the outcome and the JSON."""

    def run(*arguments):
        outcome = plantkit_cli(
            "evaluate", *arguments, "--challenges", tiny_challenges, "--challenge", "relu-3x8",
            "--density", "0.5", "--seeds", "1", "--baselines", "none", "--format", "json",
        )  # fmt: skip
        return outcome, json.loads(outcome.out) if outcome.out else None

    return run


@pytest.fixture
def folders(tmp_path):
    """Two folders as a course host exports them, each with a file `mine.py` and a helper."""
    for number in (123, 124):
        folder = tmp_path / f"submission_{number}"
        folder.mkdir()
        (folder / "mine.py").write_text(MAIN)
        (folder / "helpers.py").write_text(f"text = 'number {number}'\n")
    return tmp_path


def test_files_of_one_name_are_told_apart_everywhere(evaluate, folders):
    directory = folders / "run"
    paths = [folders / f"submission_{number}" / "mine.py" for number in (123, 124)]
    outcome, results = evaluate(*paths, "--run-dir", directory)
    names = ["submission_123/mine", "submission_124/mine"]
    assert outcome.code == 0, outcome
    assert [pruner["name"] for pruner in results["pruners"]] == names
    assert sorted(record["pruner"] for record in results["records"]) == names
    assert sorted(standing["pruner"] for standing in results["standings"]) == names
    assert [pruner["path"] for pruner in results["pruners"]] == list(map(str, paths))
    printed = sorted((directory / "output").iterdir())
    assert [path.read_text() for path in printed] == ["number 123\n", "number 124\n"]
    for path, number in zip(printed, (123, 124), strict=True):
        assert path.name.startswith(f"relu-3x8-submission_{number}_mine-0.5-0-")


def test_a_changed_helper_is_another_submission(evaluate, folders):
    """Its digest is that of everything, so that results of both are never mixed."""
    arguments = [folders / "submission_123", "--run-dir", folders / "run"]
    first = evaluate(*arguments)[1]["pruners"][0]["sha256"]
    assert evaluate(*arguments, "--resume")[0].code == 0
    (folders / "submission_123/helpers.py").write_text("text = 'other'\n")
    outcome, _ = evaluate(*arguments, "--resume")
    assert outcome.code == 2
    assert "whose pruners differ from what is asked for now: mine" in outcome.err
    assert evaluate(folders / "submission_123")[1]["pruners"][0]["sha256"] != first


def test_every_form_is_evaluated(evaluate, folders, monkeypatch):
    shutil.make_archive(str(folders / "packed"), "zip", folders, "submission_123")
    cells = [{"cell_type": "code", "source": text} for text in ("!pip install torch", MAIN)]
    (folders / "submission_123/book.ipynb").write_text(json.dumps({"cells": cells}))
    alone = MAIN.replace("from helpers import text", "text = 1")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(alone.encode())))
    forms = ("packed.zip", "submission_123/book.ipynb", "submission_124")
    outcome, results = evaluate(*(folders / form for form in forms), "-")
    assert outcome.code == 0, outcome
    assert [pruner["name"] for pruner in results["pruners"]] == [
        "submission_123/mine",
        "book",
        "submission_124/mine",
        "stdin",
    ]
    assert {record["status"] for record in results["records"]} == {"ok"}


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("notes.txt", b"x", "is not a submission; expected a Python file (.py), a notebook"),
        ("mask.pkl", b"x", "is not a submission; expected"),
        ("bad.zip", b"PK\x03\x04 broken", "is not a zip file that can be read"),
        ("bad.ipynb", b"x", "is not a notebook"),
        ("empty/README.md", b"", "holds no Python file and no notebook; expected"),
    ],
)
def test_a_wrong_kind_of_path(evaluate, plantkit_cli, tmp_path, name, content, expected):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    given = (tmp_path / name).parent if "/" in name else tmp_path / name
    outcome, _ = evaluate(given)
    assert (outcome.code, outcome.out) == (1, "")
    assert f"error: {given}: {expected}" in outcome.err
    checked = plantkit_cli("check", given)
    assert checked.code == 1
    assert expected.split(";")[0] in " ".join(checked.out.split())


def test_one_that_cannot_be_read_does_not_stop_the_others(evaluate, folders):
    (folders / "notes.txt").touch()
    outcome, results = evaluate(folders / "notes.txt", folders / "submission_123")
    assert outcome.code == 1
    assert [pruner["name"] for pruner in results["pruners"]] == ["mine"]
    assert "notes.txt: is not a submission" in outcome.err


def test_grading_takes_every_form(plantkit_cli, tiny_challenges, folders):
    (folders / "rubric.toml").write_text(RUBRIC)
    with zipfile.ZipFile(folders / "hers.zip", "w") as archive:
        for path in (folders / "submission_124").iterdir():
            archive.write(path, path.name)
    cells = [{"cell_type": "code", "source": text} for text in ("x = 1", "y = 2\nz = = 3")]
    (folders / "broken.ipynb").write_text(json.dumps({"cells": cells}))
    (folders / "two").mkdir()
    for name in ("a.py", "b.py"):
        (folders / "two" / name).write_text(MAIN)
    grades = {}
    for name in ("submission_123", "hers.zip", "broken.ipynb", "two", "missing.zip"):
        target = folders / "grade.json"
        outcome = plantkit_cli(
            "grade", folders / name, "--rubric", folders / "rubric.toml",
            "--challenges", tiny_challenges, "--json", target, "--gradescope", folders / "g.json",
        )  # fmt: skip
        assert outcome.code == 0, outcome
        grades[name] = json.loads(target.read_text())
    assert {name: grade["points"] for name, grade in grades.items()} == {
        "submission_123": 5.0, "hers.zip": 5.0, "broken.ipynb": 0.0, "two": 0.0, "missing.zip": 0.0,
    }  # fmt: skip
    assert grades["broken.ipynb"]["error"] == (
        "broken.ipynb, code cell 2, line 2: syntax error: invalid syntax"
    )
    assert grades["broken.ipynb"]["error_line"] is None  # of the cell, not of the file
    assert grades["two"]["error"].startswith("two: holds 2 files that define a pruner: a.py, b.py")
    assert "was not submitted" in grades["missing.zip"]["error"]


def test_check_finds_pruned_weights_before_they_are_handed_in(plantkit_cli, write):
    code = """
import torch.nn.utils.prune as torch_prune
def prune(problem, density, seed):
    module = problem.module()
    for layer in module.layers:
        torch_prune.l1_unstructured(layer, "weight", amount=0.9)
        torch_prune.remove(layer, "weight")
    return module
"""
    for returned, check in (("module", "returns-mask"), ("module.state_dict()", "values")):
        path = write(code.replace("return module", f"return {returned}"))
        outcome = plantkit_cli("check", path, "--format", "json")
        [pruner] = json.loads(outcome.out)["pruners"]
        [failed] = [result for result in pruner["checks"] if result["status"] == "failed"]
        assert failed["check"] == check
        assert "return {name: weight != 0 for name, weight in" in failed["got"]


def test_check_passes_a_pruned_module_in_a_notebook(plantkit_cli, tmp_path):
    source = (EXAMPLES / "torch_prune.py").read_text()
    cells = [{"cell_type": "code", "source": text} for text in ("%time x = 1", source)]
    (tmp_path / "book.ipynb").write_text(json.dumps({"cells": cells}))
    outcome = plantkit_cli("check", tmp_path / "book.ipynb")
    assert outcome.code == 0, outcome
    assert "book: 28 ok, 1 skipped" in outcome.out


@pytest.mark.parametrize("example", ["my_pruner.py", "torch_prune.py", "two_files"])
@pytest.mark.parametrize("kind", ["classification", "convolution", "one-hidden-unit"])
def test_examples_keep_as_much_as_they_may(example, kind, tmp_path):
    staged = read_submission(EXAMPLES / example).stage(tmp_path / "cell")
    [found] = load_submission(staged)
    problem = make_problem(kind).at(density=0.3, seed=0)
    mask = mask_of(found.pruner.prune(problem, 0.3, seed=0), problem.network, problem.budget)
    assert mask.kept == problem.budget
    if example == "torch_prune.py":
        assert mask.digest() == magnitude(problem).digest()


def magnitude(problem) -> Mask:
    weights = {name: weight.abs() for name, weight in problem.weights.items()}
    least = sorted((float(v) for w in weights.values() for v in w.flatten()), reverse=True)
    return Mask({name: weight >= least[problem.budget - 1] for name, weight in weights.items()})


def test_the_page_shows_the_example():
    code = (EXAMPLES / "torch_prune.py").read_text().partition('"""\n\n')[2]
    assert f"```python\n{code}```" in (ROOT / "docs/students.md").read_text()
