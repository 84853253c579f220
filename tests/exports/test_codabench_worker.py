"""A bundle as Codabench's unpacker checks it, and its programs as its compute worker runs them."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from codabench_rules import MOST_COLUMN, faults
from safetensors.torch import save_file

from plantkit.challenges.bundles import Challenge
from plantkit.errors import PluginError, UsageError
from plantkit.exports.codabench.bundle import Competition, export
from plantkit.exports.codabench.ingestion import ingest
from plantkit.exports.codabench.plan import Plan
from plantkit.exports.codabench.scoring import columns, score

COMPETITION = Competition(suite="tiny", docker_image="example.org/plantkit:1", seeds=1)
RAISES = "def prune(problem, density, seed):\n    raise ValueError('no')\n"


@pytest.fixture(scope="module")
def bundle(tiny_challenges: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("worker")
    export(COMPETITION, root / "bundle.zip", [tiny_challenges])
    with zipfile.ZipFile(root / "bundle.zip") as archive:
        archive.extractall(root / "bundle")
    return root / "bundle"


def test_codabench_takes_the_bundle(bundle: Path) -> None:
    assert faults(bundle) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda value: value.update(title="x" * 257), "title"),
        (lambda value: value.update(terms="pages/none.md"), "terms"),
        (lambda value: value.pop("image"), "image"),
        (lambda value: value["pages"].append({"file": "none.md"}), "none.md"),
        (lambda value: value["tasks"][0].pop("scoring_program"), "scoring program"),
        (lambda value: value["tasks"].append(dict(value["tasks"][0])), "unique"),
        (lambda value: value["tasks"][0].update(input_data="none"), "none"),
        (lambda value: value["solutions"][0].update(tasks=[7]), "solution"),
        (lambda value: value["phases"][0].update(tasks=[7]), "phase"),
        (lambda value: value["phases"].append(dict(value["phases"][0])), "end"),
        (lambda value: value.pop("leaderboards"), "leaderboard"),
        (lambda value: value["leaderboards"][0].update(submission_rule="Best"), "rule"),
        (lambda value: value["leaderboards"][0]["columns"][0].update(title="x" * 37), "long"),
        (lambda value: value["leaderboards"][0]["columns"][0].update(index=1), "unique index"),
    ],
)
def test_each_rule_can_fail(
    bundle: Path, tmp_path: Path, change: Callable[[Any], None], words: str
) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    value = yaml.safe_load((copy / "competition.yaml").read_text())
    change(value)
    (copy / "competition.yaml").write_text(yaml.safe_dump(value))
    assert any(words in fault for fault in faults(copy)), faults(copy)


def test_columns_of_challenges_with_long_names_fit_and_differ() -> None:
    names = ["a-very-long-family-name-5x100-hard-" + end for end in ("one", "two")]
    challenges: Any = [SimpleNamespace(id=name, overlap_scored=True) for name in names]
    found = columns(challenges)
    for field in ("title", "key"):
        values = [column[field] for column in found]
        assert len(set(values)) == len(values)
        assert max(map(len, values)) == MOST_COLUMN


@pytest.mark.parametrize("changed", [{"title": "x" * 257}, {"docker_image": "x" * 129}])
def test_what_is_too_long_is_refused_before_the_work(
    tmp_path: Path, tiny_challenges: Path, changed: dict[str, str]
) -> None:
    values = {"suite": "tiny", "docker_image": "x:1"} | changed
    with pytest.raises(UsageError, match="Codabench takes"):
        export(Competition(**values), tmp_path / "bundle.zip", [tiny_challenges])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def worker(bundle: Path, tmp_path: Path, circle: Challenge) -> Path:
    """The directories of a run in the worker: a submission without `metadata.yaml` is copied to
    where ingestion writes. This one brings masks that keep all they may."""
    submission = tmp_path / "program"
    submission.mkdir()
    plan = Plan.read(bundle / "input_data")
    (run, *_) = [run for run in plan.runs() if run.challenge == circle.id]
    few = {f"mask.{name}": torch.zeros(shape) for name, shape in circle.network.shapes.items()}
    (submission / run.file).parent.mkdir()
    save_file(few, submission / run.file)
    (submission / "attempts.json").mkdir()
    (submission / "relu-3x8").write_text("a file where a directory goes")
    return submission


@pytest.mark.parametrize("code", [RAISES, None])
def test_masks_that_a_submission_brings_do_not_count(
    bundle: Path, tmp_path: Path, worker: Path, code: str | None
) -> None:
    """Whether it runs and fails, or is none: the worker goes on to score what lies there."""
    if code is not None:
        (worker / "pruner.py").write_text(code)
    output = tmp_path / "output"
    shutil.copytree(worker, output)
    arguments = (bundle / "input_data", output, worker, bundle / "ingestion_program")
    if code is None:
        with pytest.raises(PluginError, match="holds no Python file"):
            ingest(*arguments)
    else:
        assert ingest(*arguments) == 0
    inputs = tmp_path / "input"
    shutil.copytree(bundle / "reference_data", inputs / "ref")
    shutil.copytree(output, inputs / "res")
    scores = score(inputs, tmp_path / "scores", bundle / "scoring_program")
    runs = Plan.read(bundle / "input_data").runs()
    assert scores["failures"] == len(runs)
    assert scores["score"] == 0
    told = json.loads((output / "attempts.json").read_text())
    words = "holds no Python file" if code is None else "ValueError: no"
    assert all(words in told[run.file]["error"] for run in runs)
    assert words in (tmp_path / "scores/detailed_results.html").read_text()


@pytest.mark.parametrize(
    "change",
    [
        lambda output, run: save_file({"mask.x": torch.ones(1)}, output / run),
        lambda output, run: (output / run).unlink(),
        lambda output, run: (output / "attempts.json").write_text("{}"),
        lambda output, run: (output / "receipt.txt").write_text("0" * 64),
        lambda output, run: (output / "receipt.txt").unlink(),
        lambda output, run: None,
    ],
    ids=["another mask", "no mask", "attempts", "receipt", "no receipt", "nothing"],
)
def test_results_that_ingestion_did_not_write_do_not_count(
    bundle: Path, tmp_path: Path, change: Callable[[Path, str], None], request: Any
) -> None:
    """A command in the submission's own metadata.yaml runs next to ingestion, and can write."""
    submission, output = tmp_path / "program", tmp_path / "output"
    submission.mkdir()
    (submission / "pruner.py").write_text(
        "def prune(problem, density, seed):\n"
        "    return {name: weight * 0 for name, weight in problem.weights.items()}\n"
    )
    output.mkdir()
    program = bundle / "ingestion_program"
    runs = Plan.read(bundle / "input_data").runs()
    assert ingest(bundle / "input_data", output, submission, program) == len(runs)
    change(output, runs[0].file)
    inputs = tmp_path / "input"
    shutil.copytree(bundle / "reference_data", inputs / "ref")
    shutil.copytree(output, inputs / "res")
    scores = score(inputs, tmp_path / "scores", bundle / "scoring_program")
    is_changed = request.node.callspec.id != "nothing"
    assert scores["failures"] == (len(runs) if is_changed else 0)
    details = (tmp_path / "scores/detailed_results.html").read_text()
    assert ("not those that plantkit wrote" in details) == is_changed


def test_scores_are_as_codabench_stores_them(bundle: Path, tmp_path: Path) -> None:
    """Numbers of at most ten digits before the point; a file named metadata would be refused."""
    submission, output = tmp_path / "program", tmp_path / "output"
    submission.mkdir()
    shutil.copy(bundle / "starting_kit" / "my_pruner.py", submission)
    shutil.copytree(submission, output)
    assert ingest(bundle / "input_data", output, submission, bundle / "ingestion_program") > 0
    inputs, scored = tmp_path / "input", tmp_path / "scores"
    shutil.copytree(bundle / "reference_data", inputs / "ref")
    shutil.copytree(output, inputs / "res")
    score(inputs, scored, bundle / "scoring_program")
    scores = json.loads((scored / "scores.json").read_text(), parse_constant=pytest.fail)
    board = yaml.safe_load((bundle / "competition.yaml").read_text())["leaderboards"][0]
    assert set(scores) == {column["key"] for column in board["columns"]}
    assert all(abs(float(value)) < 1e10 for value in scores.values())
    assert not (output / "metadata").exists()
    assert not (scored / "metadata").exists()
