"""What is printed on a terminal: the standings last, few notes, 80 columns, nothing hostile."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import click
import pytest
from builders import record_of

from plantkit.challenges.bundles import Challenge
from plantkit.pruners.sources import PrunerSource
from plantkit.reports import built_in, table
from plantkit.reports.grids import grid, printable, shortened
from plantkit.reports.remarks import MORE, MOST_LINES, remark_lines
from plantkit.reports.tables import standings_table
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Evaluation, Settings
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.records import TrackScore
from plantkit.scoring.starts import rank_by_start

EVIL = "evil\x1b[2J\x9b31m\u202e[red]"


def evaluation_of(
    challenges: list[Challenge],
    pruners: list[str],
    *,
    densities: tuple[float, ...] = (0.25, 0.5),
    change: Any = lambda record: record,
    settings: Settings | None = None,
) -> Evaluation:
    """Returns an evaluation of two seeds; `change` makes another record of each."""
    protocol = Protocol(densities=densities, seeds=2)
    records = [
        change(
            record_of(
                challenge,
                pruner=name,
                seed=seed,
                target_density=density,
                density_multiple=density / challenge.planted_density,
                density=density,
                effective_density=density / 4,
                strong=TrackScore(
                    performance=0.1, recovered_accuracy=0.1, recovered_digits=0.04 + 0.1 * place
                ),
                weak=TrackScore(performance=0.2, recovered_accuracy=0.2, recovered_digits=1.0),
                overlap=record_of(challenge).overlap | {"adjusted_recall": 0.004},
            )
        )
        for challenge in challenges
        for place, name in enumerate(pruners)
        for density in densities
        for seed in range(2)
    ]
    return Evaluation(
        entries=[Entry(label=name, source=PrunerSource(name=name)) for name in pruners],
        challenges=challenges,
        suite=None,
        protocol=protocol,
        records=records,
        standings=rank_by_start(challenges, records, protocol),
        settings=settings or Settings(isolation="full"),
        started="2026-01-01T00:00:00+00:00",
    )


def failing(record: Any) -> Any:
    """Returns the record of a run that failed with seed 1; such records have zeros."""
    if record.seed != 1:
        return record
    nothing = TrackScore(performance=0.0, recovered_accuracy=0.0, recovered_digits=0.0)
    return replace(
        record,
        status="crash",
        error="ZeroDivisionError: by zero\nsecond line",
        strong=nothing,
        weak=nothing,
        density=0.0,
        overlap=dict.fromkeys(record.overlap, 0.0),
    )


def test_the_standings_come_last_and_little_follows(circle, relu):
    found = evaluation_of([circle, relu], ["first", "second"])
    for details in (False, True):
        text = table.render(found, details=details)
        lines = text.splitlines()
        title = lines.index("Standings: circle-3x60, relu-3x8")
        assert "strong" in lines[title + 2]
        rows = [line.split() for line in lines[title + 4 : title + 7]]
        assert [row[:2] for row in rows] == [["1", "second"], ["2", "first"], ["(the", "ticket)"]]
        assert len(lines) - title - 7 <= MOST_LINES
        assert max(map(len, lines)) <= 80
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        assert ("\ncircle-3x60\n" in text) is details
        assert (MORE in text) is not details
    assert built_in("table").render(found) == table.render(found)


def test_a_row_per_pruner_and_a_cell_per_density(circle):
    text = table.render(evaluation_of([circle], ["first", "second"]), details=True)
    lines = text[text.index("\ncircle-3x60\n") :].splitlines()
    assert lines[3].split() == ["pruner", "0.25", "0.5"]
    assert lines[5].split() == ["second", *[".14", "1.0", ".00", ".25"] * 2]
    assert lines[6].split() == ["first", *[".04", "1.0", ".00", ".25"] * 2]


def test_failed_runs_show_in_their_cells_and_once_per_pruner(circle):
    found = evaluation_of([circle], ["first", "second"], change=failing)
    text = table.render(found, details=True)
    lines = text[text.index("\ncircle-3x60\n") :].splitlines()
    assert lines[5].split() == ["second", *["!.07", ".50", ".00", ".12"] * 2]
    assert "first: crash in 2 of 4 runs: ZeroDivisionError: by zero\nsecond line\n" in text
    short = table.render(found)
    assert "\nfirst: 2 of 4 runs failed: crash: ZeroDivisionError: by zero second line\n" in short
    assert "failed  " in short
    gone = evaluation_of([circle], ["a"], change=lambda one: replace(one, status="timeout"))
    assert " failed  failed\n" in re.sub(" +", "  ", table.render(gone, details=True))
    fine = table.render(evaluation_of([circle], ["first"]))
    assert "failed" not in fine


def test_many_failures_take_few_lines(circle):
    pruners = [f"pruner-{number}" for number in range(30)]
    found = evaluation_of([circle], pruners, change=failing)
    lines = remark_lines(found)
    assert len(lines) == MOST_LINES
    assert lines[-1] == MORE
    shown = sum(line.startswith("pruner-") for line in lines)
    assert lines[-2] == f"... and {30 - shown} lines more."
    assert lines[-2 - shown].startswith("pruner-0: ")  # who was given first is shown first


def test_a_message_is_whole_where_there_is_room(circle):
    """It often says at its end what to do; a student has one pruner."""
    message = (
        "AttributeError: 'float' object has no attribute 'weights' (line 2); " + "do this " * 9
    )

    def crash(record: Any) -> Any:
        return replace(record, status="crash", error=message)

    alone = evaluation_of([circle], ["mine"], change=crash)
    assert message.strip() in " ".join(" ".join(remark_lines(alone)).split())
    many = evaluation_of([circle], [f"mine-{number}" for number in range(9)], change=crash)
    lines = remark_lines(many)
    assert len(lines) == MOST_LINES
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("mine-") for line in lines) >= 3


def test_many_densities_go_into_several_tables(circle):
    densities = (0.25, 0.3, 0.4, 0.5, 0.6)
    found = evaluation_of([circle], ["a-rather-long-name-of-a-pruner:k=3"], densities=densities)
    text = table.render(found, details=True)
    assert text.count("\ncircle-3x60\n") == 2
    assert max(map(len, text.splitlines())) <= 80
    for density in densities:
        assert re.search(rf"pruner .*{density}", text)


@pytest.mark.parametrize("details", [False, True])
def test_long_names_are_whole_and_fit(circle, details):
    name = "movement:" + ",".join(f"option_{letter}=1234" for letter in "abcdefgh")
    text = table.render(evaluation_of([circle], [name, "b"]), details=details)
    assert max(map(len, text.splitlines())) <= 80
    standings = text[text.index("Standings") :].splitlines()[4:]
    column = [line[6:].split("  ")[0].strip() for line in standings]
    assert name in "".join(column)


@pytest.mark.parametrize("styled", [False, True])
def test_what_is_hostile_is_shown_and_does_nothing(circle, styled):
    def crash(record: Any) -> Any:
        return replace(record, status="crash", error=EVIL, note=EVIL)

    found = evaluation_of([circle], [EVIL, "b"], change=crash)
    text = click.unstyle(table.render(found, details=True, styled=styled, notes=[EVIL]))
    assert [one for one in text if not one.isprintable() and one != "\n"] == []
    assert "\\x1b[2J" in text


def test_colour_changes_no_letter(circle):
    found = evaluation_of([circle], ["a", "b"], change=failing)
    styled = table.render(found, details=True, styled=True)
    assert "\x1b[" in styled
    assert click.unstyle(styled) == table.render(found, details=True)


def test_what_a_reader_must_know_is_said(circle, relu):
    def lines(**changes: Any) -> str:
        found = evaluation_of([circle, relu], ["a", "b"])
        return "\n".join(remark_lines(replace(found, **changes)))

    assert "Intervals are over seeds only" in lines()
    assert "Isolation" not in lines()
    assert "Isolation: none" in lines(settings=Settings(isolation="none"))
    assert "Not for contests" not in lines(
        challenges=[replace(circle, hidden=True), replace(relu, hidden=True)]
    )
    hidden = lines(challenges=[replace(circle, hidden=True), replace(relu, hidden=False)])
    words = " ".join(hidden.split())
    assert "in 1 of 2 challenges the ticket can be read off the weights, or no audit says" in words
    one_seed = Protocol(densities=(0.25, 0.5), seeds=1)
    assert "1 seed; no intervals." in lines(protocol=one_seed)
    assert "Ranks are by score alone" in lines(protocol=one_seed)
    below = lines(protocol=Protocol(densities=(0.0001,), seeds=2))
    assert "Nothing is scored where all densities are below 1x: circle-3x60, relu-3x8." in below


def test_an_overlap_that_is_not_scored_has_no_column(circle, relu):
    unscored = [replace(one, overlap_scored=False) for one in (circle, relu)]
    text = table.render(evaluation_of(unscored, ["a", "b"]))
    assert "Overlap is not scored here: many tickets are as sparse and as good." in text
    assert "ticket found" not in text
    full = standings_table(evaluation_of(unscored, ["a"]))
    assert "overlap" not in full.rows[0]
    assert "overlap: share" not in " ".join(full.notes)
    mixed = table.render(evaluation_of([circle, unscored[1]], ["a"]))
    assert "overlap: ticket found." in mixed
    assert "overlap" in standings_table(evaluation_of([circle, unscored[1]], ["a"])).rows[0]


def test_ranks_that_are_shared_are_explained(circle):
    found = evaluation_of([circle], ["a", "b"])
    shared = replace(found, standings=[replace(one, rank=1) for one in found.standings])
    assert "share a rank" in "\n".join(remark_lines(shared))
    one_seed = replace(shared, protocol=Protocol(densities=(0.25, 0.5), seeds=1))
    assert "share a rank" not in "\n".join(remark_lines(one_seed))  # equal: no chance is known
    assert "share a rank" not in "\n".join(standings_table(one_seed).notes)
    assert "share a rank" not in "\n".join(remark_lines(found))


def test_notes_of_a_merge_are_whole_in_the_details(circle):
    note = "torch: " + " ".join(f"2.{number} in run-{number}" for number in range(20))
    found = evaluation_of([circle], ["a"])
    assert f"{note[:77]}..." in table.render(found, notes=[note] * 6)
    whole = " ".join(table.render(found, notes=[note], details=True).split())
    assert note in whole


def test_grids():
    lines = grid(["n", "words"], [["1", "a b"], ["22", "x" * 30]], left={"words"}, width=20)
    assert lines.splitlines() == [
        " n  words",
        "--- ----------------",
        " 1  a b",
        "22  xxxxxxxxxxxxxxxx",
        "    xxxxxxxxxxxxxx",
    ]
    whole = grid(["n"], [["x" * 30]], width=20, breaks_words=False)
    assert whole.splitlines()[2] == "x" * 30
    assert grid(["a"], [["[bold]x"]]).splitlines()[2] == "[bold]x"


def test_one_line_of_a_text():
    assert printable("a\tb\x1b") == "a\\tb\\x1b"
    assert shortened("one\ntwo") == "one"
    assert shortened("") == ""
    assert shortened("x" * 90) == "x" * 77 + "..."
    assert shortened("x" * 80) == "x" * 80
