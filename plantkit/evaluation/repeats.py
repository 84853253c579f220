"""One run of every submission made again: the same seed must give the same mask.

The price is small: one run per submission and evaluation, and none where a run is long and there
are few. `plantkit check` looks closer, in two interpreters. Without isolation nothing is repeated:
a debugger would stop once more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from plantkit.evaluation.grid import Cell
from plantkit.evaluation.pruning import Pruning
from plantkit.evaluation.requests import Progress
from plantkit.isolation.jobs import Outcome
from plantkit.isolation.levels import Level
from plantkit.scoring.attempts import Attempt

#: A run of at most so many seconds is always made again.
_CHEAP_SECONDS = 5.0
#: A longer one may take this share of the time that the pruner's other runs took.
_SHARE = 0.2


def repeat(
    pruning: Pruning,
    cells: Sequence[Cell],
    attempts: Sequence[Attempt],
    *,
    done: Collection[str],
    label: str,
    progress: Progress = lambda *_: None,
) -> tuple[list[Attempt], set[str]]:
    """Returns the attempts of `cells`, with a note where another run gave another mask.

    Also returns the labels of the submissions of which a run was made again.

    Args:
        done: labels of pruners that are left out.
    """
    chosen: dict[str, int] = {}
    is_debugged = pruning.resources.settings.isolation == Level.NONE
    for position, cell in enumerate(cells):
        name = cell.entry.label
        if is_debugged or cell.entry.source.path is None or name in done or name in chosen:
            continue
        if _tells(attempts[position]) and _is_cheap(attempts[position], attempts):
            chosen[name] = position
    again = pruning.again(
        [cells[position] for position in chosen.values()], label=label, progress=progress
    )
    noted = list(attempts)
    for position, outcome in zip(chosen.values(), again, strict=True):
        noted[position] = _compared(attempts[position], outcome)
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
