"""Output formats, read back by independent means."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from plantkit.catalog import Protocol
from plantkit.harness import Entry, Evaluation, Settings
from plantkit.isolation.wire import PrunerSource
from plantkit.ranking import rank
from plantkit.reporters import FORMATS, built_in, find_reporters
from plantkit.schemas import violations
from plantkit.scoring import Attempt, score_attempts

HOSTILE = "bad | <b>&amp; \\end{tabular} ünï"


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
                status="ok" if name == "oracle" else "crash",
                mask=challenge.truth.ticket if name == "oracle" else None,
                error="" if name == "oracle" else HOSTILE,
                seconds=0.25,
                peak_rss_mib=None,
            )
            for name in ("oracle", "broken")
            for density in (challenge.planted_density, 0.5)
            for seed in (0, 1)
        ]
        records += score_attempts(challenge, attempts)
    return Evaluation(
        entries=[
            Entry(label=name, source=PrunerSource(name=name)) for name in ("oracle", "broken")
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
    assert set(find_reporters([])) == set(FORMATS)
    assert all(built_in(name).name == name for name in FORMATS)


def test_a_plugin_adds_a_format_but_takes_none_over():
    class Mine:
        name = "mine"

        def render(self, evaluation):
            return "mine"

    found = find_reporters([Mine(), type("Other", (Mine,), {"name": "json"})()])
    assert found["mine"].render(None) == "mine"
    assert found["json"] is built_in("json")


def test_table(evaluation):
    text = built_in("table").render(evaluation)
    lines = text.splitlines()
    assert lines[0] == "Standings: suite tiny (circle-3x60, relu-3x8)"
    assert lines[4].split()[:2] == ["1", "oracle"]
    assert lines[5].split()[:2] == ["2", "broken"]
    assert f"broken: crash in 8 of 8 runs: {HOSTILE}" in lines
    assert not any(line != line.rstrip() for line in lines if "Standings" in line)


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
    assert len(rows) == 16
    assert rows[0]["pruner"] == "oracle"
    assert float(rows[0]["f1"]) == 1.0
    assert rows[4]["error"] == HOSTILE


class Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag != "meta":
            self.stack.append(tag)

    def handle_endtag(self, tag):
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
    lines = built_in("markdown").render(evaluation).splitlines()
    tables = [line for line in lines if line.startswith("|")]
    header = next(line for line in tables if "effective" in line)
    assert {line.count("|") for line in tables} == {tables[0].count("|"), header.count("|")}


def test_latex_specials_are_escaped(evaluation):
    text = built_in("latex").render(evaluation)
    assert "\\textbackslash end\\{tabular\\}" in text
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") == 3
