"""Making the runs of a grid, those of several challenges side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial

from plantkit.evaluation.grid import Cell
from plantkit.evaluation.pruning import Pruning, distinct_runs
from plantkit.evaluation.requests import Progress
from plantkit.evaluation.slots import Slots, Urgency
from plantkit.isolation.backends import Backend
from plantkit.isolation.jobs import Outcome
from plantkit.scoring.attempts import Attempt

#: Most seconds until an interrupt at the keyboard is seen; Windows interrupts no longer wait.
_WAIT_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Cells of one challenge."""

    pruning: Pruning
    cells: Sequence[Cell]


def make_attempts(
    parts: Sequence[Part],
    slots: Slots[Backend],
    *,
    label: str,
    progress: Progress = lambda *_: None,
) -> list[list[Attempt]]:
    """Returns the attempts of every part's cells, in their order.

    A pruner whose masks do not depend on the seed is run once for all seeds. `label` names the
    parts in the progress.
    """
    runs = [(part.pruning, cell) for part in parts for cell in distinct_runs(part.cells)]
    names = [cell.entry.label for _, cell in runs]

    def tell(done: int) -> None:
        under_way = f", {names[done]}" if done < len(runs) else ""
        progress(f"{label}: pruning{under_way}", done, len(runs))

    tell(0)
    found = iter(make_runs(Pruning.outcome, runs, slots, tell))
    return [
        part.pruning.attempts_of(part.cells, [next(found) for _ in distinct_runs(part.cells)])
        for part in parts
    ]


def make_runs(
    make: Callable[[Pruning, Cell, Backend], Outcome],
    runs: Sequence[tuple[Pruning, Cell]],
    slots: Slots[Backend],
    tell: Callable[[int], None],
) -> list[Outcome]:
    """Returns what `make` makes of the runs: `Pruning.outcome`, or `Pruning.again`.

    First it makes those of pruners that are objects of this process, one after the other and in
    this thread, then the others in slots. `tell` is called with how many have ended.
    """
    outcomes: dict[int, Outcome] = {}
    for position, outcome in _ended(make, runs, slots):
        outcomes[position] = outcome
        tell(len(outcomes))
    return [outcomes[position] for position in range(len(runs))]


def _ended(
    make: Callable[[Pruning, Cell, Backend], Outcome],
    runs: Sequence[tuple[Pruning, Cell]],
    slots: Slots[Backend],
) -> Iterator[tuple[int, Outcome]]:
    """Yields the runs' positions, and what comes of them."""
    apart: dict[int, Future[Outcome]] = {}
    for position, (pruning, cell) in enumerate(runs):
        if cell.entry.source.pruner is not None:
            yield position, pruning.here(cell)
    for position, (pruning, cell) in enumerate(runs):
        if cell.entry.source.pruner is None:
            apart[position] = slots.submit(partial(make, pruning, cell), Urgency.PRUNING)
    for position, future in apart.items():
        while not future.done():
            wait([future], _WAIT_SECONDS)
        yield position, future.result()
