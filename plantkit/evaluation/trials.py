"""All runs of one pruner, on several challenges, in slots; one that hangs is not run on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plantkit.challenges.bundles import Challenge
from plantkit.evaluation.grid import cells_of
from plantkit.evaluation.pruning import Pruning, distinct_runs
from plantkit.evaluation.slots import Slot, Slots, Urgency
from plantkit.isolation.jobs import Outcome
from plantkit.isolation.wire import Status
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.entries import Entry
from plantkit.scoring.protocol import Protocol

#: On so many challenges a pruner may reach the time limit, until nothing more of it is run.
MOST_HANGS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What pruners are run on: one challenge.

    protocol: at which densities, and with how many seeds. baselines: names of installed pruners
    that are run on it, too.
    """

    challenge: Challenge
    protocol: Protocol
    baselines: Sequence[str] = ()


class Runs:
    """The runs of one pruner: first one on each challenge, when that has ended the others.

    After a run that reaches the time limit, the later ones on its challenge are not started, and
    none at all after runs on `MOST_HANGS` challenges have. What was started before that was
    known does not count, so that the outcome depends neither on the number of slots nor on what
    else is run.

    Args:
        prunings: where it is run, one for each of `tasks`.
        on_end: called in a slot's thread when all runs have ended.
        on_run: called there with every run.

    Attributes:
        error: why runs could not be made, which is not the pruner's fault, else None.
    """

    def __init__(
        self,
        entry: Entry,
        tasks: Sequence[Task],
        prunings: Sequence[Pruning],
        *,
        slots: Slots[Slot],
        on_end: Callable[[], None],
        on_run: Callable[[], None] = lambda: None,
    ) -> None:
        self.error: Exception | None = None
        self._prunings = prunings
        self._cells = [cells_of([entry], task.challenge, task.protocol) for task in tasks]
        self._runs = [distinct_runs(cells) for cells in self._cells]
        self._outcomes: list[list[Outcome | None]] = [[None] * len(runs) for runs in self._runs]
        self._slots = slots
        self._on_end = on_end
        self._on_run = on_run
        self._lock = threading.Lock()
        self._open = sum(map(len, self._runs))

    @property
    def counts(self) -> list[int]:
        """How many attempts there are on each challenge."""
        return list(map(len, self._cells))

    @property
    def count(self) -> int:
        """How many runs there are."""
        return sum(map(len, self._runs))

    def start(self) -> None:
        """Has the runs made; returns at once."""
        for part in range(len(self._runs)):
            self._submit(part, 0)

    def attempts(self) -> list[list[Attempt]]:
        """Returns the attempts on each challenge; to be called when all runs have ended."""
        hangs, found = 0, []
        for pruning, cells, outcomes in zip(
            self._prunings, self._cells, self._outcomes, strict=True
        ):
            limit = f"the time limit of {pruning.resources.limits.time_seconds:g} s"
            reason = f"not started, since runs on {hangs} challenges reached {limit}"
            is_over = hangs >= self._most_hangs
            counted: list[Outcome] = []
            for outcome in outcomes:
                counted.append(_skipped(reason) if is_over or outcome is None else outcome)
                if not is_over and counted[-1].status is Status.TIMEOUT:
                    hangs, is_over = hangs + 1, True
                    reason = f"not started, since an earlier run reached {limit}"
            found.append(pruning.attempts_of(cells, counted))
        return found

    @property
    def hangs(self) -> bool:
        """Whether nothing more of the pruner is to be run."""
        return self._hangs_before(len(self._runs)) >= self._most_hangs

    @property
    def _most_hangs(self) -> int:
        return min(MOST_HANGS, len(self._runs))

    def _hangs_before(self, part: int) -> int:
        """Returns on how many challenges before `part` a run is known to have hung."""
        return sum(any(map(_hung, outcomes)) for outcomes in self._outcomes[:part])

    def _submit(self, part: int, position: int) -> None:
        urgency = Urgency.PRUNING
        self._slots.submit(lambda slot: self._run(part, position, slot), urgency)

    def _run(self, part: int, position: int, slot: Slot) -> None:
        try:
            if not self._is_over(part, position):
                cell = self._runs[part][position]
                self._outcomes[part][position] = self._prunings[part].outcome(cell, slot.backend)
        except Exception as error:
            self.error = error
        self._on_run()
        if position == 0:
            for later in range(1, len(self._runs[part])):
                self._submit(part, later)
        with self._lock:
            self._open -= 1
            is_last = not self._open
        if is_last:
            self._on_end()

    def _is_over(self, part: int, position: int) -> bool:
        return (
            self.error is not None
            or any(map(_hung, self._outcomes[part][:position]))
            or self._hangs_before(part) >= self._most_hangs
        )


def _hung(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.status is Status.TIMEOUT


def _skipped(reason: str) -> Outcome:
    return Outcome(status=Status.SKIPPED, mask=None, error=reason, seconds=0.0, peak_rss_mib=None)
