"""What a notebook gets of an evaluation: tables, data frames, masks, pictures, a report."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import pandas as pd
import pytest
from builders import record_of

from plantkit.errors import MissingExtraError, UnknownNameError, UsageError
from plantkit.evaluation.results import EvaluationResult
from plantkit.pruners.sources import PrunerSource
from plantkit.reports import built_in
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Evaluation, Settings
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.starts import rank_by_start

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def result(circle) -> EvaluationResult:
    protocol = Protocol(densities=(0.5,), seeds=1)
    mask = circle.truth.ticket
    records = [
        record_of(circle, pruner="good", mask_sha256=mask.digest()),
        record_of(circle, pruner="bad", status="crash", error=HOSTILE),
    ]
    evaluation = Evaluation(
        entries=[Entry(label=name, source=PrunerSource(name=name)) for name in ("good", "bad")],
        challenges=[circle],
        suite=None,
        protocol=protocol,
        records=records,
        standings=rank_by_start([circle], records, protocol),
        settings=Settings(),
        started="2026-01-01T00:00:00+00:00",
        masks={mask.digest(): mask},
    )
    return EvaluationResult(evaluation, [f"beware of {HOSTILE}"])


def test_a_notebook_shows_the_standings_and_what_went_wrong(result):
    html = result._repr_html_()
    assert "<table>" in html
    assert all(name in html for name in ("good", "bad", "(the ticket)", "crash in 1 of 1 runs"))
    assert HOSTILE not in html
    assert html.count("&lt;script&gt;") == 2


def test_text_shows_the_same(result):
    text = repr(result)
    assert "1 of 1 runs failed: crash: " in text
    assert "interval" not in next(line for line in text.splitlines() if line.startswith("rank"))
    assert "--details" not in text  # an option of the command line
    assert max(map(len, text.splitlines())) <= 80


def test_a_frame_of_records_is_the_csv_file(result):
    frame = result.to_frame()
    read = pd.read_csv(io.StringIO(built_in("csv").render(result.evaluation)))
    assert list(frame.columns) == list(read.columns)
    assert frame.strong_recovered_digits.tolist() == read.strong_recovered_digits.tolist()
    assert frame.error.tolist() == ["", HOSTILE]


def test_a_frame_of_standings(result):
    frame = result.to_frame("standings")
    assert frame.pruner.tolist() == list(result)
    with pytest.raises(UsageError, match="expected 'records' or 'standings'"):
        result.to_frame("masks")


def test_without_pandas_the_extra_is_named(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"plantkit\[notebook\]"):
        result.to_frame()


def test_masks(result, circle):
    found = result.mask("good", challenge=circle.id, density=0.5)
    assert found.digest() == circle.truth.ticket.digest()
    with pytest.raises(UsageError, match=r"there is no mask of 'bad' .*: crash: <script>"):
        result.mask("bad", challenge=circle.id, density=0.5)
    with pytest.raises(UsageError, match=r"there is no run of 'good' .* at density 0\.25"):
        result.mask("good", challenge=circle.id, density=0.25)
    with pytest.raises(UnknownNameError, match="no pruner in this evaluation is named 'god'"):
        result.mask("god", challenge=circle.id, density=0.5)
    without = EvaluationResult(replace(result.evaluation, masks={}))
    with pytest.raises(UsageError, match="its mask was not kept"):
        without.mask("good", challenge=circle.id, density=0.5)


def test_the_report_is_a_page(result, tmp_path):
    path = result.report(tmp_path / "report.html")
    page = path.read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert HOSTILE not in page
