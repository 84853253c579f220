"""One transaction that changes a board."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from plantkit.board.content import teams_of
from plantkit.board.contest import Team, one_line, parse_time, stamp
from plantkit.board.entering import Candidate
from plantkit.errors import UnknownNameError


class Change:
    """A transaction that changes a board, at one time.

    latest: the later of the clock's time and the last event's.
    """

    def __init__(self, connection: sqlite3.Connection, time: datetime) -> None:
        self.connection = connection
        self.time = time.astimezone(UTC).replace(microsecond=0)
        row = self.row("SELECT max(at) AS at FROM events")
        last = self.time if row["at"] is None else parse_time(row["at"])
        self.latest = max(self.time, last)

    @property
    def is_late(self) -> bool:
        """Whether this machine's clock was set back, or another's is ahead."""
        return self.time < self.latest

    @property
    def clock_words(self) -> str:
        return (
            f"the clock of this machine says {stamp(self.time)}, which is before the last change "
            f"of the board at {stamp(self.latest)}"
        )

    def execute(self, command: str, *values: Any) -> None:
        self.connection.execute(command, values)

    def insert(self, command: str, *values: Any) -> int:
        """Returns the number of the new row."""
        return int(self.connection.execute(command, values).lastrowid or 0)

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        return self.connection.execute(query, values).fetchall()

    def row(self, query: str, *values: Any) -> Any:
        return self.connection.execute(query, values).fetchone()

    def record(
        self, kind: str, *, team: int | None = None, submission: int | None = None, **detail: Any
    ) -> None:
        """Adds an event to the history."""
        self.execute(
            "INSERT INTO events (at, kind, team, submission, detail) VALUES (?, ?, ?, ?, ?)",
            stamp(self.time),
            kind,
            team,
            submission,
            json.dumps(detail, ensure_ascii=False),
        )

    def team(self, name: str) -> Team:
        """Returns the team called `name`.

        Raises:
            UnknownNameError: there is none, or it has another name now.
        """
        teams = list(teams_of(self.connection).values())
        found = next((one for one in teams if one.name.casefold() == name.casefold()), None)
        if found is not None:
            return found
        former = self.former_owner(name)
        hint = f"it is named {former.name!r} now" if former else ""
        if not teams:
            hint = "there are none yet: plantkit leaderboard team NAME --author NAME"
        raise UnknownNameError("team", name, [one.name for one in teams], hint=hint)

    def former_owner(self, name: str) -> Team | None:
        """Returns the team that has or had this name."""
        rows = self.rows("SELECT team, detail FROM events WHERE team IS NOT NULL ORDER BY id")
        for row in rows:
            detail = json.loads(row["detail"])
            names = {str(detail.get(key, "")).casefold() for key in ("name", "was")}
            if name.casefold() in names:
                return teams_of(self.connection)[row["team"]]
        return None

    def set_authors(self, team: int, authors: Sequence[str]) -> None:
        self.execute("DELETE FROM authors WHERE team = ?", team)
        for position, author in enumerate(authors):
            self.execute(
                "INSERT INTO authors VALUES (?, ?, ?)", team, position, one_line("author", author)
            )

    def keep_run(self, submission: int, candidate: Candidate) -> bool:
        """Keeps a run with its masks; returns False where there is one of that phase already."""
        if self.row(
            "SELECT 1 FROM runs WHERE submission = ? AND phase = ?", submission, candidate.phase
        ):
            return False
        self.insert(
            "INSERT INTO runs (submission, phase, masks_sha256, results) VALUES (?, ?, ?, ?)",
            submission,
            candidate.phase,
            candidate.masks_sha256,
            json.dumps(candidate.results),
        )
        for digest, content in candidate.masks.items():
            self.execute("INSERT OR IGNORE INTO masks VALUES (?, ?)", digest, content)
        return True

    def likenesses(self, team: Team, candidate: Candidate) -> list[str]:
        """Returns what is the same in submissions of other teams, a line each."""
        rows = self.rows(
            "SELECT submissions.id AS id, teams.name AS name, submissions.sha256 AS sha256 "
            "FROM submissions JOIN teams ON teams.id = submissions.team "
            "LEFT JOIN runs ON runs.submission = submissions.id AND runs.phase = ? "
            "WHERE submissions.team != ? AND NOT teams.is_reference AND "
            "(submissions.sha256 = ? OR (runs.masks_sha256 = ? AND runs.masks_sha256 != '')) "
            "ORDER BY submissions.id",
            candidate.phase,
            team.id,
            candidate.sha256,
            candidate.masks_sha256,
        )
        return [
            f"{'the same files' if row['sha256'] == candidate.sha256 else 'the same masks'} as "
            f"submission {row['id']} of team {row['name']!r}"
            for row in rows
        ]
