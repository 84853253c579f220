"""The few lines under the standings in a terminal: what a reader must know of this evaluation.

What is the same of every evaluation is in `plantkit.reports.details` and in the documentation.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from plantkit.reports.grids import WIDTH, printable, shortened
from plantkit.reports.tables import OVERLAP_UNSCORED, shares_ranks_by_chance

if TYPE_CHECKING:
    from plantkit.scoring.evaluation import Evaluation
    from plantkit.scoring.ranking import Coverage

#: Most lines in all.
MOST_LINES = 10
MORE = "--details explains the columns and has tables per challenge and all messages."

_MEANING = "strong, weak: digits recovered untrained and trained"
#: Where an interval tells less than it seems to.
_WEAK_COVERAGE = {
    "some instances": "Intervals are over seeds only for kinds with one instance.",
    "seeds": "Intervals are over seeds only: on other instances the ranks may differ.",
    "nothing": "Ranks are by score alone: one seed and one instance show no spread.",
}


def remark_lines(
    evaluation: Evaluation, notes: Sequence[str] = (), *, more: str = MORE
) -> list[str]:
    """Returns at most `MOST_LINES` lines of at most 80 characters.

    Args:
        notes: what else is to be said, before failures.
        more: the last line, which says where there is more.
    """
    lines = [*_of_all(evaluation), *notes, *_of_pruners(evaluation)]
    room = MOST_LINES - bool(more)
    if len(lines) > room:
        left = len(lines) - room + 1
        lines = [*lines[: room - 1], f"... and {left} lines more."]
    spare = room - len(lines)
    shown = []
    for line in lines:  # whole where there is room, as a message may say at its end what to do
        whole = textwrap.wrap(printable(" ".join(line.split())), WIDTH, subsequent_indent="  ")
        is_whole = len(whole) - 1 <= spare
        spare -= len(whole) - 1 if is_whole else 0
        shown += whole if is_whole else [shortened(line)]
    return [*shown, more] if more else shown


def _of_all(evaluation: Evaluation) -> list[str]:
    from plantkit.scoring.ranking import coverage

    protocol, challenges = evaluation.protocol, evaluation.challenges
    seeds = f"{protocol.seeds} seed{'s' if protocol.seeds != 1 else ''}"
    covered = coverage(challenges, protocol)
    densities = ", ".join(map(str, protocol.densities))
    scores_overlap = any(one.overlap_scored for one in challenges)
    lines = [
        f"{_MEANING}; overlap: ticket found." if scores_overlap else f"{_MEANING}.",
        *([] if scores_overlap else [OVERLAP_UNSCORED]),
        f"At densities {densities} (1x is the planted one), {seeds}; {_interval_words(covered)}",
    ]
    if covered.value in _WEAK_COVERAGE:
        lines.append(_WEAK_COVERAGE[covered.value])
    if shares_ranks_by_chance(evaluation):
        lines.append("Pruners share a rank where their difference may be chance (95%).")
    unscored = [
        one.id
        for one in challenges
        if all(
            (density := one.density_of(asked)) is None or density < one.planted_density
            for asked in protocol.densities
        )
    ]
    if unscored:
        lines.append(f"Nothing is scored where all densities are below 1x: {', '.join(unscored)}.")
    if evaluation.settings.isolation != "full":
        lines.append(f"Isolation: {evaluation.settings.isolation}; see plantkit doctor.")
    if leaking := sum(not challenge.hidden for challenge in challenges):
        lines.append(
            f"Not for contests: in {leaking} of {len(challenges)} challenges the ticket can be "
            "read off the weights, or no audit says that it cannot."
        )
    return lines


def _interval_words(covered: Coverage) -> str:
    return "no intervals." if covered.value == "nothing" else "intervals are 95%."


def _of_pruners(evaluation: Evaluation) -> list[str]:
    """Returns a line per pruner with failures, then one per pruner with notes on valid masks."""
    runs = Counter(record.pruner for record in evaluation.records)
    lines = []
    for is_failure in (True, False):
        found: dict[str, list[str]] = {}
        for record in evaluation.records:
            if is_failure and record.status != "ok":
                found.setdefault(record.pruner, []).append(f"{record.status}: {record.error}")
            elif not is_failure and record.note:
                found.setdefault(record.pruner, []).append(record.note)
        for entry in evaluation.entries:
            if messages := found.get(entry.label):
                word = "runs failed" if is_failure else "runs have a note"
                count = f"{len(messages)} of {runs[entry.label]} {word}"
                lines.append(f"{shortened(entry.label, 30)}: {count}: {messages[0]}")
    return lines
