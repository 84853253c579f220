"""Tables for people: the standings, one table per challenge, and how a table becomes text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from tabulate import tabulate

if TYPE_CHECKING:
    from plantkit.challenges.bundles import Challenge
    from plantkit.scoring.evaluation import Evaluation
    from plantkit.scoring.records import Record

#: Columns of words, which are aligned to the left; numbers are aligned to the right.
_LEFT = {"pruner", "status"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A titled table with notes below it. rows: cells by column; all have the same columns."""

    title: str
    rows: Sequence[Mapping[str, str]]
    notes: Sequence[str] = ()


def render_table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    form: str = "simple",
    *,
    align: Sequence[str] | None = None,
) -> str:
    """Returns a table of text cells.

    Args:
        form: a format of tabulate: "simple" for a terminal, "github" for Markdown (bars and
            line breaks in cells are escaped), "html" or "latex_booktabs" (tabulate escapes).
        align: "left" or "right" for every column; all left if None.
    """
    if form == "github":
        rows = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return tabulate(rows, headers=headers, tablefmt=form, disable_numparse=True, colalign=align)


def render_evaluation(
    evaluation: Evaluation,
    form: str,
    *,
    heading: Callable[[str], str],
    paragraphs: Callable[[Sequence[str]], str],
    cell: Callable[[str], str] = str,
) -> str:
    """Returns the standings, a table per challenge, and what went wrong.

    Args:
        form: see `render_table`.
        heading, paragraphs: write a title and some notes in that format.
        cell: makes text harmless in a cell.
    """
    parts = []
    for table in [standings_table(evaluation), *challenge_tables(evaluation)]:
        headers = list(table.rows[0])
        grid = render_table(
            headers,
            [[cell(text) for text in row.values()] for row in table.rows],
            form,
            align=["left" if name in _LEFT else "right" for name in headers],
        )
        parts.append("\n".join([heading(table.title), grid, paragraphs(table.notes)]))
    for title, lines in (("Failures", error_lines(evaluation)), ("Notes", note_lines(evaluation))):
        if lines:
            parts.append(f"{heading(title)}\n{paragraphs(lines)}")
    return "\n\n".join(parts) + "\n"


def standings_table(evaluation: Evaluation) -> Table:
    """Returns one row per pruner, the best first."""
    names = ", ".join(challenge.id for challenge in evaluation.challenges)
    suite = f"suite {evaluation.suite} ({names})" if evaluation.suite else names
    rows = [
        {
            "rank": str(standing.rank),
            "pruner": standing.pruner,
            "score": f"{standing.score:.1f}",
            "95% interval": ""
            if standing.low is None or standing.high is None
            else f"{standing.low:.1f} to {standing.high:.1f}",
            "strong area": f"{standing.strong_area:.3f}",
            "weak area": f"{standing.weak_area:.3f}",
            "F1": "" if standing.f1 is None else f"{standing.f1:.3f}",
            "failures": str(standing.failures),
            "seconds": f"{standing.seconds:.2f}",
        }
        for standing in evaluation.standings
    ]
    return Table(title=f"Standings: {suite}", rows=rows, notes=_standings_notes(evaluation))


def challenge_tables(evaluation: Evaluation) -> list[Table]:
    """Returns one table per challenge: a row per pruner and density, with means over seeds."""
    return [_challenge_table(evaluation, challenge) for challenge in evaluation.challenges]


def error_lines(evaluation: Evaluation) -> list[str]:
    """Returns a line for every distinct error of every pruner, with how often it came."""
    runs = Counter(record.pruner for record in evaluation.records)
    counts = Counter(
        (record.pruner, record.status, record.error)
        for record in evaluation.records
        if record.status != "ok"
    )
    return [
        f"{pruner}: {status} in {count} of {runs[pruner]} runs: {error}"
        for (pruner, status, error), count in counts.items()
    ]


def note_lines(evaluation: Evaluation) -> list[str]:
    """Returns a line for every distinct note of every pruner, with how often it came."""
    runs = Counter(record.pruner for record in evaluation.records)
    counts = Counter((record.pruner, record.note) for record in evaluation.records if record.note)
    return [
        f"{pruner}: in {count} of {runs[pruner]} runs: {note}"
        for (pruner, note), count in counts.items()
    ]


def _standings_notes(evaluation: Evaluation) -> list[str]:
    from plantkit.scoring.protocol import resolve_densities
    from plantkit.scoring.score import ticket_score

    protocol = evaluation.protocol
    densities = ", ".join(str(density) for density in protocol.densities)
    notes = [f"Densities {densities}; {protocol.seeds} seed{'s' if protocol.seeds != 1 else ''}."]
    if protocol.seeds == 1:
        notes.append("One seed says nothing about the spread: ranks are by score alone.")
    elif len({standing.rank for standing in evaluation.standings}) < len(evaluation.standings):
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
    if evaluation.settings.isolation != "full":
        notes.append(f"Isolation: {evaluation.settings.isolation}; see plantkit doctor.")
    if leaking := [challenge.id for challenge in evaluation.challenges if not challenge.hidden]:
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
    notes = [
        f"* planted density {challenge.planted_density:.4g} "
        f"({challenge.ticket_kept} of {challenge.network.total} parameters). "
        f"Test {challenge.task.metric}: ticket {challenge.ticket.strong:.3f}, dense trained "
        f"{challenge.dense.weak:.3f}, constant {challenge.trivial:.3f}.",
        "strong, weak: recovered accuracy untrained, trained; effective: density on paths.",
    ]
    if not challenge.overlap_scored:
        notes.append("Overlap is shown but not scored: many tickets are as sparse and as good.")
    return Table(title=challenge.id, rows=rows, notes=notes)


def _row(records: Sequence[Record]) -> dict[str, str]:
    first = records[0]
    done = [record for record in records if record.status == "ok"]
    return {
        "pruner": first.pruner,
        "density": f"{first.target_density:.4g}{' *' if first.is_planted_density else ''}",
        "sparsity": f"{fmean(record.sparsity for record in done):.4f}" if done else "",
        "effective": f"{fmean(record.effective_density for record in done):.4f}" if done else "",
        "strong": f"{fmean(record.strong.recovered_accuracy for record in records):.3f}",
        "weak": f"{fmean(record.weak.recovered_accuracy for record in records):.3f}",
        "precision": f"{fmean(record.overlap['precision'] for record in records):.3f}",
        "recall": f"{fmean(record.overlap['recall'] for record in records):.3f}",
        "F1": f"{fmean(record.overlap['f1'] for record in records):.3f}",
        "status": _status(records),
        "seconds": f"{fmean(record.seconds for record in records):.2f}",
    }


def _status(records: Sequence[Record]) -> str:
    """Returns the status of a row, or how often each came, and whether there is a note."""
    counts = Counter(record.status for record in records)
    text = ", ".join(f"{count} {name}" for name, count in counts.items())
    note = " (see Notes)" if any(record.note for record in records) else ""
    return (records[0].status if len(counts) == 1 else text) + note
