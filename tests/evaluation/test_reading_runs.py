"""Evaluations that are read back from where they were saved."""

from __future__ import annotations

import json
from collections.abc import Callable
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


def more_seeds(records: list[dict[str, Any]]) -> None:
    records += [records[0] | {"seed": seed} for seed in range(2, 40)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (more_seeds, r"38 of 46 records are of no run .* of \w+ on \S+ at density 0\.5, seed 2"),
        (lambda records: records.append(dict(records[0])), "2 of 9 records are of a run that has"),
        (lambda records: records[0].update(pruner="nobody"), "1 of 8 .* the first of nobody on"),
        (lambda records: records[0].update(bundle_sha256="0" * 64), "1 of 8 records are of no run"),
        (lambda records: records[0].update(challenge="another"), "of no run .* on another at"),
        (lambda records: records[0].update(target_density=0.4), "of no run .* at density 0.4"),
        (lambda records: records[0].update(is_planted_density=True), "1 of 8 .* of no run"),
        (lambda records: records[0].update(rewind_step=7), "1 of 8 records are of no run"),
        (lambda records: records[0].update(seconds=-1), "seconds is -1; expected 0 or more"),
    ],
)
def test_records_that_are_not_those_of_the_runs_are_refused(
    copied_run: Path, tmp_path: Path, change: Callable[[list[dict[str, Any]]], None], message: str
) -> None:
    value = read_run(copied_run).to_json()
    change(value["records"])
    file = tmp_path / "results.json"
    file.write_text(json.dumps(value), encoding="utf-8", newline="\n")
    lines = "".join(f"{json.dumps(record)}\n" for record in value["records"])
    (copied_run / "records.jsonl").write_text(lines, encoding="utf-8", newline="\n")
    for path in (file, copied_run):
        with pytest.raises(ResultsError, match=message):
            read_run(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest["reference"]["ticket"].update(strong=0.5),
        lambda manifest: manifest["reference"].update(trivial=0.3),
        lambda manifest: manifest["ticket"].update(kept=manifest["ticket"]["kept"] + 1),
        lambda manifest: manifest["data"].update(noise=0.5),
        lambda manifest: manifest["protocol"]["training"].update(learning_rate=0.1),
    ],
)
def test_a_manifest_of_another_digest_is_refused(
    copied_run: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    value = read_run(copied_run).to_json()
    challenge = value["challenges"][0]
    value = json.loads(json.dumps(value))
    change(value["challenges"][0]["manifest"])
    file = tmp_path / "results.json"
    file.write_text(json.dumps(value), encoding="utf-8", newline="\n")
    message = f"of {challenge['id']} does not have the digest {challenge['bundle_sha256']} that is"
    with pytest.raises(ResultsError, match=message):
        read_run(file)


@pytest.mark.parametrize("key", ["manifest", "limits"])
def test_results_of_an_older_plantkit_are_told(copied_run: Path, tmp_path: Path, key: str) -> None:
    value = read_run(copied_run).to_json()
    del (value["challenges"][0] if key == "manifest" else value["run"])[key]
    file = tmp_path / "results.json"
    file.write_text(json.dumps(value), encoding="utf-8", newline="\n")
    with pytest.raises(ResultsError, match="written by an older plantkit: evaluate again"):
        read_run(file)


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
