"""What a board holds, as values: the contest, its teams and submissions, and its history."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from plantkit.errors import UsageError
from plantkit.scoring.evaluation import Evaluation
from plantkit.scoring.records import Record

_MOST_NAME = 80
_MOST_TEXT = 500


class Rule(enum.StrEnum):
    """Which of a team's submissions counts."""

    BEST = "best"
    LAST = "last"


class Phase(enum.StrEnum):
    """What is scored on: challenges whose scores all may see, or those kept for the end."""

    PUBLIC = "public"
    FINAL = "final"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """How the contest goes.

    daily_limit: of a team's submissions on a day in UTC; None for as many as they like. opens,
    closes: when submissions are taken, always where None. finished: when the final scores were
    shown to all, None before.
    """

    title: str
    rule: Rule = Rule.BEST
    daily_limit: int | None = None
    opens: datetime | None = None
    closes: datetime | None = None
    finished: datetime | None = None

    def __post_init__(self) -> None:
        one_line("title", self.title)
        if self.opens and self.closes and self.opens >= self.closes:
            raise UsageError(
                f"the contest closes at {stamp(self.closes)}, before it opens at "
                f"{stamp(self.opens)}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Who takes part. A reference team is shown for comparison and has no rank."""

    id: int
    name: str
    authors: tuple[str, ...] = ()
    is_reference: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A pruner that a team handed in. runs: what came of it, by phase."""

    id: int
    team: Team
    submitted: datetime
    label: str
    sha256: str | None
    retracted: bool
    runs: Mapping[Phase, Run]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of a submission in a phase. results: as kept in the table `runs`."""

    masks_sha256: str
    results: Mapping[str, Any]
    records: Sequence[Record]

    @property
    def rewind(self) -> int:
        """The step of dense training that its masks are trained from."""
        return int(self.results["pruners"][0]["rewind"])

    @property
    def has_failed(self) -> bool:
        """Whether no run of it was valid."""
        return all(record.status != "ok" for record in self.records)

    def evaluation(self, phase: Evaluation) -> Evaluation:
        """Returns it as an evaluation by itself, on the challenges of `phase`."""
        challenges = phase.to_json()["challenges"]
        return Evaluation.from_json({**self.results, "challenges": challenges})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A change of the board. team: its name at that time is in `detail` where that matters."""

    at: datetime
    kind: str
    team: str
    submission: int | None
    detail: Mapping[str, Any]

    @property
    def words(self) -> str:
        """What is said of it beyond kind, team and submission."""
        return "; ".join(
            f"{name.replace('_', ' ')}: {_words(value)}" for name, value in self.detail.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """All that is on a board at one moment. phases: each an evaluation in which nobody took part.

    scoring: the version of the rules that it was made for.
    """

    contest: Contest
    phases: Mapping[Phase, Evaluation]
    teams: Sequence[Team]
    submissions: Sequence[Submission]
    events: Sequence[Event]

    @property
    def shown(self) -> Phase:
        """The phase whose scores may be seen by now."""
        return Phase.FINAL if self.contest.finished else Phase.PUBLIC


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_words(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_words, value)) or "none"
    return "none" if value is None else str(value)


def one_line(what: str, text: str, most: int = _MOST_NAME) -> str:
    """Returns `text`, which can stand in a table.

    Raises:
        UsageError: it is empty, too long, or has a character that cannot be seen.
    """
    if not text.strip() or text != text.strip() or not text.isprintable() or len(text) > most:
        raise UsageError(
            f"{what} {text[:50]!r} cannot be used; expected one line of 1 to {most} visible "
            "characters, without spaces around it"
        )
    return text


def reason_of(text: str) -> str:
    """Returns the reason for a change; raises `UsageError` as `one_line`."""
    return one_line("reason", text, _MOST_TEXT)


def stamp(time: datetime) -> str:
    """Returns a time as the board writes it, UTC: 2027-03-01T12:00:00Z."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Returns a time in ISO 8601; UTC where it says no zone.

    Raises:
        UsageError: it cannot be read as a time.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time; expected ISO 8601, such as 2027-03-01T12:00Z"
        ) from None
    return (
        (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    )
