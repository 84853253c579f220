"""Evaluations that are read back from where they were saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders import without_passing

from plantkit.errors import ResultsError
from plantkit.evaluation.requests import Request
from plantkit.evaluation.run import run_evaluation
from plantkit.evaluation.run_directory import read_run
from plantkit.scoring.evaluation import Evaluation


def evaluated(challenges: Path, **options: Any) -> Evaluation:
    request = Request(
        pruners=["magnitude", "random"],
        baselines="none",
        challenge_directories=[challenges],
        suite="tiny",
        densities=[0.5],
        seeds=2,
        jobs=1,
        isolation="none",
        **options,
    )
    return run_evaluation(request, warn=print, progress=lambda *_: None).evaluation


@pytest.fixture(scope="module")
def run(tiny_challenges: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "run"
    evaluated(tiny_challenges, run_directory=directory)
    return directory


@pytest.fixture
def copied_run(run: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "copy"
    (copy / "masks").mkdir(parents=True)
    for file in run.rglob("*.*"):
        (copy / file.relative_to(run)).write_bytes(file.read_bytes())
    return copy


def test_a_run_directory_and_a_results_file_are_read_as_they_were_made(
    run: Path, tiny_challenges: Path, tmp_path: Path
) -> None:
    made = evaluated(tiny_challenges, run_directory=run, resume=True)
    file = tmp_path / "results.json"
    file.write_text(json.dumps(made.to_json()), encoding="utf-8", newline="\n")
    for found in (read_run(run), read_run(file)):
        value, wanted = found.to_json(), made.to_json()
        assert value.pop("run") | {"date": ""} == wanted.pop("run") | {"date": ""}
        assert value == wanted


def test_the_same_masks_are_kept_in_memory_and_in_a_directory(
    run: Path, tiny_challenges: Path
) -> None:
    kept = evaluated(tiny_challenges, keeps_masks=True)
    found = read_run(run)
    assert [without_passing(one.to_json()) for one in found.records] == [
        without_passing(one.to_json()) for one in kept.records
    ]
    digests = {record.mask_sha256 for record in kept.records}
    assert set(kept.masks) == set(found.masks) == digests
    for digest, mask in found.masks.items():
        assert mask.digest() == digest == kept.masks[digest].digest()
    assert not evaluated(tiny_challenges).masks


def test_an_altered_mask_is_not_taken(copied_run: Path) -> None:
    one, other = sorted((copied_run / "masks").iterdir())[:2]
    one.write_bytes(other.read_bytes())
    with pytest.raises(ResultsError, match=r"was changed: its digest is"):
        read_run(copied_run).masks[one.stem]
    one.write_bytes(b"nothing")
    with pytest.raises(ResultsError, match="cannot be read"):
        read_run(copied_run).masks[one.stem]
    with pytest.raises(KeyError):
        read_run(copied_run).masks["0" * 64]


def test_a_run_that_did_not_end_is_not_ranked(copied_run: Path) -> None:
    file = copied_run / "records.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[:-1]), encoding="utf-8", newline="\n")
    with pytest.raises(ResultsError, match=r"1 of 8 runs are missing, the first of .* seed 1"):
        read_run(copied_run)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scoring_version": 1}, "scored by version 1; this plantkit has 2: evaluate again"),
        ({"schema_version": 1}, "written in format 1"),
        ({"challenges": [{}]}, "not the results of an evaluation"),
        ({"run": []}, "not the results of an evaluation"),
    ],
)
def test_other_results_are_refused_with_the_reason(
    copied_run: Path, changes: dict[str, Any], message: str
) -> None:
    file = copied_run / "evaluation.json"
    value = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(value | changes), encoding="utf-8", newline="\n")
    with pytest.raises(ResultsError, match=message) as raised:
        read_run(copied_run)
    assert str(copied_run) in str(raised.value)


@pytest.mark.parametrize("content", [None, "", "[]", "{}", "\udcff"])
def test_a_file_that_holds_no_results_is_an_error(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "results.json"
    if content is not None:
        file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ResultsError, match=r"results\.json"):
        read_run(file)
    with pytest.raises(ResultsError, match=r"--run-dir"):
        read_run(tmp_path)
