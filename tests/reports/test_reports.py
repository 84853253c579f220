"""Output formats, read back by independent means."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import torch
from builders import score_attempts

from plantkit.challenges.bundles import Challenge
from plantkit.errors import UnknownNameError
from plantkit.networks.masks import Mask
from plantkit.pruners.sources import PrunerSource
from plantkit.reports import FORMATS, built_in, find_reporter, table
from plantkit.reports.tables import render_table, standings_table
from plantkit.schemas import violations
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Evaluation, Settings
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.ranking import rank
from plantkit.scoring.records import SCORED_OVERLAP

BAD_LABEL = "bro|ken:<b>=x"
HOSTILE = "bad | <b>&amp; \\end{tabular} ünï"


def part(challenge: Challenge) -> Mask:
    """Half of the ticket's weights and some more: precision, recall and F1 all differ."""
    ticket = challenge.truth.ticket
    first = {name: value.flatten().cumsum(0) for name, value in ticket.items()}
    return Mask(
        {
            name: (value & (first[name].reshape(value.shape) % 2 == 0))
            if name != "layers.0.bias"
            else torch.arange(len(value)) < 3
            for name, value in ticket.items()
        }
    )


@pytest.fixture(scope="module")
def evaluation(circle, relu) -> Evaluation:
    protocol = Protocol(densities=("planted", 0.5), seeds=2)
    records = []
    for challenge in (circle, relu):
        attempts = [
            Attempt(
                pruner=name,
                target_density=density,
                is_planted_density=density != 0.5,
                seed=seed,
                status=status,
                mask=mask if status == "ok" else None,
                error="" if status == "ok" else HOSTILE,
                seconds=0.25,
                peak_rss_mib=None,
            )
            for name, mask, statuses in (
                ("oracle", challenge.truth.ticket, ("ok", "ok")),
                ("mixed", part(challenge), ("ok", "timeout")),
                (BAD_LABEL, None, ("crash", "crash")),
            )
            for density in (challenge.planted_density, 0.5)
            for seed, status in enumerate(statuses)
        ]
        records += score_attempts(challenge, attempts)
    return Evaluation(
        entries=[
            Entry(label=name, source=PrunerSource(name=name))
            for name in ("oracle", "mixed", BAD_LABEL)
        ],
        challenges=[circle, relu],
        suite="tiny",
        protocol=protocol,
        records=records,
        standings=rank([circle, relu], records, protocol),
        settings=Settings(),
        started="2026-01-01T00:00:00+00:00",
    )


def test_all_formats_are_there():
    assert all(find_reporter(name, []).name == name for name in FORMATS)
    with pytest.raises(UnknownNameError, match="did you mean 'latex'"):
        find_reporter("latx", [])


def test_notes_are_marked_at_their_rows_and_listed(evaluation):
    first, *others = evaluation.records
    noted = replace(evaluation, records=[replace(first, note=HOSTILE), *others])
    lines = built_in("latex").render(noted).splitlines()
    marked = [line for line in lines if "(see Notes)" in line]
    assert [line.split()[0] for line in marked] == [first.pruner]
    assert "ok (see Notes)" in marked[0]
    text = table.render(noted, details=True)
    assert f"\nNotes\n\n{first.pruner}: in 1 of 8 runs: {HOSTILE}\n" in text
    assert f"\n{first.pruner}: 1 of 8 runs have a note: {HOSTILE}\n" in table.render(noted)
    assert "Notes" not in built_in("markdown").render(evaluation)
    assert HOSTILE not in built_in("html").render(noted).partition("Notes")[2]
    csv_lines = list(csv.DictReader(io.StringIO(built_in("csv").render(noted))))
    assert [line["note"] for line in csv_lines][:2] == [HOSTILE, ""]
    value = json.loads(built_in("json").render(noted))
    assert value["records"][0]["note"] == HOSTILE
    assert violations(value, "results") == []


def test_a_hostile_name_or_error_is_not_a_formula_in_csv(evaluation):
    first, second = evaluation.records[:2]
    hostile = replace(evaluation, records=[replace(first, pruner="=cmd()", note="\n@x"), second])
    line, honest = csv.DictReader(io.StringIO(built_in("csv").render(hostile)))
    assert (line["pruner"], line["note"]) == ("'=cmd()", "'\n@x")
    assert honest["pruner"] == second.pruner
    assert float(line["density"]) == pytest.approx(first.density)


