"""Reading all of a board at once."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

from plantkit.board.contest import (
    Content,
    Contest,
    Event,
    Phase,
    Rule,
    Run,
    Submission,
    Team,
    parse_time,
)
from plantkit.board.database import reading
from plantkit.errors import ResultsError, UsageError
from plantkit.scoring.completeness import check_records
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Evaluation
from plantkit.scoring.records import Record
from plantkit.scoring.score import SCORING_VERSION


def read_content(path: Path) -> Content:
    """Returns all that is on the board in the file `path`.

    Raises:
        ResultsError: it is missing, broken, or of another version.
    """
    with reading(path) as connection:
        return content_of(path, connection)


def content_of(path: Path, connection: sqlite3.Connection) -> Content:
    """Returns all that is on a board; see `read_content`. path: for messages."""
    try:
        return _content(path, connection)
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise ResultsError(
            f"{path} holds a value that plantkit did not write ({type(error).__name__}: {error}); "
            "take its last good copy, for example from version control"
        ) from error


def contest_of(path: Path, connection: sqlite3.Connection) -> Contest:
    """Returns how the contest goes.

    Raises:
        ResultsError: the board was made for other rules of scoring, or holds none. path: for the
            message.
    """
    row = connection.execute("SELECT * FROM contest").fetchone()
    if row is None:
        raise ResultsError(
            f"{path} holds no contest: making it was interrupted; delete it, and make it again: "
            "plantkit leaderboard init"
        )
    if row["scoring_version"] != SCORING_VERSION:
        raise ResultsError(
            f"{path} is scored by version {row['scoring_version']} of the rules, and this plantkit "
            f"scores by version {SCORING_VERSION}: go on with plantkit {row['plantkit_version']}, "
            "or make a new board and evaluate again"
        )
    return Contest(
        title=row["title"],
        rule=Rule(row["rule"]),
        daily_limit=row["daily_limit"],
        opens=_time(row["opens"]),
        closes=_time(row["closes"]),
        finished=_time(row["finished"]),
    )


def phases_of(connection: sqlite3.Connection) -> dict[Phase, Evaluation]:
    """Returns what submissions are scored on, the public phase first."""
    rows = {
        Phase(row["name"]): row["results"] for row in connection.execute("SELECT * FROM phases")
    }
    return {
        phase: Evaluation.from_json(json.loads(rows[phase])) for phase in Phase if phase in rows
    }


def teams_of(connection: sqlite3.Connection) -> dict[int, Team]:
    """Returns the teams by id."""
    authors: dict[int, list[str]] = {}
    for row in connection.execute("SELECT * FROM authors ORDER BY team, position"):
        authors.setdefault(row["team"], []).append(row["name"])
    return {
        row["id"]: Team(
            id=row["id"],
            name=row["name"],
            authors=tuple(authors.get(row["id"], ())),
            is_reference=bool(row["is_reference"]),
        )
        for row in connection.execute("SELECT * FROM teams ORDER BY id")
    }


def _content(path: Path, connection: sqlite3.Connection) -> Content:
    teams, phases = teams_of(connection), phases_of(connection)
    runs: dict[int, dict[Phase, Run]] = {}
    for row in connection.execute("SELECT * FROM runs ORDER BY id"):
        phase, results = Phase(row["phase"]), json.loads(row["results"])
        records = [Record.from_json(one) for one in results["records"]]
        (entry,) = map(Entry.from_json, results["pruners"])
        try:
            check_records([entry], phases[phase].challenges, phases[phase].protocol, records)
        except ResultsError as error:
            raise ResultsError(
                f"{path} was changed: in the {phase} run of submission {row['submission']}, "
                f"{error}; or take the board's last good copy, for example from version control"
            ) from error
        runs.setdefault(row["submission"], {})[phase] = Run(
            masks_sha256=row["masks_sha256"], results=results, records=records
        )
    return Content(
        contest=contest_of(path, connection),
        phases=phases,
        teams=list(teams.values()),
        submissions=[
            Submission(
                id=row["id"],
                team=teams[row["team"]],
                submitted=parse_time(row["submitted"]),
                label=row["label"],
                sha256=row["sha256"],
                retracted=bool(row["retracted"]),
                runs=runs.get(row["id"], {}),
            )
            for row in connection.execute("SELECT * FROM submissions ORDER BY id")
        ],
        events=[
            _event(row, teams) for row in connection.execute("SELECT * FROM events ORDER BY id")
        ],
    )


def _event(row: sqlite3.Row, teams: dict[int, Team]) -> Event:
    detail: dict[str, Any] = json.loads(row["detail"])
    return Event(
        at=parse_time(row["at"]),
        kind=row["kind"],
        team="" if row["team"] is None else teams[row["team"]].name,
        submission=row["submission"],
        detail=detail,
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else parse_time(text)
