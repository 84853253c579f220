"""What people read of a board: its tables as rows of text, and the rules in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from plantkit.board.contest import Content, Phase, Rule, Submission, stamp
from plantkit.board.places import Place, Track, places_of
from plantkit.scoring.ranking import Standing
from plantkit.scoring.starts import Start

#: How a track is called after the word standings.
TRACKS = {Start.INITIALISATION: "", Start.REWOUND: " of rewound pruners"}


def track_rows(track: Track) -> list[dict[str, str]]:
    """Returns the places of a track as rows of a table; a shared rank has an equals sign."""
    ranks = Counter(place.rank for place in track.places)
    return [_place_row(place, is_shared=ranks[place.rank] > 1) for place in track.places]


def track_json(track: Track) -> dict[str, Any]:
    """Returns the places of a track for programs; standing is as in the results, or null."""
    return {
        "start": track.start.value,
        "places": [
            {
                "rank": place.rank,
                "team": place.team.name,
                "authors": list(place.team.authors),
                "is_reference": place.team.is_reference,
                "submission": place.submission.id,
                "tries": place.tries,
                "since": stamp(place.since),
                "standing": None if place.standing is None else _without_names(place.standing),
            }
            for place in track.places
        ],
    }


def _without_names(standing: Standing) -> dict[str, Any]:
    """Returns a standing without the number that it was ranked under, and its rank there."""
    value = standing.to_json()
    return {name: value[name] for name in value if name not in {"rank", "pruner"}}


def _place_row(place: Place, *, is_shared: bool) -> dict[str, str]:
    found = place.standing
    rank = "" if place.rank is None else f"{place.rank}{'=' if is_shared else ''}"
    if place.team.is_reference:
        rank = "ref."
    elif not rank:
        rank = "not run" if found is None else "failed"
    has_interval = found is not None and found.low is not None and found.high is not None
    return {
        "rank": rank,
        "team": place.team.name,
        "authors": ", ".join(place.team.authors),
        "score": "" if found is None else f"{found.score:.1f}",
        "95% interval": f"{found.low:.1f} to {found.high:.1f}" if found and has_interval else "",
        "strong": "" if found is None else f"{found.strong_area:.3f}",
        "weak": "" if found is None else f"{found.weak_area:.3f}",
        "overlap": ""
        if found is None or found.overlap_area is None
        else f"{found.overlap_area:.3f}",
        "failures": "" if found is None else str(found.failures),
        "entry": str(place.submission.id),
        "tries": str(place.tries),
        "since (UTC)": minute(place.since),
    }


def submission_rows(content: Content, tracks: Sequence[Track]) -> list[dict[str, str]]:
    """Returns a row for every submission, the newest first; scores of the shown phase only."""
    counting = {place.submission.id for track in tracks for place in track.places}
    return [
        {
            "entry": str(one.id),
            "team": one.team.name,
            "submitted (UTC)": minute(one.submitted),
            "file": one.label,
            "state": state_of(one, content.shown, counts=one.id in counting),
        }
        for one in sorted(content.submissions, key=lambda one: (one.submitted, one.id))[::-1]
    ]


def state_of(one: Submission, shown: Phase, *, counts: bool) -> str:
    """Returns what became of a submission, in few words."""
    if one.retracted:
        return "retracted"
    run = one.runs.get(shown)
    failures = 0 if run is None else sum(record.status != "ok" for record in run.records)
    words = ["counts"] if counts else []
    if run is not None and failures:
        words.append(
            "failed" if run.has_failed else f"{failures} of {len(run.records)} runs failed"
        )
    return ", ".join(words)


def event_rows(content: Content) -> list[dict[str, str]]:
    """Returns the history, the oldest first."""
    return [
        {
            "time": stamp(event.at),
            "event": event.kind,
            "team": event.team,
            "entry": "" if event.submission is None else str(event.submission),
            "details": event.words,
        }
        for event in content.events
    ]


def rules(content: Content, phase: Phase, tracks: Sequence[Track]) -> list[str]:
    """Returns how the places came about, a sentence or two each."""
    contest = content.contest
    others = content.phases[phase]
    which = {
        Rule.BEST: "the best submission of a team counts, by its public score",
        Rule.LAST: "the last submission of a team counts",
    }[contest.rule]
    found = [f"{which[0].upper()}{which[1:]}. One in which no run was valid has no rank."]
    found.append(
        "Teams share a rank, as in 1=, where the difference of their scores is within chance "
        "(95%). Of these, the team that reached its score earlier comes first, even if another's "
        "score is a little higher."
    )
    if phase is Phase.FINAL:
        found.append("These are the final scores, on challenges that nobody saw before.")
    elif Phase.FINAL in content.phases and not contest.finished:
        count = len(content.phases[Phase.FINAL].challenges)
        found.append(
            f"These are public scores. The final ones, on {count} other challenges, are shown when "
            "the contest is finished."
        )
    if contest.daily_limit is not None:
        found.append(
            f"A team may hand in {contest.daily_limit} submissions a day. Days are those of UTC."
        )
    window = [
        f"{word} {stamp(time)}"
        for word, time in (("opens at", contest.opens), ("closes at", contest.closes))
        if time is not None
    ]
    if contest.finished:
        window.append(f"was finished at {stamp(contest.finished)}")
    if window:
        found.append(f"The contest {', '.join(window)}.")
    densities = ", ".join(map(str, others.protocol.densities))
    seeds = others.protocol.seeds
    found.append(
        f"Densities {densities} (1x is the planted one), {seeds} seed{'s' if seeds != 1 else ''} "
        "per challenge."
    )
    if any(place.team.is_reference for track in tracks for place in track.places):
        found.append("ref.: for comparison, without a rank.")
    return found


def same_files(content: Content) -> list[str]:
    """Returns which teams handed in the same files or masks, a line each, for the organiser."""
    owners: dict[tuple[str, str], list[Submission]] = defaultdict(list)
    for one in content.submissions:
        if not one.retracted and not one.team.is_reference:
            if one.sha256 is not None:
                owners["files", one.sha256].append(one)
            if masks := one.runs[Phase.PUBLIC].masks_sha256:
                owners["masks", masks].append(one)
    lines: dict[tuple[int, ...], str] = {}
    for (what, _), found in owners.items():
        if len({one.team.id for one in found}) > 1:
            names = ", ".join(f"{one.id} of {one.team.name!r}" for one in found)
            key = tuple(one.id for one in found)
            lines.setdefault(key, f"the same {what} in submissions {names}")
    return list(lines.values())


def shown_places(content: Content, *, public: bool = False) -> tuple[Phase, list[Track]]:
    """Returns the phase that may be seen by now, or the public one, with its places."""
    phase = Phase.PUBLIC if public else content.shown
    return phase, places_of(content, phase)


def minute(time: datetime) -> str:
    """Returns a time in UTC, to the minute."""
    return stamp(time)[:16].replace("T", " ")
