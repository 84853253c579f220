"""Records on disk: saved as they are made, and read back after any interruption."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from safetensors.torch import load_file

from plantkit.errors import ResultsError, UsageError
from plantkit.evaluation.run_directory import RunDirectory
from plantkit.files import read_records
from plantkit.networks import PerceptronSpec
from plantkit.networks.masks import Mask
from plantkit.scoring.records import Record, TrackScore

IDENTITY = {"seeds": 3, "pruners": {"a": ["1.0", {}]}}


def record(seed: int) -> Record:
    track = TrackScore(performance=0.5, recovered_accuracy=0.25, recovered_digits=0.125)
    return Record(
        pruner="a",
        challenge="c",
        bundle_sha256="0" * 64,
        target_density=0.1,
        density_multiple=1.0,
        is_planted_density=True,
        seed=seed,
        status="ok",
        strong=track,
        weak=track,
        density=0.1,
        sparsity=0.9,
        effective_density=0.05,
        collapsed_layers=1,
        overlap={"f1": 0.5},
        seconds=1.0,
        peak_rss_mib=None,
        error="",
    )


def test_json_round_trip():
    assert Record.from_json(json.loads(json.dumps(record(3).to_json()))) == record(3)


def test_records_are_on_disk_when_append_returns(tmp_path):
    run = RunDirectory(tmp_path / "run", IDENTITY, resume=False)
    run.append([record(0)])
    run.append([record(1)])
    assert read_records(tmp_path / "run", Record.from_json) == [record(0), record(1)]


def test_resume_goes_on(tmp_path):
    RunDirectory(tmp_path, IDENTITY, resume=False).append([record(0)])
    run = RunDirectory(tmp_path, IDENTITY, resume=True)
    assert run.records == [record(0)]
    run.append([record(1)])
    assert read_records(tmp_path, Record.from_json) == [record(0), record(1)]


def test_resume_of_an_empty_directory_starts(tmp_path):
    assert RunDirectory(tmp_path / "new", IDENTITY, resume=True).records == []


def test_without_resume_nothing_is_overwritten(tmp_path):
    RunDirectory(tmp_path, IDENTITY, resume=False).append([record(0)])
    with pytest.raises(UsageError, match="--resume"):
        RunDirectory(tmp_path, IDENTITY, resume=False)
    assert read_records(tmp_path, Record.from_json) == [record(0)]


def test_another_run_is_not_mixed_in(tmp_path):
    RunDirectory(tmp_path, IDENTITY, resume=False)
    with pytest.raises(UsageError, match=r"run whose seeds differ from .*: 3, now 4; give another"):
        RunDirectory(tmp_path, {**IDENTITY, "seeds": 4}, resume=True)


@pytest.mark.parametrize("torn", range(1, 40, 7))
def test_a_torn_last_line_is_left_out_and_appending_goes_on(tmp_path, torn):
    RunDirectory(tmp_path, IDENTITY, resume=False).append([record(0), record(1)])
    path = tmp_path / "records.jsonl"
    path.write_bytes(path.read_bytes()[:-torn])
    run = RunDirectory(tmp_path, IDENTITY, resume=True)
    kept = 2 if torn == 1 else 1  # without its newline alone, the last line is whole
    assert len(run.records) == kept
    run.append([record(5)])
    assert [r.seed for r in read_records(tmp_path, Record.from_json)] == [*range(kept), 5]


def test_a_broken_line_before_the_last_is_an_error(tmp_path):
    RunDirectory(tmp_path, IDENTITY, resume=False).append([record(0), record(1)])
    path = tmp_path / "records.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("nonsense\n" + "\n".join(lines) + "\n")
    with pytest.raises(ResultsError, match="line 1: cannot be read"):
        read_records(tmp_path, Record.from_json)


def test_masks_are_kept_under_their_digest(tmp_path):
    run = RunDirectory(tmp_path, IDENTITY, resume=False)
    mask = Mask.full(PerceptronSpec(widths=(2, 3, 1)))
    run.save_mask(mask)
    run.save_mask(mask)
    [path] = (tmp_path / "masks").iterdir()
    assert path.stem == mask.digest()
    assert Mask(load_file(path)).digest() == mask.digest()


def test_what_a_run_printed_is_kept_under_its_challenge_pruner_density_and_seed(tmp_path):
    run = RunDirectory(tmp_path, IDENTITY, resume=False)
    run.save_output(record(3), "hello\n")
    run.save_output(replace(record(0), pruner="../a:k=0.5", target_density=0.123456), "\ud800é")
    run.save_output(record(1), "")
    plain, cleaned = sorted((tmp_path / "output").iterdir(), key=lambda path: len(path.name))
    assert (plain.name, plain.read_text("utf-8")) == ("c-a-0.1-3.txt", "hello\n")
    # A name that had to be changed ends in a digest of what it was.
    assert re.fullmatch(r"c-\.\._a_k=0\.5-0\.1235-0-[0-9a-f]{8}\.txt", cleaned.name)
    assert cleaned.read_text("utf-8") == "?é"
