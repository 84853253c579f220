"""Tables for people: the standings, one table per challenge, and how a table becomes text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from tabulate import tabulate

from plantkit.scoring.records import SCORED_OVERLAP

if TYPE_CHECKING:
    from plantkit.challenges.facts import ChallengeFacts
    from plantkit.scoring.evaluation import Evaluation
    from plantkit.scoring.records import Record

#: What the intervals cover, in words.
_COVERAGE = {
    "instances": "Intervals are over instances of each kind of challenge, and over seeds.",
    "some instances": "Intervals are over instances where a kind of challenge has several, else "
    "over seeds only.",
    "seeds": "Intervals are over seeds only: on other instances of these challenges the ranks may "
    "differ.",
    "nothing": "Ranks are by score alone: with one seed, a kind of challenge with one instance "
    "says nothing about the spread.",
}


#: What is said in place of an overlap that no challenge at hand scores.
OVERLAP_UNSCORED = "Overlap is not scored here: many tickets are as sparse and as good."


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A titled table with notes below it. rows: cells by column; all have the same columns."""

    title: str
    rows: Sequence[Mapping[str, str]]
    notes: Sequence[str] = ()


def render_table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    form: str,
    *,
    align: Sequence[str] | None = None,
) -> str:
    """Returns a table of text cells.

    Args:
        form: a format of tabulate: "github" for Markdown (bars and line breaks in cells are
            escaped), "html" or "latex_booktabs" (tabulate escapes). For a terminal: `grids.grid`.
        align: "left" or "right" for every column; all left if None.
    """
    if form == "github":
        rows = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return tabulate(rows, headers=headers, tablefmt=form, disable_numparse=True, colalign=align)


def standings_table(evaluation: Evaluation) -> Table:
    """Returns one row per pruner, the best first, and what the ticket itself would score."""
    from plantkit.scoring.effort import mean_efforts
    from plantkit.scoring.ranking import CONFIDENCE, Coverage, by_kind, coverage

    efforts = mean_efforts(evaluation.records)
    kinds = by_kind(evaluation.challenges)
    names = ", ".join(
        kind[0].id if len(kind) == 1 else f"{len(kind)} x {kind[0].id}" for kind in kinds
    )
    suite = f"suite {evaluation.suite} ({names})" if evaluation.suite else names
    interval = f"{CONFIDENCE:.0%} interval"
    rows = [
        {
            "rank": str(standing.rank),
            "pruner": standing.pruner,
            "score": f"{standing.score:.1f}",
            interval: ""
            if standing.low is None or standing.high is None
            else f"{standing.low:.1f} to {standing.high:.1f}",
            "strong": f"{standing.strong_area:.3f}",
            "weak": f"{standing.weak_area:.3f}",
            "overlap": "" if standing.overlap_area is None else f"{standing.overlap_area:.3f}",
            "failures": str(standing.failures),
            "effort": "" if (effort := efforts[standing.pruner]) is None else f"{effort:.2f}",
        }
        for standing in evaluation.standings
    ]
    if rows:
        rows.append(dict.fromkeys(rows[0], "") | _ticket_cells(evaluation))
    if coverage(evaluation.challenges, evaluation.protocol) is Coverage.NOTHING:
        for row in rows:
            del row[interval]
    if not any(one.overlap_scored for one in evaluation.challenges):
        for row in rows:
            del row["overlap"]
    return Table(title=f"Standings: {suite}", rows=rows, notes=_standings_notes(evaluation))


def shares_ranks_by_chance(evaluation: Evaluation) -> bool:
    """Returns whether pruners share a rank since their difference may be chance.

    Where nothing shows the spread, only equal scores share one.
    """
    from plantkit.scoring.ranking import Coverage, coverage

    ranks = [one.rank for one in evaluation.standings]
    covered = coverage(evaluation.challenges, evaluation.protocol)
    return len(set(ranks)) < len(ranks) and covered is not Coverage.NOTHING


def _ticket_cells(evaluation: Evaluation) -> dict[str, str]:
    """Returns the cells of the ticket itself, returned at every density."""
    from plantkit.scoring.ranking import mean_areas
    from plantkit.scoring.score import ticket_score

    challenges = evaluation.challenges
    scores = {challenge.digest: [ticket_score(challenge)] for challenge in challenges}
    areas = mean_areas(scores, challenges, evaluation.protocol)
    return {
        "pruner": "(the ticket)",
        "score": f"{areas.score:.1f}",
        "strong": f"{areas.strong:.3f}",
        "weak": f"{areas.weak:.3f}",
        "overlap": "" if areas.overlap is None else f"{areas.overlap:.3f}",
    }


