"""The framework of studies, by a toy: selection, saving, resuming, verdicts, report, plots."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toy_study
from toy_study import ToyStudy

from plantkit.errors import MissingExtraError, ResultsError, UnknownNameError, UsageError
from plantkit.files import RECORDS_FILE, Journal
from plantkit.research.studies import STUDIES, find_study
from plantkit.research.studies.calibration import Calibration, calibrate
from plantkit.research.studies.claims import Claim, ClaimVerdict, Figure, Judgement, load_claims
from plantkit.research.studies.plotting import Line, Panel, check_extra, draw_panels
from plantkit.research.studies.records import Records, StudyRecord, UnitResult
from plantkit.research.studies.report import report_json, report_markdown
from plantkit.research.studies.rules import RULES, is_within, means
from plantkit.research.studies.runner import StudyOutcome, run_study
from plantkit.research.studies.study import Selection
from plantkit.schemas import violations

NO_TIME = Calibration(seconds_per_step=0, seconds_per_parameter=0)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ToyStudy:
    monkeypatch.setitem(STUDIES, "toy", "toy_study_module")
    monkeypatch.setitem(sys.modules, "toy_study_module", None)
    return toy_study.register()


def run(study: ToyStudy, selection: Selection | None = None, **options: object) -> StudyOutcome:
    return run_study(
        study,
        Selection(chosen={"kind": ["even"]}) if selection is None else selection,
        calibration=NO_TIME,
        **options,
    )


def record(value: float | None, **coordinates: str | float) -> StudyRecord:
    return StudyRecord(coordinates=coordinates, values={"value": value})


def test_every_registered_study_is_found_under_its_name() -> None:
    for name in STUDIES:
        study = find_study(name)
        assert study.name == name
        grid = study.units(quick=False, seeds=None)
        assert len({unit.id for unit in grid}) == len(grid)
        assert {name for unit in grid for name in unit.coordinates} >= set(study.choices)
        assert len({claim.id for claim in study.claims}) == len(study.claims)


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("plant-n-seek", "studies.md"),
        ("lottery", "studies-lottery.md"),
        ("stability", "studies-lottery.md"),
    ],
)
def test_the_pages_show_every_claim(name: str, page: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    for claim in find_study(name).claims:
        assert f"| {claim.claim} | {claim.source} | {claim.criterion} |" in text, claim.id


def test_an_unknown_study_is_named_with_the_nearest_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'plant-n-seek'"):
        find_study("plant-n-sek")


def test_records_are_narrowed_by_one_value_or_several() -> None:
    records = Records([record(1, a=1, b="x"), record(None, a=2, b="x"), record(3, a=3, b="y")])
    assert records.where(a=1).values("value") == [1]
    assert records.where(a=[1, 2]).values("value") == [1]  # a missing value is left out
    assert records.where(b="x", a=[2, 3]).distinct("a") == [2]
    assert [len(part) for part in records.by("b").values()] == [2, 1]
    assert records.where(absent=1).values("value") == []


@pytest.mark.parametrize(
    ("holds", "verdict"),
    [
        ([True], ClaimVerdict.REPRODUCED),
        ([False], ClaimVerdict.NOT_REPRODUCED),
        ([None], ClaimVerdict.NOT_TESTED),
        ([True, False], ClaimVerdict.NOT_REPRODUCED),
        ([False, None], ClaimVerdict.NOT_TESTED),
    ],
)
def test_a_verdict_follows_from_the_criterion(
    holds: list[bool | None], verdict: ClaimVerdict
) -> None:
    judges = [lambda _, one=one: Judgement(holds=one) for one in holds]
    claim = Claim(id="a", claim="b", source="c", criterion="d", judges=judges)
    assert claim.judged(Records([])).verdict is verdict


def test_a_figure_is_mean_least_greatest_and_count() -> None:
    figure = Figure.of("speed", [1.0, 2.0, 6.0])
    assert (figure.mean, figure.low, figure.high, figure.n) == (3.0, 1.0, 6.0, 3)
    assert str(figure) == "speed: 3 [1, 6]"
    with pytest.raises(ValueError, match="has no values"):
        Figure.of("speed", [])


TABLE = """
[where]
depth = 5

[[for_each]]
id = "x-"
claim = "On x: "
where = { kind = "x" }

[[for_each]]
id = "y-"
claim = "On y: "
where = { kind = "y" }

[[claims]]
id = "high"
claim = "values are high"
source = "section 2"
criterion = "every mean is 1/2 or more and below 1"

