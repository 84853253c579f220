"""What becomes of a candidate within a change of the board: entered, kept as a run, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from plantkit.board.change import Change
from plantkit.board.contest import Contest, Phase, Team, parse_time, stamp
from plantkit.board.entering import Candidate
from plantkit.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of a run. notes: what the organiser should know, a line each."""

    submission: int
    team: str
    phase: Phase
    is_new: bool
    notes: Sequence[str]


def add_candidate(
    change: Change,
    contest: Contest,
    candidate: Candidate,
    *,
    team: str,
    submitted: datetime | None,
    again: bool,
) -> Added:
    """Adds a run of a team's submission; arguments and errors are those of `Board.add`."""
    mine = change.team(team)
    known = change.row(
        "SELECT id, retracted, submitted FROM submissions WHERE team = ? AND identity = ? "
        "ORDER BY retracted, id DESC",
        mine.id,
        candidate.identity,
    )
    notes: list[str] = []
    if known is not None and known["retracted"] and again and candidate.phase is Phase.PUBLIC:
        first = parse_time(known["submitted"]) if submitted is None else submitted
        when = _submitted(change, first)
        number = _enter(change, mine, candidate, when, anew=int(known["id"]))
        known = None
    elif known is not None:
        number = int(known["id"])
    elif candidate.phase is Phase.FINAL:
        raise UsageError(
            f"team {mine.name!r} has no submission on the public board with the files and "
            f"options of {candidate.label!r}; add its run of the public phase first"
        )
    else:
        when = _submitted(change, submitted)
        _check_window(change, contest, mine, when)
        number = _enter(change, mine, candidate, when)
        notes += change.likenesses(mine, candidate)
    is_new = change.keep_run(number, candidate)
    if not is_new:
        notes.append(_already_there(known, change, number, candidate))
    elif candidate.phase is Phase.FINAL:
        change.record("final run", team=mine.id, submission=number)
    return Added(
        submission=number, team=mine.name, phase=candidate.phase, is_new=is_new, notes=notes
    )


def _enter(
    change: Change,
    team: Team,
    candidate: Candidate,
    submitted: datetime,
    *,
    anew: int | None = None,
) -> int:
    """Enters a submission and returns its number; `anew` is of the one it stands in for."""
    number = change.insert(
        "INSERT INTO submissions (team, submitted, label, sha256, identity) VALUES (?, ?, ?, ?, ?)",
        team.id,
        stamp(submitted),
        candidate.label,
        candidate.sha256,
        candidate.identity,
    )
    detail = {"submitted": stamp(submitted)} | ({} if anew is None else {"instead_of": anew})
    change.record("submitted", team=team.id, submission=number, **detail)
    return number


def _submitted(change: Change, given: datetime | None) -> datetime:
    """Returns when a submission was handed in, now if that is not given.

    Raises:
        UsageError: it is in the future, or now is not known.
    """
    if given is None and change.is_late:
        raise UsageError(f"{change.clock_words}; say when it was handed in: --submitted TIME")
    when = change.time if given is None else given
    if when > change.latest:
        raise UsageError(
            f"--submitted {stamp(when)} is in the future; now it is {stamp(change.latest)}"
        )
    return when


def _check_window(change: Change, contest: Contest, team: Team, when: datetime) -> None:
    """Raises `UsageError` unless `team` may hand in at `when`."""
    if team.is_reference:
        return
    if contest.finished:
        raise UsageError(f"the contest was finished at {stamp(contest.finished)}")
    if contest.opens and when < contest.opens:
        raise UsageError(f"submitted at {stamp(when)}; the contest opens at {stamp(contest.opens)}")
    if contest.closes and when > contest.closes:
        raise UsageError(
            f"submitted at {stamp(when)}; the contest closed at {stamp(contest.closes)}. If it "
            "was handed in before, say when: --submitted TIME"
        )
    if contest.daily_limit is None:
        return
    day = when.astimezone(UTC).replace(hour=0, minute=0, second=0)
    made = change.rows(
        "SELECT id FROM submissions WHERE team = ? AND submitted >= ? AND submitted < ?",
        team.id,
        stamp(day),
        stamp(day + timedelta(days=1)),
    )
    if len(made) >= contest.daily_limit:
        raise UsageError(
            f"team {team.name!r} has {len(made)} submissions of {day:%Y-%m-%d} (UTC); the "
            f"limit is {contest.daily_limit} a day, and the next day begins at "
            f"{stamp(day + timedelta(days=1))}. If it was handed in on another day, say when: "
            "--submitted TIME"
        )


def _already_there(known: Any, change: Change, number: int, candidate: Candidate) -> str:
    row = change.row(
        "SELECT masks_sha256 FROM runs WHERE submission = ? AND phase = ?", number, candidate.phase
    )
    words = f"the same files and options as submission {number} of this team; not counted twice"
    if known["retracted"]:
        words += ", and that is retracted; to enter it anew: plantkit leaderboard add --again"
    if row["masks_sha256"] != candidate.masks_sha256:
        words += "; its masks are not the same this time, and those on the board stay"
    return words
