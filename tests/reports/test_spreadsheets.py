"""Cells of CSV: text stays text, numbers stay numbers."""

from __future__ import annotations

import csv
import io

import pytest

from plantkit.reports.spreadsheets import csv_text, harmless


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+cmd()",
        "-cmd()",
        "@SUM(A1)",
        "＝1+1",
        "﹣1+1",
        " =1+1",
        "\u00a0=1+1",
        "\n=1+1",
        "\t=1+1",
        "\ttext",
        "\r=1+1",
        "\x00=1+1",
        "\u200b=1+1",
        "\ufeff=1+1",
        " -5",
        "-5\n=1+1",
        "-",
    ],
)
def test_what_would_be_a_formula_begins_with_an_apostrophe(text):
    assert harmless(text) == f"'{text.replace(chr(13), ' ')}"


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "text",
        "a=b",
        "1+1",
        "-5",
        "+4930",
        "-0.5",
        "-1e-05",
        "    Points",
        "a\n=b",
        -5,
        -0.5,
        None,
    ],
)
def test_text_and_numbers_stay_as_they_are(cell):
    assert harmless(cell) is cell or harmless(cell) == cell


def test_header_and_rows_are_guarded():
    text = csv_text(["=a", "b"], [[-0.5, "=x"], [None, 'say "@"']])
    assert text == '\'=a,b\n-0.5,\'=x\n,"say ""@"""\n'
    assert list(csv.reader(io.StringIO(text)))[2] == ["", 'say "@"']