def challenge_tables(evaluation: Evaluation) -> list[Table]:
    """Returns one table per kind of challenge: a row per pruner and density, with means over
    instances and seeds."""
    from plantkit.scoring.ranking import by_kind

    return [_kind_table(evaluation, kind) for kind in by_kind(evaluation.challenges)]


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
    from plantkit.scoring.ranking import coverage, mean_areas
    from plantkit.scoring.score import dense_score

    protocol, challenges = evaluation.protocol, evaluation.challenges
    densities = ", ".join(map(str, protocol.densities))
    notes = [
        "strong, weak: digits of the ticket that masks recover, untrained and trained, 1 for all.",
        "overlap: share of the ticket that was found. These three are areas over density."
        if any(one.overlap_scored for one in challenges)
        else f"These two are areas over density. {OVERLAP_UNSCORED}",
        "effort: processor seconds per run, on the reference machine.",
        f"Densities {densities} (1x is the planted one); {protocol.seeds} "
        f"seed{'s' if protocol.seeds != 1 else ''} per challenge.",
        _COVERAGE[coverage(challenges, protocol)],
    ]
    unscored = [
        one.id
        for one in challenges
        if not any(
            (density := one.density_of(asked)) is not None and density >= one.planted_density
            for asked in protocol.densities
        )
    ]
    if unscored:
        notes.append(
            "Nothing is scored where all densities are below the planted one: "
            f"{', '.join(unscored)}."
        )
    if shares_ranks_by_chance(evaluation):
        notes.append(
            "Pruners share a rank where the difference of their scores is within chance (95%)."
        )
    dense = {challenge.digest: [dense_score(challenge)] for challenge in challenges}
    notes.append(
        "For comparison, the trained dense network has a weak area of "
        f"{mean_areas(dense, challenges, protocol).weak:.3f}."
    )
    if evaluation.settings.isolation != "full":
        notes.append(f"Isolation: {evaluation.settings.isolation}; see plantkit doctor.")
    if leaking := [challenge.id for challenge in challenges if not challenge.hidden]:
        notes.append(
            "Not for contests: in these the ticket can be read off the weights, or no audit says "
            f"that it cannot: {', '.join(leaking)}."
        )
    return notes


def _kind_table(evaluation: Evaluation, kind: Sequence[ChallengeFacts]) -> Table:
    """Returns the table of challenges of one kind, whose instances are averaged over."""
    first = kind[0]
    rows = []
    for standing in evaluation.standings:
        mine = [(one, evaluation.records_of(standing.pruner, one)) for one in kind]
        for density in ascending(evaluation.protocol.densities, kind):
            group = [
                record
                for challenge, records in mine
                for record in records
                if record.target_density == challenge.density_of(density)
            ]
            if group:
                rows.append(_row(str(density), group))
    kept = ", ".join(f"{one.ticket_kept}" for one in kind)
    notes = [
        f"1x, the planted density, is {_mean_of(one.planted_density for one in kind)} "
        f"({kept} of {first.total} parameters). "
        f"Test {first.metric}: ticket {_mean_of(one.ticket.strong for one in kind)}, "
        f"dense trained {_mean_of(one.dense.weak for one in kind)}, "
        f"constant {_mean_of(one.trivial for one in kind)}.",
        "strong, weak: recovered accuracy untrained, trained, each also in digits.",
        "effective: density on paths. overlap: share of the ticket that was found.",
    ]
    if not first.overlap_scored:
        notes.append("Overlap is shown but not scored: many tickets are as sparse and as good.")
    title = first.id if len(kind) == 1 else f"{first.id}, {len(kind)} instances"
    return Table(title=title, rows=rows, notes=notes)


def ascending(
    densities: Sequence[float | str], kind: Sequence[ChallengeFacts]
) -> list[float | str]:
    """Returns the densities that challenges of a kind are run at, the lowest first, each once."""
    found: dict[tuple[float | None, ...], float | str] = {}
    for density in densities:
        values = tuple(one.density_of(density) for one in kind)
        if any(value is not None for value in values):
            found.setdefault(values, density)
    return [
        found[values]
        for values in sorted(
            found, key=lambda values: fmean(value for value in values if value is not None)
        )
    ]


def _mean_of(values: Iterable[float]) -> str:
    return f"{fmean(values):.4g}"


def _row(density: str, records: Sequence[Record]) -> dict[str, str]:
    done = [record for record in records if record.status == "ok"]

    def mean(value: Callable[[Record], float], digits: int = 3) -> str:
        return f"{fmean(map(value, records)):.{digits}f}"

    return {
        "pruner": records[0].pruner,
        "density": density,
        "sparsity": f"{fmean(record.sparsity for record in done):.4f}" if done else "",
        "effective": f"{fmean(record.effective_density for record in done):.4f}" if done else "",
        "strong": mean(lambda record: record.strong.recovered_accuracy),
        "digits": mean(lambda record: record.strong.recovered_digits),
        "weak": mean(lambda record: record.weak.recovered_accuracy),
        "digits ": mean(lambda record: record.weak.recovered_digits),
        "overlap": mean(lambda record: record.overlap[SCORED_OVERLAP]),
        "F1": mean(lambda record: record.overlap["f1"]),
        "status": _status(records),
        "seconds": mean(lambda record: record.seconds, 2),
    }


def _status(records: Sequence[Record]) -> str:
    """Returns the status of a row, or how often each came, and whether there is a note."""
    counts = Counter(record.status for record in records)
    text = ", ".join(f"{count} {name}" for name, count in counts.items())
    note = " (see Notes)" if any(record.note for record in records) else ""
    return (records[0].status if len(counts) == 1 else text) + note
