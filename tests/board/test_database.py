"""The file of a board: broken ones are told, and nothing is lost, whoever writes or is killed."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from toy_board import made_up, phase, toy_contest

from plantkit.board import database
from plantkit.board.board import Board, create
from plantkit.board.content import read_content
from plantkit.board.contest import Contest, Phase
from plantkit.challenges.bundles import Challenge
from plantkit.errors import PlantkitError, ResultsError, UsageError

#: Enters a team and its submissions, one after the other, and prints each that is on disk.
WRITER = """
import sys
from pathlib import Path
from toy_board import made_up
from plantkit.board.board import Board
from plantkit.challenges import bundles
board, challenge = Board(Path(sys.argv[1])), bundles.load(Path(sys.argv[2]))
name = sys.argv[3]
board.add_team(name, [])
print("ready", flush=True)
for number in range(int(sys.argv[4])):
    run = made_up(challenge, 0.4, name=f"{name}{number}", mask_seed=1000 * number)
    print(board.add(run, team=name).submission, flush=True)
"""


@pytest.fixture
def board(tmp_path: Path, circle: Challenge, relu: Challenge) -> Path:
    path = toy_contest(tmp_path / "board.sqlite", circle, relu)
    Board(path).add_team("Ada", [])
    Board(path).add(made_up(circle, 0.4), team="Ada")
    return path


@pytest.fixture
def start(tiny_challenges: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts a process that writes to a board."""
    script = tmp_path / "writer.py"
    script.write_text(WRITER, encoding="utf-8", newline="\n")

    def run(board: Path, name: str, count: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, script, board, tiny_challenges / "circle-3x60", name, str(count)],
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        )

    return run


def check_whole(board: Path) -> None:
    """Every submission has its run, its masks and its event."""
    assert database.broken_parts(board) == []
    content = read_content(board)
    events = [one.submission for one in content.events if one.kind == "submitted"]
    assert events == [one.id for one in content.submissions]
    with database.reading(board) as connection:
        kept = {row["sha256"] for row in connection.execute("SELECT sha256 FROM masks")}
    for one in content.submissions:
        assert {record.mask_sha256 for record in one.runs[Phase.PUBLIC].records} <= kept


def test_a_board_that_was_not_made_to_its_end_is_told(
    tmp_path: Path, circle: Challenge, board: Path
) -> None:
    def failing() -> datetime:
        raise RuntimeError("no clock")

    path = tmp_path / "new.sqlite"
    with pytest.raises(RuntimeError):
        create(path, Contest(title="Toy"), {Phase.PUBLIC: phase([circle])}, clock=failing)
    assert list(tmp_path.glob("new*")) == []
    connection = sqlite3.connect(board, isolation_level=None)
    connection.execute("DELETE FROM contest")
    connection.close()
    with pytest.raises(ResultsError, match="holds no contest: making it was interrupted; delete"):
        read_content(board)
    with pytest.raises(ResultsError, match="holds no contest"):
        Board(board).add_team("Bob", [])


def test_two_writers_lose_nothing(board: Path, start: Any) -> None:
    writers = [start(board, name, 8) for name in ("Bob", "Cleo")]
    told = []
    for writer in writers:
        out, _ = writer.communicate(timeout=300)
        assert writer.returncode == 0
        told += [int(line) for line in out.split()[1:]]
    assert sorted(told) == list(range(2, 18))
    check_whole(board)
    owners = [one.team.name for one in read_content(board).submissions]
    assert owners.count("Bob") == owners.count("Cleo") == 8


def test_a_kill_in_the_middle_loses_nothing(board: Path, start: Any) -> None:
    before = len(read_content(board).submissions)
    for attempt in range(2):
        writer = start(board, f"Team {attempt}", 1000)
        assert writer.stdout.readline() == "ready\n"
        told = [int(writer.stdout.readline())]
        time.sleep(0.1 * attempt)
        writer.kill()
        told += [int(line) for line in writer.stdout.read().splitlines() if line.strip()]
        writer.wait()
        writer.stdout.close()
        check_whole(board)
        there = len(read_content(board).submissions)
        # What was told is there. One more may be, which was on disk but not yet told.
        assert there - before - len(told) in {0, 1}
        before = there


def test_what_a_killed_writer_began_is_undone(board: Path, tmp_path: Path) -> None:
    other = sqlite3.connect(board, isolation_level=None)
    other.execute("PRAGMA cache_size = 1")  # so that changes are in the file before the commit
    other.execute("PRAGMA cache_spill = 1")
    other.execute("BEGIN IMMEDIATE")
    other.executemany("INSERT INTO masks VALUES (?, ?)", [(str(n), b"x" * 4000) for n in range(99)])
    journal = board.with_name(board.name + "-journal")
    assert journal.stat().st_size > 0
    copy = tmp_path / "copy.sqlite"  # the state of the disk if the writer died now
    shutil.copy(board, copy)
    shutil.copy(journal, copy.with_name(copy.name + "-journal"))
    other.execute("ROLLBACK")
    other.close()
    assert copy.stat().st_size > board.stat().st_size
    check_whole(copy)
    with database.reading(copy) as connection:
        assert connection.execute("SELECT count(*) FROM masks").fetchone()[0] == 6


