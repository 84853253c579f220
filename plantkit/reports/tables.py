"""The rows that people read: standings, and one table a challenge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from plantkit.challenges.bundles import Challenge
from plantkit.scoring.protocol import resolve_densities
from plantkit.scoring.records import Record
from plantkit.scoring.score import ticket_score

if TYPE_CHECKING:
    from plantkit.scoring.evaluation import Evaluation

STANDINGS_HEADERS = (
    "rank",
    "pruner",
    "score",
    "95% interval",
    "strong area",
    "weak area",
    "F1",
    "failures",
    "seconds",
)
CHALLENGE_HEADERS = (
    "pruner",
    "density",
    "sparsity",
    "effective",
    "strong",
    "weak",
    "precision",
    "recall",
    "F1",
    "status",
    "seconds",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A titled table of text cells; `notes` stand below it."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def standings_table(evaluation: Evaluation) -> Table:
    """Returns one row a pruner, the best first."""
    rows = [
        (
            str(standing.rank),
            standing.pruner,
            f"{standing.score:.1f}",
            ""
            if standing.low is None or standing.high is None
            else f"{standing.low:.1f} to {standing.high:.1f}",
            f"{standing.strong_area:.3f}",
            f"{standing.weak_area:.3f}",
            "" if standing.f1 is None else f"{standing.f1:.3f}",
            str(standing.failures),
            f"{standing.seconds:.2f}",
        )
        for standing in evaluation.standings
    ]
    names = ", ".join(challenge.id for challenge in evaluation.challenges)
    return Table(
        title=f"Standings: suite {evaluation.suite} ({names})"
        if evaluation.suite
        else f"Standings: {names}",
        headers=STANDINGS_HEADERS,
        rows=rows,
        notes=_standings_notes(evaluation),
    )


def challenge_tables(evaluation: Evaluation) -> list[Table]:
    """Returns one table a challenge, one row a pruner and density, means over seeds."""
    return [_challenge_table(evaluation, challenge) for challenge in evaluation.challenges]


def error_lines(evaluation: Evaluation) -> list[str]:
    """Returns one line for every distinct error of every pruner, with how often it came."""
    counts = Counter(
        (record.pruner, record.status, record.error)
        for record in evaluation.records
        if record.status != "ok"
    )
    return [
        f"{pruner}: {status} in {count} of "
        f"{sum(record.pruner == pruner for record in evaluation.records)} runs: {error}"
        for (pruner, status, error), count in counts.items()
    ]


def _standings_notes(evaluation: Evaluation) -> list[str]:
    protocol = evaluation.protocol
    densities = ", ".join(str(density) for density in protocol.densities)
    notes = [f"Densities {densities}; {protocol.seeds} seed{'s' if protocol.seeds != 1 else ''}."]
    if protocol.seeds == 1:
        notes.append("One seed says nothing of the spread: ranks are by score alone.")
    ranks = [standing.rank for standing in evaluation.standings]
    if protocol.seeds > 1 and len(set(ranks)) < len(ranks):
        notes.append(
            "Pruners share a rank where the difference of their scores is within chance (95%)."
        )
    scores = [
        ticket_score(
            challenge, protocol, [density for density, _ in resolve_densities(challenge, protocol)]
        )
        for challenge in evaluation.challenges
    ]
    notes.append(f"The ticket itself, returned at every density, scores {fmean(scores):.1f}.")
    if any(not challenge.hidden for challenge in evaluation.challenges):
        leaking = [challenge.id for challenge in evaluation.challenges if not challenge.hidden]
        notes.append(
            "Not for contests: in these the ticket can be read off the weights, or no audit says "
            f"that it cannot: {', '.join(leaking)}."
        )
    return notes


def _challenge_table(evaluation: Evaluation, challenge: Challenge) -> Table:
    rows = []
    for standing in evaluation.standings:
        mine = evaluation.records_of(standing.pruner, challenge)
        densities = sorted({record.target_density for record in mine})
        rows += [_row([r for r in mine if r.target_density == density]) for density in densities]
    metric = challenge.task.metric
    notes = [
        f"* planted density {challenge.planted_density:.4g} "
        f"({challenge.ticket_kept} of {challenge.network.total} parameters). "
        f"Test {metric}: ticket {challenge.ticket.strong:.3f}, dense trained "
        f"{challenge.dense.weak:.3f}, constant {challenge.trivial:.3f}.",
        "strong, weak: recovered accuracy untrained, trained; effective: density on paths.",
    ]
    if not challenge.overlap_scored:
        notes.append("Overlap is shown but not scored: many tickets are as sparse and as good.")
    return Table(title=challenge.id, headers=CHALLENGE_HEADERS, rows=rows, notes=notes)


def _row(records: Sequence[Record]) -> tuple[str, ...]:
    first = records[0]
    asked = f"{first.target_density:.4g}{' *' if first.is_planted_density else ''}"
    statuses = Counter(record.status for record in records)
    status = ", ".join(
        name if count == len(records) else f"{count} {name}" for name, count in statuses.items()
    )
    done = [record for record in records if record.status == "ok"]
    return (
        first.pruner,
        asked,
        f"{fmean(record.sparsity for record in done):.4f}" if done else "",
        f"{fmean(record.effective_density for record in done):.4f}" if done else "",
        f"{fmean(record.strong.recovered_accuracy for record in records):.3f}",
        f"{fmean(record.weak.recovered_accuracy for record in records):.3f}",
        f"{fmean(record.overlap['precision'] for record in records):.3f}",
        f"{fmean(record.overlap['recall'] for record in records):.3f}",
        f"{fmean(record.overlap['f1'] for record in records):.3f}",
        status,
        f"{fmean(record.seconds for record in records):.2f}",
    )
