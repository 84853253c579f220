"""One run of every submission made again: the same seed must give the same mask.

The price is small: one run per submission and evaluation, and none where a run is long and there
are few. `plantkit check` looks closer, in two interpreters. Without isolation nothing is repeated:
a debugger would stop once more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from plantkit.evaluation.attempts import Part, make_runs
from plantkit.evaluation.pruning import Pruning, run_of
from plantkit.evaluation.requests import Progress
from plantkit.evaluation.slots import Slots
from plantkit.isolation.backends import Backend
from plantkit.isolation.jobs import Outcome
from plantkit.isolation.levels import Level
from plantkit.scoring.attempts import Attempt

#: A run of at most so many seconds is always made again.
_CHEAP_SECONDS = 5.0
#: A longer one may take this share of the time that the pruner's other runs took.
_SHARE = 0.2


def repeat(
    parts: Sequence[Part],
    attempts: Sequence[Sequence[Attempt]],
    slots: Slots[Backend],
    *,
    done: Collection[str],
    label: str,
    progress: Progress = lambda *_: None,
) -> tuple[list[list[Attempt]], set[str]]:
    """Returns the attempts of every part, with a note where another run gave another mask.

    Also returns the labels of the submissions of which a run was made again.

    Args:
        done: labels of pruners that are left out.
    """
    chosen: dict[str, tuple[int, int]] = {}
    for number, (part, found) in enumerate(zip(parts, attempts, strict=True)):
        is_debugged = part.pruning.resources.settings.isolation == Level.NONE
        for position, (cell, attempt) in enumerate(zip(part.cells, found, strict=True)):
            name = cell.entry.label
            if is_debugged or cell.entry.source.path is None or name in done or name in chosen:
                continue
            if _tells(attempt) and _is_cheap(attempt, found):
                chosen[name] = number, position
    places = list(chosen.values())
    runs = [
        (parts[number].pruning, run_of(parts[number].cells[position]))
        for number, position in places
    ]

    def tell(count: int) -> None:
        progress(f"{label}: pruning again", count, len(runs))

    noted = [list(found) for found in attempts]
    again = make_runs(Pruning.again, runs, slots, tell)
    for (number, position), outcome in zip(places, again, strict=True):
        noted[number][position] = _compared(noted[number][position], outcome)
    return noted, set(chosen)


def _tells(attempt: Attempt) -> bool:
    """Returns whether a pruner had a choice."""
    return attempt.mask is not None and 0 < attempt.mask.kept < attempt.mask.total


def _is_cheap(attempt: Attempt, attempts: Sequence[Attempt]) -> bool:
    total = sum(one.seconds for one in attempts if one.pruner == attempt.pruner)
    return attempt.seconds <= max(_CHEAP_SECONDS, _SHARE * total)


def _compared(attempt: Attempt, again: Outcome) -> Attempt:
    assert attempt.mask is not None
    note = ""
    if again.mask is None:
        note = f"a second run with the same seed ended as {again.status.value}: {again.error}"
    elif again.mask.digest() != attempt.mask.digest():
        note = (
            "a second run with the same seed gave another mask; draw from problem.generator only, "
            "and sort what has no order"
        )
    return replace(attempt, note=note)
