"""Tables of rewound pruners, and of scores at budgets of effort."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import record_of

from plantkit.pruners.sources import PrunerSource
from plantkit.reports import built_in
from plantkit.reports.tables import standings_table
from plantkit.reports.tracks import effort_table, exceeds_a_budget, standings_tables
from plantkit.scoring.effort import scores_at_budgets
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Evaluation, Settings
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.starts import rank_by_start

#: Pruner to step and effort.
RUNS = {"quick": (0, 0.5), "slow": (0, 40.0), "late": (500, 3.0), "later": (900, 1.0)}


@pytest.fixture
def evaluation(circle) -> Evaluation:
    protocol = Protocol(densities=(0.5,), seeds=1)
    records = [
        record_of(circle, pruner=name, rewind_step=step, effort=effort)
        for name, (step, effort) in RUNS.items()
    ]
    return Evaluation(
        entries=[
            Entry(label=name, source=PrunerSource(name=name), rewind=step)
            for name, (step, _) in RUNS.items()
        ],
        challenges=[circle],
        suite=None,
        protocol=protocol,
        records=records,
        standings=rank_by_start([circle], records, protocol),
        settings=Settings(speed=1.25),
        started="2026-01-01T00:00:00+00:00",
    )


def only(evaluation: Evaluation, *names: str) -> Evaluation:
    records = [record for record in evaluation.records if record.pruner in names]
    return replace(
        evaluation,
        entries=[entry for entry in evaluation.entries if entry.label in names],
        records=records,
        standings=rank_by_start(evaluation.challenges, records, evaluation.protocol),
    )


def test_rewound_pruners_have_a_table_of_their_own_with_their_steps(evaluation):
    initial, rewound = standings_tables(evaluation)
    assert {row["pruner"] for row in initial.rows} >= {"quick", "slow"}
    assert not {row["pruner"] for row in initial.rows} & {"late", "later"}
    steps = {row["pruner"]: row["rewind"] for row in rewound.rows if row["pruner"] in RUNS}
    assert steps == {"late": "500", "later": "900"}
    assert rewound.title == "Standings of rewound pruners: circle-3x60"
    assert list(rewound.rows[0])[:3] == ["rank", "pruner", "rewind"]
    assert list(rewound.rows[0])[3:] == list(initial.rows[0])[2:]


def test_without_rewound_pruners_nothing_changes(evaluation):
    plain = only(evaluation, "quick", "slow")
    assert standings_tables(plain) == [standings_table(plain)]
    [alone] = standings_tables(only(evaluation, "late"))
    assert alone.title.startswith("Standings of rewound")


def test_a_score_for_every_budget(evaluation):
    table = effort_table(evaluation)
    assert list(table.rows[0]) == ["pruner", "effort", "2 s", "10 s", "60 s", "300 s", "no limit"]
    at = scores_at_budgets(evaluation.challenges, evaluation.records, evaluation.protocol)
    rows = {row["pruner"]: row for row in table.rows}
    assert set(rows) == set(RUNS)
    for budget, standings in at.items():
        for standing in standings:
            assert rows[standing.pruner][f"{budget:g} s"] == f"{standing.score:.1f}"
    assert rows["slow"] == {
        "pruner": "slow",
        "effort": "40.00",
        "2 s": "0.0",
        "10 s": "0.0",
        "60 s": rows["quick"]["2 s"],
        "300 s": rows["quick"]["2 s"],
        "no limit": rows["quick"]["no limit"],
    }
    assert rows["late"]["2 s"] == "0.0" != rows["late"]["10 s"]
    assert "this machine is 1.25 times as fast" in table.notes[0]


def test_what_was_not_measured_is_left_empty(evaluation):
    [record] = only(evaluation, "quick").records
    unknown = replace(
        only(evaluation, "quick"), records=[replace(record, effort=None)], settings=Settings()
    )
    [row] = effort_table(unknown).rows
    assert row["pruner"] == "quick"
    assert {row[name] for name in ("effort", "2 s", "10 s", "60 s", "300 s")} == {""}
    assert row["no limit"] != ""
    assert "this machine" not in effort_table(unknown).notes[0]


@pytest.mark.parametrize("form", ["markdown", "html", "latex"])
def test_budgets_are_shown_where_they_matter(evaluation, form):
    title = "Scores at budgets of effort"
    assert exceeds_a_budget(evaluation)
    assert title in built_in(form).render(evaluation)
    assert "Standings of rewound pruners" in built_in(form).render(evaluation)
    quick = only(evaluation, "quick", "later")
    assert not exceeds_a_budget(quick)
    assert title not in built_in(form).render(quick)


def test_a_failed_run_exceeds_nothing(evaluation):
    [record] = only(evaluation, "slow").records
    failed = replace(evaluation, records=[replace(record, status="timeout")])
    assert not exceeds_a_budget(failed)