[[claims.judged_by]]
rule = "means"
value = "value"
where = { task = ["circle", "relu"], density = ["planted", 0.1] }
at_least = "1/2"
below = 1
show = "lowest"
"""


def test_claims_are_read_from_a_table(tmp_path: Path) -> None:
    (tmp_path / "claims.toml").write_text(TABLE)
    claims = load_claims(tmp_path / "claims.toml", RULES)
    assert [(claim.id, claim.claim) for claim in claims] == [
        ("x-high", "On x: values are high"),
        ("y-high", "On y: values are high"),
    ]

    def found(x: float, y: float, depth: int = 5) -> list[ClaimVerdict]:
        places = [(task, density) for task in ("circle", "relu") for density in ("planted", 0.1)]
        records = Records(
            record(value, kind=kind, task=task, density=density, depth=depth)
            for kind, value in (("x", x), ("y", y))
            for task, density in places
        )
        return [claim.judged(records).verdict for claim in claims]

    yes, no = ClaimVerdict.REPRODUCED, ClaimVerdict.NOT_REPRODUCED
    assert found(0.5, 0.49) == [yes, no]
    assert found(1.0, 0.99) == [no, yes]
    assert found(0.5, 0.5, depth=3) == [ClaimVerdict.NOT_TESTED] * 2


def test_labels_say_what_is_listed_and_the_lowest_of_a_task_is_shown() -> None:
    values = {("circle", 0.1): 3.0, ("circle", 0.5): 2.0, ("relu", 0.1): 1.0, ("relu", 0.5): 4.0}
    records = Records(
        record(value, task=task, width=100, density=density)
        for (task, density), value in values.items()
    )
    where = {"task": ["circle", "relu"], "width": [100], "density": [0.1, 0.5]}
    shown = means(records, value="value", where=where, show="lowest", above=0).figures
    assert [str(figure) for figure in shown] == [
        "circle width 100 0.5: 2 [2, 2]",
        "relu width 100 0.1: 1 [1, 1]",
    ]


@pytest.mark.parametrize(
    ("bound", "inside", "outside"),
    [
        ({"at_least": 1}, (1, 2), (0.9, 2)),
        ({"above": 1}, (1.1, 2), (1, 2)),
        ({"at_most": 1}, (0, 1), (0, 1.1)),
        ({"below": 1}, (0, 0.9), (0, 1)),
    ],
)
def test_both_ends_must_be_within_the_bounds(
    bound: dict[str, float], inside: tuple[float, float], outside: tuple[float, float]
) -> None:
    assert is_within(*inside, **bound)
    assert not is_within(*outside, **bound)


def test_a_selection_narrows_the_grid(toy: ToyStudy) -> None:
    assert len(toy.select(Selection())) == 5
    assert len(toy.select(Selection(quick=True, seeds=3))) == 9
    chosen = toy.select(Selection(chosen={"kind": ["even"], "number": ["1", "2"]}))
    assert [unit.coordinates["number"] for unit in chosen] == [1, 2]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"colour": ["red"]}, "no choice 'colour'; expected one of kind, number"),
        ({"kind": ["prime"]}, "--kind is 'prime'; expected one of even, odd"),
        ({"kind": ["odd"], "number": ["2"]}, "no run of the full grid of 'toy'"),
    ],
)
def test_a_selection_that_cannot_be_is_an_error(
    toy: ToyStudy, chosen: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        toy.select(Selection(chosen=chosen))


def test_the_cost_is_stated_before_the_first_run(toy: ToyStudy) -> None:
    events: list[str] = []
    run(
        toy,
        on_cost=lambda cost: events.append(str(cost)),
        on_result=lambda result, done, total: events.append(f"{done} of {total}"),
    )
    assert events[0] == "4 runs to do, about 4.0 CPU minutes"
    assert events[1:] == ["1 of 4", "2 of 4", "3 of 4", "4 of 4"]


def test_results_do_not_depend_on_the_number_of_processes(toy: ToyStudy) -> None:
    alone, together = (list(run(toy, jobs=jobs).records) for jobs in (1, 2))
    assert alone == together
    assert len(alone) == 4


def test_a_unit_that_fails_is_reported_and_tried_again(toy: ToyStudy, tmp_path: Path) -> None:
    first = run(toy, Selection(), directory=tmp_path)
    assert [failure.error for failure in first.failures] == [
        "UsageError: odd numbers cannot be run"
    ]
    assert len(first.records) == 4
    again = run(toy, Selection(), directory=tmp_path, resume=True)
    assert again.cost.units == 1
    assert again.cost.known_units == 4


def test_a_directory_with_results_needs_resume(toy: ToyStudy, tmp_path: Path) -> None:
    run(toy, directory=tmp_path)
    with pytest.raises(UsageError, match="add --resume"):
        run(toy, directory=tmp_path)


def test_a_directory_of_another_study_is_refused(toy: ToyStudy, tmp_path: Path) -> None:
    Journal(tmp_path, {"study": "other"}, kind="study", parse=UnitResult.from_json, resume=False)
    with pytest.raises(UsageError, match="give another --run-dir"):
        run(toy, directory=tmp_path, resume=True)


def test_a_directory_grows_by_other_parts_of_the_grid(toy: ToyStudy, tmp_path: Path) -> None:
    run(toy, Selection(chosen={"number": ["0"]}), directory=tmp_path)
    grown = run(toy, Selection(chosen={"number": ["3"]}), directory=tmp_path, resume=True)
    assert [kept.coordinates["number"] for kept in grown.records] == [3, 0]


def test_a_torn_last_line_is_run_again(toy: ToyStudy, tmp_path: Path) -> None:
    whole = run(toy, directory=tmp_path)
    file = tmp_path / RECORDS_FILE
    content = file.read_bytes()
    file.write_bytes(content[:-20])
    resumed = run(toy, directory=tmp_path, resume=True)
    assert resumed.cost.units == 1
    assert list(resumed.records) == list(whole.records)


def test_a_broken_line_in_the_middle_is_an_error(toy: ToyStudy, tmp_path: Path) -> None:
    run(toy, directory=tmp_path)
    file = tmp_path / RECORDS_FILE
    lines = file.read_text().splitlines(keepends=True)
    file.write_text(lines[0] + "{broken\n" + "".join(lines[2:]))
    with pytest.raises(ResultsError, match="line 2: cannot be read"):
        run(toy, directory=tmp_path, resume=True)


def test_a_killed_run_goes_on_where_it_was(toy: ToyStudy, tmp_path: Path) -> None:
    script = [sys.executable, str(Path(toy_study.__file__)), str(tmp_path / "run")]
    process = subprocess.Popen(script, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()  # the first unit is on disk
    with pytest.raises(UsageError, match="in use by another run"):
        toy_study.run_in(tmp_path / "run", resume=True)
    time.sleep(random.uniform(0, 0.6))
    process.kill()
    process.communicate()
    kept = (tmp_path / "run" / RECORDS_FILE).read_bytes().count(b"\n")
    assert 1 <= kept < 40
    done = subprocess.run(script, capture_output=True, check=True, text=True).stdout.splitlines()
    assert len(done) - 1 in {40 - kept, 40 - kept + 1}  # none twice but one that was torn
    whole = toy_study.run_in(tmp_path / "whole")
    assert json.loads(done[-1]) == report_json(whole)["records"]


def test_the_json_report_follows_its_schema(toy: ToyStudy) -> None:
    report = report_json(run(toy, Selection(quick=True, seeds=2)))
    assert violations(json.loads(json.dumps(report)), "study") == []
    assert report["findings"][0]["verdict"] == "not reproduced"  # half the numbers are missing
    assert len(report["failures"]) == 2


def test_the_schema_refuses_another_verdict(toy: ToyStudy) -> None:
    report = report_json(run(toy))
    report["findings"][0]["verdict"] = "nearly reproduced"
    assert any("nearly reproduced" in line for line in violations(report, "study"))


def test_the_markdown_report_shows_claim_figures_and_verdict(toy: ToyStudy) -> None:
    text = report_markdown(run(toy))
    assert (
        "1 claims: 1 reproduced, 0 not reproduced, 0 cannot be judged on digits, 0 not tested."
        in text
    )
    cells = ["Doubling doubles", "arithmetic", "the mean is 3", "doubled: 3 [0, 6]", "4"]
    assert re.search(r" +\| ".join(map(re.escape, [*cells, "**reproduced**"])), text)
    assert "4 runs in this go and 0 from before, 4 records" in text


def test_plots_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    line = Line.of("magnitude", {0.1: [0.5, 0.7], 0.01: [0.2], 1.0: []})
    assert line.points == {0.01: (0.2, 0.2, 0.2), 0.1: (0.6, 0.5, 0.7)}
    panel = Panel(title="circle", lines=(line,), marks={0.02: "planted"}, y_limits=(0, 1))
    files = [tmp_path / "a.svg", tmp_path / "deeper" / "b.svg"]
    for file in files:
        draw_panels([[panel, panel], [panel]], file)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert "planted" in files[0].read_text()


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r'pip install "plantkit\[studies\]"'):
        check_extra()


def test_a_calibration_is_a_line() -> None:
    line = Calibration(seconds_per_step=0.5, seconds_per_parameter=0.25)
    assert line.training_seconds(parameters=2, steps=3) == 3.0
    measured = calibrate()
    assert measured.training_seconds(20_000, 1000) > 0
    assert measured.training_seconds(2_000_000, 100) >= measured.training_seconds(20_000, 100)