def test_a_plugin_adds_a_format_but_takes_none_over():
    class Mine:
        name = "mine"

        def render(self, evaluation):
            return "mine"

    plugins = [Mine(), type("Other", (Mine,), {"name": "json"})()]
    assert find_reporter("mine", plugins).render(None) == "mine"
    assert find_reporter("json", plugins) is built_in("json")


def test_json(evaluation):
    value = json.loads(built_in("json").render(evaluation))
    assert violations(value, "results") == []
    assert value["standings"][0]["pruner"] == "oracle"
    assert value["records"][0]["overlap"]["f1"] == 1.0


def test_json_holds_no_nan(evaluation, circle):
    bad = replace(
        evaluation.records[0],
        strong=replace(evaluation.records[0].strong, performance=float("nan")),
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        built_in("json").render(replace(evaluation, records=[bad]))


def test_csv(evaluation):
    rows = list(csv.DictReader(io.StringIO(built_in("csv").render(evaluation))))
    assert len(rows) == 24
    assert float(rows[0]["strong_recovered_digits"]) == float(rows[0]["adjusted_recall"]) == 1.0
    assert float(rows[0]["density_multiple"]) == 1.0
    assert rows[0]["pruner"] == "oracle"
    assert float(rows[0]["f1"]) == 1.0
    assert rows[8]["error"] == HOSTILE


#: Elements without an end.
VOID = {"meta", "input", "path", "line"}


class Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_html_is_well_formed_and_escaped(evaluation):
    parser = Cells()
    parser.feed(built_in("html").render(evaluation))
    assert parser.stack == []
    assert HOSTILE in "".join(parser.text)
    assert "b" not in parser.stack


def test_markdown_cells_do_not_break(evaluation):
    text = built_in("markdown").render(evaluation)
    tables = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("|")]
    assert sum(BAD_LABEL.split("|", maxsplit=1)[0] in line for line in tables) == 5
    standings, header = tables[0], next(line for line in tables if "effective" in line)
    assert {line.count("|") for line in tables} == {standings.count("|"), header.count("|")}
    assert "<b>" not in text.replace("\\<b\\>", "")


def test_a_markdown_cell_stays_in_its_row():
    lines = render_table(["a", "b"], [["x|y", "1\n2"]], "github").splitlines()
    assert [line.split() for line in lines] == [
        ["|", "a", "|", "b", "|"],
        ["|------|-----|"],
        ["|", "x\\|y", "|", "1", "2", "|"],
    ]


def test_cells_agree_with_the_records(evaluation, circle):
    text = built_in("markdown").render(evaluation)
    rows = [line for line in text.splitlines() if line.startswith("| mixed") and "planted" in line]
    row = [cell.strip() for cell in rows[0].split("|")][1:-1]
    records = [
        record for record in evaluation.records_of("mixed", circle) if record.is_planted_density
    ]
    assert [record.status for record in records] == ["ok", "timeout"]
    names = ("strong", "strong digits", "weak", "weak digits", "overlap", "f1")
    cells = dict(zip(names, row[4:10], strict=True))
    found = records[0]
    expected = {
        "strong": found.strong.recovered_accuracy,
        "strong digits": found.strong.recovered_digits,
        "weak": found.weak.recovered_accuracy,
        "weak digits": found.weak.recovered_digits,
        "overlap": found.overlap[SCORED_OVERLAP],
        "f1": found.overlap["f1"],
    }
    # The run that failed counts as zero in every mean.
    assert cells == {name: f"{value / 2:.3f}" for name, value in expected.items()}
    assert len(set(cells.values())) >= 4


def test_latex_specials_are_escaped(evaluation):
    text = built_in("latex").render(evaluation)
    assert "\\textbackslash end\\{tabular\\}" in text
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") == 3


def test_a_shared_rank_is_explained_where_there_is_one(evaluation):
    def notes(*ranks: int) -> str:
        standings = [
            replace(standing, rank=number)
            for standing, number in zip(evaluation.standings, ranks, strict=False)
        ]
        return " ".join(standings_table(replace(evaluation, standings=standings)).notes)

    assert "share a rank" in notes(1, 1)
    assert "share a rank" not in notes(1, 2)
