"""Changes of a board. Each is one transaction, with an event in the history."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plantkit.board import database
from plantkit.board.adding import Added, add_candidate
from plantkit.board.change import Change
from plantkit.board.content import content_of, contest_of, phases_of
from plantkit.board.contest import Contest, Phase, one_line, reason_of, stamp
from plantkit.board.entering import candidate_of
from plantkit.board.places import places_of
from plantkit.errors import UsageError
from plantkit.scoring.evaluation import Evaluation
from plantkit.scoring.score import SCORING_VERSION
from plantkit.version import __version__


def _now() -> datetime:
    return datetime.now(UTC)


def create(
    path: Path,
    contest: Contest,
    phases: Mapping[Phase, Evaluation],
    *,
    clock: Callable[[], datetime] = _now,
) -> None:
    """Makes a new board in the file `path`.

    Args:
        clock: returns the time of now.
        phases: evaluations without pruners, which say what submissions are scored on.

    Raises:
        UsageError: the file exists, or a challenge is in both phases.
    """
    public, final = (
        {one.digest: one.id for one in phases[phase].challenges} if phase in phases else {}
        for phase in Phase
    )
    if shared := sorted(public[digest] for digest in public.keys() & final.keys()):
        raise UsageError(
            f"{', '.join(shared)}: in both phases; the final one needs challenges that nobody saw"
        )
    with database.creating(path) as connection:
        connection.execute(
            "INSERT INTO contest VALUES (1, ?, ?, ?, ?, ?, NULL, ?, ?)",
            (*_columns(contest), SCORING_VERSION, __version__),
        )
        for phase, evaluation in phases.items():
            value = json.dumps(evaluation.to_json())
            connection.execute("INSERT INTO phases VALUES (?, ?)", (phase, value))
        # How many the final ones are may be known, but not which.
        change = Change(connection, clock())
        change.record("created", public=sorted(public.values()), final=len(final))


class Board:
    """The board in the file `path`.

    Args:
        clock: returns the time of now.
        warn: called with what the organiser should look at.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], datetime] = _now,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.path = path
        self._clock = clock
        self._warn = warn

    def add_team(self, name: str, authors: Sequence[str], *, is_reference: bool = False) -> None:
        """Enters a team.

        Raises:
            UsageError: a team has or had this name, or a name cannot be used.
        """
        one_line("team", name)
        with self._changing() as change:
            if (former := change.former_owner(name)) is not None:
                raise UsageError(
                    f"team {former.name!r} has or had the name {name!r}; give another name"
                )
            team = change.insert(
                "INSERT INTO teams (name, is_reference) VALUES (?, ?)", name, is_reference
            )
            change.set_authors(team, authors)
            change.record("team entered", team=team, name=name, authors=list(authors))

    def change_team(
        self, name: str, *, new_name: str | None = None, authors: Sequence[str] = ()
    ) -> None:
        """Renames a team, replaces its authors, or both.

        Raises:
            UsageError: no such team, another has or had the new name, or nothing is asked for.
        """
        with self._changing() as change:
            team = change.team(name)
            detail: dict[str, Any] = {}
            if new_name is not None and new_name != team.name:
                owner = change.former_owner(one_line("team", new_name))
                if owner is not None and owner.id != team.id:
                    raise UsageError(
                        f"team {owner.name!r} has or had the name {new_name!r}; give another name"
                    )
                change.execute("UPDATE teams SET name = ? WHERE id = ?", new_name, team.id)
                detail |= {"name": new_name, "was": team.name}
            if authors:
                change.set_authors(team.id, authors)
                detail |= {"authors": list(authors)}
            if not detail:
                raise UsageError(f"nothing to change of team {team.name!r}")
            change.record("team changed", team=team.id, **detail)

    def change_contest(self, **values: Any) -> None:
        """Changes fields of `Contest`.

        Raises:
            UsageError: a value cannot be used, or none is new.
        """
        with self._changing() as change:
            before = contest_of(self.path, change.connection)
            after = replace(before, **values)
            if after == before:
                raise UsageError("nothing to change: the contest has these settings already")
            if before.finished and after.rule is not before.rule:
                raise UsageError(
                    f"the contest was finished at {stamp(before.finished)}; which submissions "
                    "count cannot be changed once the final scores are known"
                )
            change.execute(
                "UPDATE contest SET title = ?, rule = ?, daily_limit = ?, opens = ?, closes = ?",
                *_columns(after),
            )
            old, new = (dict(zip(_NAMES, _columns(one), strict=True)) for one in (before, after))
            changed = [name for name in _NAMES if old[name] != new[name]]
            detail: dict[str, Any] = {name: new[name] for name in changed}
            change.record("contest changed", **detail, was={name: old[name] for name in changed})

    def add(
        self,
        run: Evaluation,
        *,
        team: str,
        pruner: str | None = None,
        submitted: datetime | None = None,
        again: bool = False,
    ) -> Added:
        """Adds a run of a team's submission, to the phase whose challenges it was run on.

        The same submission again changes nothing, also where it is retracted, unless `again`. A
        run of the final phase belongs to a submission that is on the public board already.

        Args:
            pruner: the label of the one that was handed in; None where the run has one submission.
            submitted: when it was handed in; now if None.
            again: whether a submission that is retracted is entered anew, under another number. It
                was handed in when that was, if `submitted` is None, and takes none of the team's
                submissions of a day.

        Raises:
            ResultsError: the run cannot be compared with the others of the board.
            UsageError: no such team, it had its submissions of the day, or none are taken then.
        """
        with database.reading(self.path) as connection:
            contest_of(self.path, connection)
            phases = phases_of(connection)
        candidate = candidate_of(run, phases, pruner=pruner)  # slow, and nobody has to wait
        with self._changing() as change:
            contest = contest_of(self.path, change.connection)
            return add_candidate(
                change, contest, candidate, team=team, submitted=submitted, again=again
            )

    def retract(self, number: int, reason: str) -> None:
        """Takes a submission off the board; it stays in the history.

        Raises:
            UsageError: no such submission, or it is retracted.
        """
        self._set_retracted(number, reason, is_retracted=True)

    def restore(self, number: int, reason: str) -> None:
        """Puts a retracted submission back.

        Raises:
            UsageError: no such submission, or it is not retracted.
        """
        self._set_retracted(number, reason, is_retracted=False)

    def finish(self, *, with_gaps: bool = False) -> None:
        """Ends the contest: from now on the board shows the final scores.

        Args:
            with_gaps: also where a submission that counts has no final run.

        Raises:
            UsageError: the board has no final phase, is still open, was finished before, or
                there are gaps.
        """
        with self._changing() as change:
            content = content_of(self.path, change.connection)
            contest = content.contest
            if Phase.FINAL not in content.phases:
                raise UsageError("this board has no final phase; its public scores are the result")
            if contest.finished:
                raise UsageError(f"the contest was finished at {stamp(contest.finished)}")
            if contest.closes and change.time < contest.closes:
                raise UsageError(
                    f"the contest closes at {stamp(contest.closes)}, and now it is "
                    f"{stamp(change.time)}; wait, or change it: plantkit leaderboard change "
                    "--closes TIME"
                )
            counted = [
                place
                for track in places_of(content, Phase.FINAL)
                for place in track.places
                if not place.team.is_reference
            ]
            if not counted:
                raise UsageError(
                    "no submission of a team counts, so there is nothing to finish; add runs, or "
                    "take back a retraction: plantkit leaderboard retract ID --undo --reason WHY"
                )
            gaps = [
                f"submission {place.submission.id} of {place.submission.team.name!r}"
                for place in counted
                if place.standing is None
            ]
            if gaps and not with_gaps:
                raise UsageError(
                    f"no final run was added of {', '.join(gaps)}; add them, or finish with "
                    "--with-gaps: they get no rank"
                )
            change.execute("UPDATE contest SET finished = ?", stamp(change.time))
            change.record("finished", without_final_run=gaps) if gaps else change.record("finished")

    def _set_retracted(self, number: int, reason: str, *, is_retracted: bool) -> None:
        reason_of(reason)
        with self._changing() as change:
            row = change.row("SELECT team, retracted FROM submissions WHERE id = ?", number)
            if row is None:
                known = change.rows("SELECT id FROM submissions ORDER BY id")
                numbers = f"expected 1 to {len(known)}" if known else "there is none yet"
                raise UsageError(f"no submission has the number {number}; {numbers}")
            if bool(row["retracted"]) == is_retracted:
                state = "retracted already" if is_retracted else "not retracted"
                raise UsageError(f"submission {number} is {state}")
            other = change.row(
                "SELECT other.id AS id FROM submissions AS one JOIN submissions AS other "
                "ON other.team = one.team AND other.identity = one.identity "
                "WHERE one.id = ? AND other.id != one.id AND NOT other.retracted",
                number,
            )
            if other is not None and not is_retracted:
                raise UsageError(
                    f"submission {number} has the same files and options as submission "
                    f"{other['id']}, which counts; retract that one first"
                )
            change.execute(
                "UPDATE submissions SET retracted = ? WHERE id = ?", is_retracted, number
            )
            kind = "retracted" if is_retracted else "restored"
            change.record(kind, team=row["team"], submission=number, reason=reason)

    @contextmanager
    def _changing(self) -> Iterator[Change]:
        with database.writing(self.path) as connection:
            contest_of(self.path, connection)
            change = Change(connection, self._clock())
            yield change
        if change.is_late:
            self._warn(f"{change.clock_words}; set it right: the history is in order all the same")


_NAMES = ("title", "rule", "daily_limit", "opens", "closes")


def _columns(contest: Contest) -> tuple[Any, ...]:
    """Returns the values of `_NAMES` as the table has them."""
    values = asdict(contest)
    return tuple(
        stamp(value) if isinstance(value := values[name], datetime) else value for name in _NAMES
    )
