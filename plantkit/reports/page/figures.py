"""What the figures of a report show: scores, digits by density, every challenge, effort."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from plantkit.challenges.facts import ChallengeFacts
from plantkit.reports.page.comparisons import comparison_figures
from plantkit.reports.page.figure import Figure, Rows, short
from plantkit.scoring.effort import mean_efforts
from plantkit.scoring.evaluation import Evaluation
from plantkit.scoring.ranking import by_kind
from plantkit.scoring.records import Record
from plantkit.scoring.score import dense_score
from plantkit.scoring.starts import rank_by_start

#: The least effort that a logarithmic axis shows, in seconds.
_LEAST_EFFORT = 0.001
_TRACKS = {"strong": "untrained", "weak": "after training"}


def figures_of(evaluation: Evaluation) -> list[Figure]:
    """Returns all figures of a report, in its order."""
    if not evaluation.standings:
        return []
    effort = effort_figure(evaluation)
    return [
        standings_figure(evaluation),
        *(one for kind in by_kind(evaluation.challenges) for one in curves(evaluation, kind)),
        heat_map(evaluation),
        *([effort] if effort else []),
        *comparison_figures(evaluation),
    ]


def standings_figure(evaluation: Evaluation) -> Figure:
    """Returns the scores of all pruners with their intervals."""
    rows = [
        {
            "pruner": standing.pruner,
            "score": short(standing.score),
            "low": short(standing.score if standing.low is None else standing.low),
            "high": short(standing.score if standing.high is None else standing.high),
        }
        for standing in evaluation.standings
    ]
    return Figure(
        name="standings",
        kind="standings",
        title="Scores",
        caption="A dot is a pruner's score, and the bar its 95% interval. 100 is the ticket.",
        summary=f"{rows[0]['pruner']} is first with {rows[0]['score']:.1f} of 100 points; "
        "the table has all of them.",
        data={"scores": rows},
    )


def curves(evaluation: Evaluation, kind: Sequence[ChallengeFacts]) -> list[Figure]:
    """Returns what masks recover at each density on challenges of a kind: strong and weak."""
    first = kind[0]
    groups = _by_density(evaluation, kind)
    found = []
    for track, words in _TRACKS.items():
        rows: Rows = [
            {
                "pruner": standing.pruner,
                "density": short(density),
                "digits": short(fmean(values)),
                "low": short(min(values)),
                "high": short(max(values)),
                "runs": len(values),
                "failed": sum(record.status != "ok" for record in records),
            }
            for standing in evaluation.standings
            for density, records in groups.get(standing.pruner, {}).items()
            if (values := [_digits(record, track) for record in records])
        ]
        if not rows:
            continue
        dense = fmean(getattr(dense_score(one), f"{track}_area") for one in kind)
        best = max(rows, key=lambda row: float(row["digits"]))
        found.append(
            Figure(
                name=f"digits-{first.id}-{track}",
                kind="curves",
                group=first.id,
                heading=words.capitalize(),
                title=f"{name_of(kind)}, {words}",
                caption="",
                summary=f"{best['pruner']} recovers most: {best['digits']:.3f} of the ticket's "
                f"digits at density {best['density']:.3g}."
                if best["digits"]
                else "No pruner recovers anything.",
                data={
                    "runs": rows,
                    "levels": [
                        {"label": "ticket", "digits": 1.0, "name": "above"},
                        {
                            "label": "dense network",
                            "digits": short(dense),
                            "name": "below" if dense > 0.5 else "above",
                        },
                    ],
                    "planted": [{"density": short(fmean(one.planted_density for one in kind))}],
                },
            )
        )
    return found


def heat_map(evaluation: Evaluation) -> Figure:
    """Returns every pruner's score on every challenge."""
    by_digest: dict[str, list[Record]] = defaultdict(list)
    for record in evaluation.records:
        by_digest[record.bundle_sha256].append(record)
    scores = {
        (standing.pruner, challenge.digest): standing.score
        for challenge in evaluation.challenges
        for standing in rank_by_start([challenge], by_digest[challenge.digest], evaluation.protocol)
    }
    rows: Rows = [
        {
            "pruner": standing.pruner,
            "challenge": challenge.id,
            "score": round(scores[standing.pruner, challenge.digest], 1),
        }
        for standing in evaluation.standings
        for challenge in evaluation.challenges
        if (standing.pruner, challenge.digest) in scores
    ]
    best = max(rows, key=lambda row: float(row["score"]))
    return Figure(
        name="heat-map",
        kind="heat_map",
        title="Score of every pruner on every challenge",
        caption="Each cell is the score on one challenge alone, from 0 (pale) to 100 (dark).",
        summary=f"The highest is {best['score']:.1f}, of {best['pruner']} on {best['challenge']}.",
        data={"cells": rows},
    )


def effort_figure(evaluation: Evaluation) -> Figure | None:
    """Returns scores against effort, or None where nobody's effort is known."""
    efforts = mean_efforts(evaluation.records)
    known = [
        (standing, max(effort, _LEAST_EFFORT))
        for standing in evaluation.standings
        if (effort := efforts[standing.pruner]) is not None
    ]
    if not known:
        return None
    least, most = min(effort for _, effort in known), max(effort for _, effort in known)
    rows: Rows = [
        {
            "pruner": standing.pruner,
            "effort": short(effort),
            "score": short(standing.score),
            "side": "left" if effort * effort <= least * most else "right",
            "front": not any(
                (other.score >= standing.score and less < effort)
                or (other.score > standing.score and less <= effort)
                for other, less in known
            ),
        }
        for standing, effort in known
    ]
    front = sorted((row for row in rows if row["front"]), key=lambda row: float(row["effort"]))
    return Figure(
        name="effort",
        kind="effort",
        title="Score against effort",
        caption="Effort is the mean processor time of a run, in seconds of the reference machine. "
        "The line joins the front: those that nobody beats with as little effort.",
        summary=f"On the front, from little effort to much: "
        f"{', '.join(str(row['pruner']) for row in front)}.",
        data={"points": rows},
    )


def name_of(kind: Sequence[ChallengeFacts]) -> str:
    """Returns what challenges of one kind are called together."""
    return kind[0].id if len(kind) == 1 else f"{kind[0].id}, {len(kind)} instances"


def _by_density(
    evaluation: Evaluation, kind: Sequence[ChallengeFacts]
) -> dict[str, dict[float, list[Record]]]:
    """Returns the records of a kind by pruner and density, the lowest density first.

    Instances differ a little in the densities that one asked for stands for; the mean is taken.
    """
    meant: dict[tuple[str, float], float] = {}
    for asked in evaluation.protocol.densities:
        values = {one.digest: one.density_of(asked) for one in kind}
        known = [value for value in values.values() if value is not None]
        for digest, value in values.items():
            if value is not None:
                meant.setdefault((digest, value), fmean(known))
    found: dict[str, dict[float, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in evaluation.records:
        density = meant.get((record.bundle_sha256, record.target_density))
        if density is not None:
            found[record.pruner][density].append(record)
    return {pruner: dict(sorted(groups.items())) for pruner, groups in found.items()}


def _digits(record: Record, track: str) -> float:
    """Returns what a mask recovers, as the score counts it: trained or not, whichever is more."""
    strong = record.strong.recovered_digits
    return strong if track == "strong" else max(strong, record.weak.recovered_digits)
