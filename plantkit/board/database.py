"""The SQLite file of a board: making it, opening it, and changing it all or nothing.

A change is one transaction with a rollback journal. It is on disk when the command ends, and
nothing of it is there if the command is killed before. The write-ahead log would be faster, but
it needs memory that all processes share, which network file systems do not have.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from plantkit.errors import ResultsError, UsageError

#: The file in a board's directory.
BOARD_FILE = "leaderboard.sqlite"
#: Version of the tables; see `schema.sql`.
SCHEMA_VERSION = 1
#: What marks a SQLite file as a board: "PkLb".
_APPLICATION = 0x506B4C62
#: How long a writer waits for another one, in seconds.
_PATIENCE = 60.0


@contextmanager
def creating(path: Path) -> Iterator[sqlite3.Connection]:
    """Makes a new board at `path`, and yields a connection to fill it.

    If the block raises, the file is gone again. If the process is killed, it is empty.

    Raises:
        UsageError: something is there already.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644))
    except FileExistsError:
        raise UsageError(f"{path} exists already; nothing was written") from None
    schema = (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8")
    with ExitStack() as undo:
        undo.callback(path.unlink)
        with _explained(path), closing(_connected(path)) as connection:
            connection.executescript(
                f"BEGIN EXCLUSIVE;\n{schema}\nPRAGMA application_id = {_APPLICATION};\n"
                f"PRAGMA user_version = {SCHEMA_VERSION};"
            )
            yield connection
            connection.execute("COMMIT")
        undo.pop_all()


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Yields a connection to a board that sees one state of it, whoever writes meanwhile.

    Raises:
        ResultsError: the file is missing, broken, or not a board of this version.
    """
    with _transaction(path, "BEGIN") as connection:
        yield connection


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """Yields a connection whose changes are all made when the block ends, or none if it raises.

    Only one process at a time is in such a block; others wait for it.

    Raises: as `reading`.
    """
    with _transaction(path, "BEGIN IMMEDIATE") as connection:
        yield connection


def broken_parts(path: Path) -> list[str]:
    """Returns what SQLite finds broken in the file, a line each."""
    with reading(path) as connection:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
        found += [
            f"row {row[1]} of {row[0]} refers to a row of {row[2]} that is not there"
            for row in connection.execute("PRAGMA foreign_key_check")
        ]
    return [line for line in found if line != "ok"]


def copy(path: Path, target: Path) -> None:
    """Writes a copy of a board to `target`, the same bytes for the same content."""
    with suppress(FileNotFoundError):
        target.unlink()
    with _explained(path):
        connection = _connected(path)
        try:
            connection.execute("VACUUM INTO ?", (str(target),))
        finally:
            connection.close()


@contextmanager
def _transaction(path: Path, begin: str) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise ResultsError(
            f"{path} does not exist; give a board with --board, or make one: "
            "plantkit leaderboard init"
        )
    with _explained(path):
        connection = _connected(path)
        try:
            connection.execute(begin)
            _check(path, connection)
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()  # undoes what was not committed


def _connected(path: Path) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = EXTRA")  # a commit is on disk, its directory too
    return connection


def _check(path: Path, connection: sqlite3.Connection) -> None:
    def value(name: str) -> int:
        return int(connection.execute(f"PRAGMA {name}").fetchone()[0])

    if value("application_id") != _APPLICATION:
        what = (
            "is empty: making it was interrupted, delete it"
            if not path.stat().st_size
            else (
                "is a database, but not a board; expected one that plantkit leaderboard init made"
            )
        )
        raise ResultsError(f"{path} {what}")
    version = value("user_version")
    if version != SCHEMA_VERSION:
        remedy = (
            "go on with the plantkit that made it"
            if version < SCHEMA_VERSION
            else "update plantkit"
        )
        raise ResultsError(
            f"{path} has schema version {version}; this plantkit reads version "
            f"{SCHEMA_VERSION}: {remedy}"
        )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise UsageError(
                f"{path} is in use by another process, for {_PATIENCE:g} s by now; try again when "
                "that has ended"
            ) from error
        raise ResultsError(f"{path} cannot be used: {error}") from error
    except sqlite3.IntegrityError as error:
        raise ResultsError(f"{path} refuses this: {error}") from error
    except sqlite3.DatabaseError as error:
        raise ResultsError(
            f"{path} is not a SQLite database, or is corrupted ({error}); take its last good copy, "
            "for example from version control"
        ) from error
