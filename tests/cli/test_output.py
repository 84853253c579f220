"""What commands print and write."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from plantkit.cli.output import json_text, pairs_text, table_text, write_output
from plantkit.errors import UsageError

HEADERS = ("name", "planted density")
ROWS = [("a|b", "0.10"), ('say "x", y', "")]


def test_rows_as_json_and_csv_keep_every_cell() -> None:
    assert json.loads(table_text(HEADERS, ROWS, "json")) == [
        {"name": "a|b", "planted_density": "0.10"},
        {"name": 'say "x", y', "planted_density": ""},
    ]
    assert table_text(HEADERS, ROWS, "csv") == 'name,planted density\na|b,0.10\n"say ""x"", y",\n'


def test_tables_show_numbers_as_they_are_given() -> None:
    assert "0.10" in table_text(HEADERS, ROWS)
    assert table_text(HEADERS, ROWS, "markdown").startswith("| name")
    assert not table_text(HEADERS, ROWS).startswith("|")


def test_json_ends_its_last_line() -> None:
    assert json_text({"a": [1]}) == '{\n  "a": [\n    1\n  ]\n}\n'


@pytest.mark.parametrize("text", ["one line", "one line\n"])
def test_printed_text_ends_its_line_once(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_output(text)
    assert capsys.readouterr().out == "one line\n"


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "results.json"
    target.write_text("old and longer than the new one")
    write_output("new", target)
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.posix
def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_output("through", tmp_path / "pipe")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_text_that_cannot_be_written_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=r"--summary: .* cannot be written"):
        write_output("precious", tmp_path / "none" / "x.json", option="--summary")
    assert capsys.readouterr().out == "precious\n"


def test_a_table_that_would_be_long_becomes_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    many = ", ".join(f"challenge-{number}" for number in range(30))
    text = table_text(("name", "title", "challenges"), [["a\x1b", "short", many]])
    assert text.startswith("a\\x1b\n  title       short\n  challenges  challenge-0, challenge-1,\n")
    assert max(map(len, text.splitlines())) <= 40
    assert " ".join(text.split()).endswith(many)
    # In a pipe a word stays whole, whatever the width.
    whole = table_text(("name", "module"), [["n" * 30, "m" * 30]])
    assert "m" * 30 in whole


def test_pairs_are_wrapped_next_to_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert pairs_text([("id", "x"), ("title", "word " * 8), ("none", "")]).splitlines() == [
        "id     x",
        "title  word word word word word word",
        "       word word",
        "none",
    ]
