"""A study in parts: who runs what, and what comes of putting them together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import toy_study
from toy_study import ToyStudy

from plantkit.errors import ResultsError, UsageError
from plantkit.files import RECORDS_FILE
from plantkit.research.studies import STUDIES, find_study
from plantkit.research.studies.calibration import NOMINAL, Calibration
from plantkit.research.studies.claims import ClaimVerdict
from plantkit.research.studies.report import report_json, report_markdown
from plantkit.research.studies.runner import StudyOutcome, estimate, merge_runs, run_study, span
from plantkit.research.studies.study import Selection
from plantkit.schemas import violations

NO_TIME = Calibration(seconds_per_step=0, seconds_per_parameter=0)
EVEN = {"kind": ["even"]}


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ToyStudy:
    import sys

    monkeypatch.setitem(STUDIES, "toy", "toy_study_module")
    monkeypatch.setitem(sys.modules, "toy_study_module", None)
    return toy_study.register()


def run_part(toy: ToyStudy, directory: Path, number: int, count: int) -> StudyOutcome:
    selection = Selection(chosen=EVEN, part=(number, count))
    return run_study(toy, selection, directory=directory, calibration=NO_TIME)


@pytest.mark.parametrize(("name", "count"), [("plant-n-seek", 7), ("lottery", 4)])
def test_parts_have_every_run_once_and_cost_alike(name: str, count: int) -> None:
    study = find_study(name)
    units = study.grid(Selection(chosen={"network": ["conv"]} if name == "lottery" else {}))
    parts = [study.part(units, number, count) for number in range(1, count + 1)]
    assert sorted(unit.id for part in parts for unit in part) == sorted(unit.id for unit in units)
    costs = [sum(study.seconds(unit, NOMINAL) for unit in part) for part in parts]
    dearest = max(study.seconds(unit, NOMINAL) for unit in units)
    assert max(costs) - min(costs) <= dearest
    order = {unit.id: place for place, unit in enumerate(units)}
    for part in parts:
        places = [order[unit.id] for unit in part]
        assert places == sorted(places)


def test_the_parts_of_the_whole_grid_differ_by_little() -> None:
    study = find_study("plant-n-seek")
    units = study.grid(Selection())
    costs = [
        sum(study.seconds(unit, NOMINAL) for unit in study.part(units, number, 20))
        for number in range(1, 21)
    ]
    assert max(costs) < 1.02 * min(costs)


def test_more_parts_than_runs_is_an_error(toy: ToyStudy) -> None:
    with pytest.raises(UsageError, match="4 runs cannot be shared out among 5 parts"):
        estimate(toy, Selection(chosen=EVEN, part=(1, 5)))


def test_merged_parts_are_the_whole(toy: ToyStudy, tmp_path: Path) -> None:
    whole = run_study(toy, Selection(chosen=EVEN), calibration=NO_TIME)
    first = run_part(toy, tmp_path / "1", 1, 2)
    assert len(first.results) == 2
    run_part(toy, tmp_path / "2", 2, 2)
    merged = merge_runs(toy, Selection(chosen=EVEN), [tmp_path / "2", tmp_path / "1"])
    assert merged.records == whole.records
    assert (merged.missing, merged.cost.units) == (0, 0)
    assert toy.findings(merged.records)[0].verdict is ClaimVerdict.REPRODUCED


def test_a_merge_says_what_is_missing(toy: ToyStudy, tmp_path: Path) -> None:
    run_part(toy, tmp_path / "1", 1, 2)
    merged = merge_runs(toy, Selection(chosen=EVEN), [tmp_path / "1"])
    assert merged.missing == 2
    text = report_markdown(merged)
    assert "2 runs, merged from 1 directory, 2 records; 2 runs are missing." in text
    report = json.loads(json.dumps(report_json(merged)))
    assert violations(report, "study") == []
    assert (report["run"]["units_missing"], report["run"]["directories"]) == (2, 1)


def test_a_run_may_be_in_several_directories(toy: ToyStudy, tmp_path: Path) -> None:
    for name in "ab":
        run_part(toy, tmp_path / name, 1, 2)
    merged = merge_runs(toy, Selection(chosen=EVEN), [tmp_path / "a", tmp_path / "b"])
    assert len(merged.results) == 2


def test_what_failed_in_one_directory_may_be_done_in_another(toy: ToyStudy, tmp_path: Path) -> None:
    odd = Selection(chosen={"kind": ["odd"]})
    run_study(toy, odd, directory=tmp_path / "failed", calibration=NO_TIME)
    assert len(merge_runs(toy, odd, [tmp_path / "failed"]).failures) == 1
    assert merge_runs(toy, odd, [tmp_path / "failed"]).missing == 1
    lines = (tmp_path / "failed" / RECORDS_FILE).read_text()
    run_study(toy, Selection(chosen=EVEN), directory=tmp_path / "done", calibration=NO_TIME)
    result = {**json.loads(lines), "error": "", "records": []}
    with (tmp_path / "done" / RECORDS_FILE).open("a", newline="\n", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")
    for order in (["failed", "done"], ["done", "failed"]):
        merged = merge_runs(toy, odd, [tmp_path / name for name in order])
        assert merged.failures == []
        assert merged.missing == 0


def test_different_results_of_one_run_are_an_error(toy: ToyStudy, tmp_path: Path) -> None:
    for name in "ab":
        run_part(toy, tmp_path / name, 1, 4)
    file = tmp_path / "b" / RECORDS_FILE
    file.write_text(file.read_text().replace('"doubled": ', '"doubled": 1'))
    with pytest.raises(UsageError, match=r"a and .*b have different results of .*leave one"):
        merge_runs(toy, Selection(), [tmp_path / "a", tmp_path / "b"])


def test_results_of_other_settings_are_an_error(toy: ToyStudy, tmp_path: Path) -> None:
    for number in (1, 2):
        directory = tmp_path / str(number)
        run_part(toy, directory, number, 4)
        file = directory / RECORDS_FILE
        setting = json.dumps({"files of mnist": f"abc{number}"})
        file.write_text(file.read_text().replace('"setting": {}', f'"setting": {setting}'))
    with pytest.raises(UsageError, match=r"files of mnist: abc1 in .*1, abc2 in .*2; expected"):
        merge_runs(toy, Selection(), [tmp_path / "1", tmp_path / "2"])


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda run: run.joinpath("study.json").unlink(), UsageError, "has no study.json"),
        (
            lambda run: run.joinpath("study.json").write_text("{"),
            ResultsError,
            "study.json cannot be read",
        ),
        (
            lambda run: run.joinpath("study.json").write_text('{"study": "lottery"}'),
            UsageError,
            "its study is 'lottery'; expected 'toy'",
        ),
        (
            lambda run: run.joinpath("study.json").write_text(
                '{"study": "toy", "plantkit_version": "0.0.1"}'
            ),
            UsageError,
            "its plantkit version is '0.0.1'",
        ),
        (
            lambda run: run.joinpath(RECORDS_FILE).write_text("{broken\n{}\n"),
            ResultsError,
            "line 1: cannot be read",
        ),
    ],
)
def test_what_cannot_be_merged_is_an_error(
    toy: ToyStudy, tmp_path: Path, spoil, error: type[Exception], message: str
) -> None:
    run_part(toy, tmp_path / "run", 1, 2)
    spoil(tmp_path / "run")
    with pytest.raises(error, match=message):
        merge_runs(toy, Selection(), [tmp_path / "run"])


def test_a_run_of_an_earlier_form_can_be_read(toy: ToyStudy, tmp_path: Path) -> None:
    run_part(toy, tmp_path / "run", 1, 2)
    file = tmp_path / "run" / RECORDS_FILE
    file.write_text(file.read_text().replace(', "setting": {}', ""))
    assert len(merge_runs(toy, Selection(), [tmp_path / "run"]).results) == 2


@pytest.mark.parametrize(
    ("seconds", "device", "words"),
    [
        (60, "cpu", "1.0 CPU minutes"),
        (10_799, "cpu", "180.0 CPU minutes"),
        (10_800, "cpu", "3.0 CPU hours"),
        (259_200, "cuda", "3 GPU days"),
    ],
)
def test_long_costs_are_in_hours_and_days(seconds: float, device: str, words: str) -> None:
    assert span(seconds, device) == words
