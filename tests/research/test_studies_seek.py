"""The study seek: its grid, its claims on made-up records, and small real runs."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from plantkit import Mask
from plantkit.research.studies.calibration import Calibration
from plantkit.research.studies.claims import ClaimVerdict
from plantkit.research.studies.pruners import installed_pruner
from plantkit.research.studies.records import Records, StudyRecord
from plantkit.research.studies.runner import run_unit
from plantkit.research.studies.seek import study
from plantkit.research.studies.seek.grid import (
    BASE,
    LINES,
    SEARCHES,
    Case,
    cases,
    in_map,
    on_line,
    plant_problem,
)
from plantkit.research.studies.seek.pages import share
from plantkit.research.studies.seek.study import STUDY
from plantkit.research.studies.study import Selection, Unit

SMALL = replace(BASE, width=8)
DOCS = Path(__file__).parents[2] / "docs"


def made_up(case: Case, seed: int, **values: float | None) -> StudyRecord:
    at = {**asdict(case), "seed": seed, "in_map": in_map(case)}
    return StudyRecord(coordinates=at, values={"kept": 0.1, "digits": 0.5, **values})


def everywhere(*, exact: float, f1: float, other: float) -> Records:
    """Returns records of the whole quick grid, alike but for a little spread over seeds."""
    return Records(
        made_up(
            case,
            seed,
            exact=exact,
            good=max(exact, other),
            other=other,
            f1=f1 + 0.01 * seed,
            recovered=0.9,
            exact_without_error=1.0,
        )
        for case in cases(quick=True)
        for seed in range(3)
    )


def changed(records: Records, value: str, to: float, **where: object) -> Records:
    inside = set(map(id, records.where(**where)))  # type: ignore[arg-type]
    return Records(
        replace(record, values={**record.values, value: to}) if id(record) in inside else record
        for record in records
    )


def verdict(records: Records, name: str) -> ClaimVerdict:
    return {found.claim.id: found.verdict for found in STUDY.findings(records)}[name]


def test_the_quick_grid_is_a_part_of_the_full_one() -> None:
    quick, full = cases(quick=True), cases(quick=False)
    assert set(quick) < set(full)
    for grid in (quick, full):
        assert len(set(grid)) == len(grid)
        assert {case.pruner for case in grid} == set(SEARCHES)
        for case in grid:
            assert in_map(case) or any(on_line(case, *line) for line in LINES)
    assert len(STUDY.units(quick=True, seeds=2)) == 2 * len(quick)


def test_all_searches_are_installed_and_take_an_effort() -> None:
    for name, effort in SEARCHES.items():
        pruner, module = installed_pruner(name, {"effort": str(effort)})
        assert (pruner.name, pruner.effort) == (name, effort)  # type: ignore[attr-defined]
        assert module


def test_choices_are_coordinates_of_the_grid() -> None:
    chosen = {"pruner": ["annealing"], "width": ["8"], "depth": ["3"], "units": ["4"]}
    (unit,) = STUDY.select(Selection(quick=True, seeds=1, chosen=chosen))
    assert Case.of(unit.coordinates) == SMALL


def test_the_cost_grows_with_effort() -> None:
    speed = Calibration(seconds_per_step=1e-3, seconds_per_parameter=1e-8)

    def seconds(case: Case) -> float:
        return STUDY.seconds(Unit(study="seek", coordinates={**asdict(case), "seed": 0}), speed)

    for pruner, effort in SEARCHES.items():
        case = replace(SMALL, pruner=pruner, effort=effort)
        assert 1 < seconds(case) < seconds(replace(case, effort=10 * effort)) < 11 * seconds(case)


def test_without_records_nothing_is_tested_and_nothing_drawn(tmp_path) -> None:
    assert {found.verdict for found in STUDY.findings(Records())} == {ClaimVerdict.NOT_TESTED}
    assert STUDY.tables(Records()) == []
    assert STUDY.draw(Records(), tmp_path) == []


def test_claims_that_no_difference_meets() -> None:
    alike = everywhere(exact=0.0, f1=0.5, other=0.0)
    expected = {"unique", "width", "depth"}
    for claim in STUDY.claims:
        reproduced = verdict(alike, claim.id) is ClaimVerdict.REPRODUCED
        assert reproduced == (claim.id in expected), claim.id


@pytest.mark.parametrize(
    ("claim", "value", "to", "where"),
    [
        ("unique", "exact_without_error", 0.0, {"pruner": "gates"}),
        ("width", "exact", 1.0, {"width": 32, "depth": 4, "units": 8}),
        ("depth", "exact", 1.0, {"depth": 4, "width": 16, "units": 4}),
    ],
)
def test_claims_that_one_place_breaks(claim, value, to, where) -> None:
    alike = everywhere(exact=0.0, f1=0.5, other=0.0)
    assert verdict(changed(alike, value, to, **where), claim) is ClaimVerdict.NOT_REPRODUCED


@pytest.mark.parametrize(
    ("claim", "value", "to", "where"),
    [
        ("small", "exact", 1.0, {"depth": 3, "width": 8, "units": 4}),
        ("as-good", "other", 1.0, {"depth": 4, "width": 32, "units": 8}),
        ("effort", "f1", 0.9, {"effort": 100}),
        ("samples", "exact", 1.0, {"width": 16, "samples": 2000, "noise": 0.0}),
        ("noise", "exact", 1.0, {"width": 16, "samples": 2000, "noise": 0.0}),
        ("annealing", "exact", 1.0, {"width": 8, "pruner": "annealing"}),
    ],
)
def test_claims_that_a_difference_meets(claim, value, to, where) -> None:
    records = changed(everywhere(exact=0.0, f1=0.5, other=0.0), value, to, **where)
    assert verdict(records, claim) is ClaimVerdict.REPRODUCED


def test_instances_are_the_same_for_all_searches_noises_and_numbers_of_samples() -> None:
    first = plant_problem(SMALL, 0)
    for case in (
        replace(SMALL, pruner="gates", effort=1),
        replace(SMALL, samples=50),
        replace(SMALL, noise=0.1),
    ):
        again = plant_problem(case, 0)
        assert all(torch.equal(again.ticket[name], mask) for name, mask in first.ticket.items())
        assert torch.equal(again.test.targets, first.test.targets)  # without noise
    assert len(plant_problem(replace(SMALL, samples=50), 0).problem.train) == 50
    noisy = plant_problem(replace(SMALL, noise=0.1), 0).problem.train.targets
    spread = float((noisy - first.problem.train.targets).std())
    assert spread == pytest.approx(0.1, rel=0.1)
    assert plant_problem(SMALL, 1).digest != first.digest


class Answers:
    """A pruner that gives the ticket, with some entries exchanged."""

    name = reference = ""

    def __init__(self, case: Case, exchanged: int) -> None:
        self.ticket, self.exchanged = plant_problem(case, 0).ticket, exchanged

    def prune(self, problem, density, *, seed):
        vector = self.ticket.vector(problem.network)
        kept, dropped = vector.nonzero().squeeze(1), (~vector).nonzero().squeeze(1)
        vector[kept[: self.exchanged]] = False
        vector[dropped[: self.exchanged]] = True
        return Mask.from_vector(problem.network, vector)


def test_the_ticket_is_exact_and_anything_else_is_not(monkeypatch) -> None:
    unit = Unit(study="seek", coordinates={**asdict(SMALL), "seed": 0})
    for exchanged in (0, 3):
        monkeypatch.setattr(
            study, "installed_pruner", lambda *_, n=exchanged: (Answers(SMALL, n), "")
        )
        (record,) = STUDY.run(unit)
        values = record.values
        if exchanged:
            assert values["exact"] == 0
            assert values["exact_without_error"] is None
            assert values["f1"] == pytest.approx(1 - 3 / 12)
        else:
            assert values["exact"] == values["good"] == values["exact_without_error"] == 1
            assert values["recovered"] == values["digits"] == values["f1"] == 1
            assert values["other"] == 0
        assert record.coordinates["in_map"] is True


def test_annealing_finds_the_ticket_of_a_small_network_and_a_unit_can_be_repeated() -> None:
    case = replace(SMALL, effort=60)
    unit = Unit(study="seek", coordinates={**asdict(case), "seed": 1})
    first, again = run_unit(unit), run_unit(unit)
    assert first.error == ""
    assert first.records == again.records
    assert first.records[0].values["exact"] == 1


def test_a_ticket_that_does_not_fit_is_an_error_of_its_unit() -> None:
    result = run_unit(
        Unit(study="seek", coordinates={**asdict(replace(SMALL, units=9)), "seed": 0})
    )
    assert result.error.startswith("WidthError: ")


def test_wilsons_interval_by_hand() -> None:
    # 4 of 5: centre (0.8 + 3.8415 / 10) / (1 + 3.8415 / 5), and so on.
    assert share([1, 1, 1, 1, 0]) == pytest.approx((0.8, 0.3755, 0.9638), abs=2e-4)
    assert share([0.0] * 5) == pytest.approx((0, 0, 0.4345), abs=2e-4)


def test_tables_and_plots(tmp_path) -> None:
    records = everywhere(exact=1.0, f1=0.9, other=0.0)
    (table,) = STUDY.tables(records)
    assert len(table.rows) == len(cases(quick=True))
    row = dict(table.rows[0])
    assert (row["network"], row["search"], row["the planted one"], row["n"]) == (
        "3x8",
        "annealing:effort=300",
        "1.00",
        "3",
    )
    plots = STUDY.draw(records, tmp_path)
    assert [plot.path.name for plot in plots] == ["map.svg", "lines.svg"]
    drawn = plots[0].path.read_text(encoding="utf-8")
    for depth, units in itertools.product((3, 4), (4, 8)):
        assert f"{depth} layers, {units} ticket units" in drawn
    for pruner in SEARCHES:
        assert f"{pruner}: one as good" in drawn
    assert "CPU seconds asked of seek" in plots[1].path.read_text(encoding="utf-8")


def test_the_pictures_of_the_page_show_the_stored_records(tmp_path) -> None:
    pytest.importorskip("matplotlib")
    stored = json.loads((DOCS / "results/study-seek.json").read_text(encoding="utf-8"))
    records = Records(StudyRecord(**record) for record in stored["records"])
    for plot in STUDY.draw(records, tmp_path):
        shown = (DOCS / f"images/seek-{plot.path.name}").read_text(encoding="utf-8")
        # Curves and texts as drawn; the program that drew them is named elsewhere.
        assert _drawing(plot.path.read_text(encoding="utf-8")) == _drawing(shown)


def _drawing(svg: str) -> list[str]:
    return re.findall(r'<path d="[^"]*"|>[^<>]+</text>', svg)
