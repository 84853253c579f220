"""Compact tables of an evaluation for a terminal: what the standings are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from plantkit.reports.tables import OVERLAP_UNSCORED, Table, ascending, error_lines, note_lines
from plantkit.reports.tracks import effort_table, exceeds_a_budget
from plantkit.scoring.records import SCORED_OVERLAP

if TYPE_CHECKING:
    from plantkit.challenges.facts import ChallengeFacts
    from plantkit.scoring.evaluation import Evaluation
    from plantkit.scoring.records import Record

#: Most densities next to each other: a cell takes 17 columns with its sign and the gap.
_MOST_DENSITIES = 3

#: Printed once, above the tables.
LEGEND = (
    "Each cell has four figures, means over instances and seeds:",
    "  strong   what the mask recovers of the ticket untrained, in digits of error",
    "  weak     what it recovers after training",
    "  overlap  the share of the ticket that it found and did not guess",
    "  alive    the share of what it keeps that lies on a path from input to output",
    "0 is as bad as a constant, 1 as good as the ticket. Runs that failed count as 0;",
    "a cell that has some begins with !. The strong, weak and overlap of the",
    "standings are areas under these over log density. Their mean is the score.",
    "effort: processor seconds of a run on the reference machine.",
)

_Runs = Mapping[tuple[str, str, float], Sequence["Record"]]


def detail_tables(evaluation: Evaluation) -> list[Table]:
    """Returns a table per kind of challenge, with a row per pruner and a column per density.

    Scores at budgets of effort follow where a budget changes one, then failures and notes.
    """
    from plantkit.scoring.ranking import by_kind

    runs: dict[tuple[str, str, float], list[Record]] = {}
    for record in evaluation.records:
        key = (record.pruner, record.bundle_sha256, record.target_density)
        runs.setdefault(key, []).append(record)
    tables = [Table(title="Details", rows=[], notes=LEGEND)]
    for kind in by_kind(evaluation.challenges):
        tables += _kind_tables(evaluation, kind, runs)
    if exceeds_a_budget(evaluation):
        tables.append(effort_table(evaluation))
    for title, lines in (("Failures", error_lines(evaluation)), ("Notes", note_lines(evaluation))):
        if lines:
            tables.append(Table(title=title, rows=[], notes=lines))
    return tables


def _kind_tables(
    evaluation: Evaluation, kind: Sequence[ChallengeFacts], runs: _Runs
) -> list[Table]:
    """Returns the table of challenges of one kind, or several where densities are many."""
    first = kind[0]
    densities = ascending(evaluation.protocol.densities, kind)
    title = first.id if len(kind) == 1 else f"{first.id}, {len(kind)} instances"
    notes = [
        f"1x is a density of {_mean_of([one.planted_density for one in kind])}. "
        f"Test {first.metric}: ticket {_mean_of([one.ticket.strong for one in kind])}, "
        f"dense trained {_mean_of([one.dense.weak for one in kind])}."
    ]
    if not first.overlap_scored:
        notes.append(OVERLAP_UNSCORED)
    tables = []
    for start in range(0, len(densities), _MOST_DENSITIES):
        some = densities[start : start + _MOST_DENSITIES]
        rows = [
            {"pruner": standing.pruner}
            | {
                str(density): _cell(_found(runs, standing.pruner, kind, density))
                for density in some
            }
            for standing in evaluation.standings
        ]
        tables.append(Table(title=title, rows=rows, notes=notes))
    return tables


def _found(
    runs: _Runs, pruner: str, kind: Sequence[ChallengeFacts], density: float | str
) -> list[Record]:
    """Returns a pruner's records at one density of challenges of one kind."""
    return [
        record
        for one in kind
        if (value := one.density_of(density)) is not None
        for record in runs.get((pruner, one.digest, value), ())
    ]


def _cell(records: Sequence[Record]) -> str:
    done = [record for record in records if record.status == "ok"]
    if not done:
        return "failed" if records else ""
    means = (
        fmean(record.strong.recovered_digits for record in records),
        fmean(record.weak.recovered_digits for record in records),
        fmean(record.overlap[SCORED_OVERLAP] for record in records),
        fmean(_alive(record) for record in records),
    )
    return ("!" if len(done) < len(records) else "") + " ".join(map(_short, means))


def _alive(record: Record) -> float:
    return record.effective_density / record.density if record.density else 0.0


def _short(value: float) -> str:
    """Returns a figure in [0, 1] in three characters."""
    text = f"{value:.2f}"
    return text.removeprefix("0") if text.startswith("0") else text[:3]


def _mean_of(values: Sequence[float]) -> str:
    return f"{fmean(values):.4g}"