def test_a_writer_that_waits_too_long_says_so(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_PATIENCE", 0.05)
    with (
        database.writing(board),
        pytest.raises(UsageError, match="in use by another process"),
    ):
        Board(board).add_team("Bob", [])
    Board(board).add_team("Bob", [])


def test_an_error_undoes_the_whole_change(board: Path) -> None:
    def change() -> None:
        with database.writing(board) as connection:
            connection.execute("INSERT INTO teams (name) VALUES ('Bob')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change()
    assert [one.name for one in read_content(board).teams] == ["Ada"]


@pytest.mark.parametrize(
    "command",
    [
        "DELETE FROM events",
        "UPDATE events SET kind = 'x'",
        "DELETE FROM runs",
        "UPDATE runs SET results = '{}'",
        "DELETE FROM masks",
        "UPDATE masks SET content = 'x'",
        "UPDATE phases SET results = '{}'",
        "DELETE FROM submissions",
        "DELETE FROM teams",
    ],
)
def test_what_is_written_stays(command: str, board: Path) -> None:
    before = board.read_bytes()

    def change() -> None:
        with database.writing(board) as connection:
            connection.execute(command)

    with pytest.raises(ResultsError, match=r"refuses this: .* never"):
        change()
    assert board.read_bytes() == before


class TestBroken:
    def refused(self, path: Path) -> str:
        with pytest.raises(PlantkitError) as error:
            read_content(path)
        with pytest.raises(type(error.value)):
            Board(path).add_team("Bob", [])
        assert error.value.exit_code == 2
        return str(error.value)

    def test_none_there(self, tmp_path: Path) -> None:
        assert "does not exist; give a board with --board" in self.refused(tmp_path / "x.sqlite")

    def test_no_database(self, board: Path) -> None:
        board.write_bytes(b"This is not a database at all.\n" * 100)
        assert "is not a SQLite database, or is corrupted" in self.refused(board)

    def test_an_empty_file(self, board: Path) -> None:
        board.write_bytes(b"")
        assert "is empty: making it was interrupted" in self.refused(board)

    def test_another_database(self, tmp_path: Path) -> None:
        path = tmp_path / "other.sqlite"
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE contest (x)")
        connection.close()
        assert "is a database, but not a board" in self.refused(path)

    @pytest.mark.parametrize(
        ("version", "words"), [(0, "go on with the plantkit that made it"), (9, "update plantkit")]
    )
    def test_another_version_of_the_tables(self, version: int, words: str, board: Path) -> None:
        connection = sqlite3.connect(board)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.close()
        assert f"has schema version {version}; this plantkit reads version 1: {words}" in (
            self.refused(board)
        )

    def test_other_rules_of_scoring(self, board: Path) -> None:
        connection = sqlite3.connect(board, isolation_level=None)
        connection.execute("UPDATE contest SET scoring_version = 1, plantkit_version = '0.1'")
        connection.close()
        assert "scored by version 1 of the rules" in self.refused(board)
        assert "go on with plantkit 0.1" in self.refused(board)

    def test_pages_that_were_overwritten(self, board: Path) -> None:
        content = bytearray(board.read_bytes())
        for start in range(4096, len(content), 4096):
            content[start : start + 2000] = b"\xff" * 2000
        board.write_bytes(content)
        with pytest.raises(ResultsError, match="corrupted"):
            read_content(board)

    def test_a_cut_file(self, board: Path) -> None:
        board.write_bytes(board.read_bytes()[: board.stat().st_size // 2])
        with pytest.raises(ResultsError, match="corrupted"):
            read_content(board)

    def test_values_that_plantkit_did_not_write(self, board: Path) -> None:
        connection = sqlite3.connect(board, isolation_level=None)
        connection.execute("UPDATE submissions SET submitted = 'yesterday'")
        connection.close()
        with pytest.raises(ResultsError, match=r"that plantkit did not write .*is not a time"):
            read_content(board)


def test_nothing_is_overwritten(board: Path, circle: Challenge) -> None:
    before = board.read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        toy_contest(board, circle, None)
    assert board.read_bytes() == before


def test_the_records_can_be_asked_for_in_sql(board: Path) -> None:
    with database.reading(board) as connection:
        rows = connection.execute(
            "SELECT challenge, status, weak_recovered_digits FROM records WHERE phase = 'public'"
        ).fetchall()
    assert [tuple(row) for row in rows] == [("circle-3x60", "ok", 0.4)] * 6


def test_a_copy_has_the_same_bytes_for_the_same_content(board: Path, tmp_path: Path) -> None:
    copies = [tmp_path / "one.sqlite", tmp_path / "two.sqlite"]
    for path in copies:
        database.copy(board, path)
    Board(board).add_team("Bob", [])
    assert copies[0].read_bytes() == copies[1].read_bytes()
    assert read_content(copies[0]).teams == read_content(board).teams[:1]


def test_the_page_says_what_the_tables_are(board: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/organisers.md").read_text(encoding="utf-8")
    section = page.partition("### The file\n")[2].partition("\n## ")[0]
    told = {
        cells[1].strip().split("`")[1]: re.findall(r"`([a-z_0-9]+)`", cells[3])
        for line in section.splitlines()
        if line.startswith("| `") and (cells := line.split("|"))
    }
    with database.reading(board) as connection:
        tables = [
            row["name"]
            for row in connection.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
            )
        ]
        there = {
            name: [row["name"] for row in connection.execute(f"PRAGMA table_info({name})")]
            for name in tables
        }
    there["contest"].remove("id")  # there is one
    assert told == there
