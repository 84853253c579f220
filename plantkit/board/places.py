"""Which submission of each team counts, and the places of the teams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from plantkit.board.contest import Content, Phase, Rule, Submission, Team
from plantkit.scoring.ranking import Standing, rank
from plantkit.scoring.starts import Start


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A team's place, by the submission that counts.

    rank: None for a reference, for a submission without a valid run, and without a final run.
    standing: in the phase, None without a run of it. since: when the team first handed in one
    that scores at least as much in public. tries: how many it has handed in.
    """

    rank: int | None
    submission: Submission
    standing: Standing | None
    since: datetime
    tries: int

    @property
    def team(self) -> Team:
        return self.submission.team


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Those who are ranked together. start: where their masks are trained from."""

    start: Start
    places: Sequence[Place]


def places_of(content: Content, phase: Phase) -> list[Track]:
    """Returns the places in a phase, for each start that has submissions.

    The public scores decide which submission of a team counts, in the final phase, too: nobody
    may choose by final scores. Teams whose scores differ by chance only share a rank, the earlier
    first. Those without a valid run are behind all others, without a rank.
    """
    tracks = []
    for start in Start:
        mine = [
            one
            for one in content.submissions
            if not one.retracted and Start.at(one.runs[Phase.PUBLIC].rewind) is start
        ]
        counted = [
            _counted(content, [one for one in mine if one.team.id == team.id])
            for team in content.teams
            if any(one.team.id == team.id for one in mine)
        ]
        if counted:
            tracks.append(Track(start=start, places=_placed(content, phase, counted)))
    return tracks


def standings_of(
    content: Content, phase: Phase, submissions: Iterable[Submission]
) -> dict[int, Standing]:
    """Returns the standings among `submissions` by their number, best first; those without a run
    of the phase are left out."""
    evaluation = content.phases[phase]
    records = [
        replace(record, pruner=_label(one))
        for one in submissions
        if phase in one.runs
        for record in one.runs[phase].records
    ]
    ranked = rank(evaluation.challenges, records, evaluation.protocol)
    return {int(standing.pruner): standing for standing in ranked}


def _label(submission: Submission) -> str:
    """Returns a name that sorts as the numbers do: earlier ones come first."""
    return f"{submission.id:012d}"


def _counted(content: Content, mine: Sequence[Submission]) -> Place:
    """Returns the submission of a team that counts, without a place yet. One without a valid run
    never counts where there is another."""
    valid = [one for one in mine if not one.runs[Phase.PUBLIC].has_failed] or mine
    standings = standings_of(content, Phase.PUBLIC, valid)
    if content.contest.rule is Rule.BEST:
        best = next(iter(standings))
        chosen = next(one for one in valid if one.id == best)
    else:
        chosen = max(valid, key=lambda one: (one.submitted, one.id))
    return Place(
        rank=None,
        submission=chosen,
        standing=None,
        since=min(
            one.submitted for one in valid if standings[one.id].score >= standings[chosen.id].score
        ),
        tries=len(mine),
    )


def _placed(content: Content, phase: Phase, counted: Sequence[Place]) -> list[Place]:
    ranked = [one for one in counted if not one.team.is_reference]
    among_teams = standings_of(content, phase, [one.submission for one in ranked])
    alone = standings_of(content, phase, [one.submission for one in counted])
    placed = []
    for place in counted:
        number = place.submission.id
        run = place.submission.runs.get(phase)
        is_ranked = number in among_teams and run is not None and not run.has_failed
        placed.append(
            replace(
                place,
                standing=alone.get(number),
                rank=among_teams[number].rank if is_ranked else None,
            )
        )
    ranks = {one.submission.id: one.rank for one in placed}
    return sorted(placed, key=lambda place: _order(place, phase, ranks, list(alone)))


def _order(
    place: Place, phase: Phase, ranks: dict[int, int | None], by_score: Sequence[int]
) -> tuple[int, float, int, datetime, int]:
    """Returns what a place is sorted by: a reference stands before the first team of its score."""
    number = place.submission.id
    run = place.submission.runs.get(phase)
    if run is None or run.has_failed:
        return (1 if run is not None else 2, 0, 0, place.since, number)
    if place.rank is not None:
        return (0, place.rank, 1, place.since, number)
    behind = [ranks[one] for one in by_score[by_score.index(number) :]]
    next_rank = next((one for one in behind if one is not None), len(by_score) + 1)
    return (0, next_rank, 0, place.since, number)
