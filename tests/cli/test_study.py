"""`plantkit study` on the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy_study

from plantkit.research.studies import STUDIES
from plantkit.schemas import violations

Cli = Callable[..., Any]


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STUDIES, "toy", "toy_study_module")
    monkeypatch.setitem(sys.modules, "toy_study_module", None)
    toy_study.register()


def test_without_a_name_the_studies_are_listed(plantkit_cli: Cli) -> None:
    done = plantkit_cli("study")
    assert done.code == 0
    assert "plant-n-seek: Plant 'n' Seek" in done.out
    assert "toy: A toy (nowhere)" in done.out


def test_a_study_prints_its_cost_and_its_report(plantkit_cli: Cli) -> None:
    done = plantkit_cli("study", "toy", "--kind", "even")
    assert done.code == 0
    assert done.err.startswith("4 runs to do, about 4.0 CPU minutes\n")
    assert "**reproduced**" in done.out


def test_cost_alone_runs_nothing(plantkit_cli: Cli) -> None:
    done = plantkit_cli("study", "toy", "--kind", "even", "--seeds", "3", "--cost")
    assert (done.code, done.err) == (0, "")
    assert done.out == "12 runs to do, about 12.0 CPU minutes\n"


def test_json_goes_to_a_file(plantkit_cli: Cli, tmp_path: Path) -> None:
    output = tmp_path / "study.json"
    done = plantkit_cli("study", "toy", "--number", "1", "--format", "json", "-o", output)
    assert done.code == 1  # the odd one failed
    assert "odd numbers cannot be run" in done.err
    report = json.loads(output.read_text())
    assert violations(report, "study") == []
    assert report["run"]["chosen"] == {"number": ["1"]}


def test_a_run_goes_on(plantkit_cli: Cli, tmp_path: Path) -> None:
    arguments = ["study", "toy", "--kind", "even", "--run-dir", tmp_path / "run"]
    plantkit_cli(*arguments, "--number", "2")
    assert plantkit_cli(*arguments).code == 2
    done = plantkit_cli(*arguments, "--resume")
    assert done.err.startswith("3 runs to do (1 more are done)")
    assert "**reproduced**" in done.out


def test_parts_are_put_together(plantkit_cli: Cli, tmp_path: Path) -> None:
    for number in (1, 2):
        part = ["--kind", "even", "--part", f"{number}/2"]
        plantkit_cli("study", "toy", *part, "--run-dir", tmp_path / str(number))
    done = plantkit_cli("study", "toy", "--kind", "even", tmp_path / "1", tmp_path / "2")
    assert (done.code, done.err) == (0, "")
    assert "4 runs, merged from 2 directories" in done.out
    assert "**reproduced**" in done.out
    half = plantkit_cli("study", "toy", "--kind", "even", tmp_path / "1")
    assert "2 runs are missing" in half.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["toi"], "no study is named 'toi'; did you mean 'toy'?"),
        (["toy", "--kind", "prime"], "'prime' is not one of"),
        (["toy", "--resume"], "--resume needs the --run-dir"),
        (["toy", "--kind", "odd", "--number", "2"], "no run of the full grid"),
        (["toy", "--part", "3"], "'3' is not a part; expected K/N, such as 3/20"),
        (["toy", "--part", "0/2"], "there is no part 0 of 2; expected 1 to 2"),
        (["toy", "--part", "3/2"], "there is no part 3 of 2; expected 1 to 2"),
        (["toy", "--kind", "even", "--part", "1/9"], "cannot be shared out among 9 parts"),
        (["toy", "nowhere"], "nowhere: no such directory"),
        (["toy", "nowhere", "--part", "1/2"], "--part is for runs to be made"),
        (["toy", "nowhere", "--run-dir", "x"], "--run-dir is for runs to be made"),
        (["toy", "--executor", "dask"], "--executor dask needs --scheduler"),
        (["toy", "--scheduler", "tcp://127.0.0.1:1"], "--scheduler needs --executor dask"),
        (["toy", "--data", "x"], "No such option"),
        (["lottery", "--data", "nowhere"], "nowhere: no such directory"),
        (["lottery", "--network", "conv2", "--cost"], "needs the files of cifar10"),
    ],
)
def test_mistakes_are_usage_errors(plantkit_cli: Cli, arguments: list[str], message: str) -> None:
    done = plantkit_cli("study", *arguments)
    assert done.code == 2
    assert message in done.err


def test_a_missing_extra_is_named_before_anything_runs(
    plantkit_cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = plantkit_cli("study", "toy", "--plots", tmp_path / "plots")
    assert done.code == 2
    assert 'pip install "plantkit[studies]"' in done.err
    assert "runs to do" not in done.err


def test_choices_are_sorted(plantkit_cli: Cli) -> None:
    words = "".join(plantkit_cli("study", "seek", "--help").out.split())
    found = [
        part.split("]")[0].split("|") for part in words.split("[") if "|" in part.split("]")[0]
    ]
    choices = [one for one in found if not {"markdown", "local"} & set(one)]
    assert choices
    for one in choices:
        is_number = all(value.replace(".", "", 1).isdigit() for value in one)
        assert one == sorted(one, key=float if is_number else str)
