"""Runs and scores one pruner after another on the same challenges."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from plantkit.errors import PluginError
from plantkit.evaluation.grid import Cell
from plantkit.evaluation.measuring import score_all
from plantkit.evaluation.participants import Installed, load_submissions
from plantkit.evaluation.pruning import Pruning
from plantkit.evaluation.requests import Progress
from plantkit.evaluation.resources import Resources
from plantkit.evaluation.slots import Slot, Slots, Urgency
from plantkit.evaluation.trials import Runs, Task
from plantkit.isolation.jobs import Outcome
from plantkit.networks.masks import Mask
from plantkit.pruners.sources import PrunerSource, is_path, parse_pruner, split_options
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.entries import Entry
from plantkit.scoring.metrics import Metric
from plantkit.scoring.records import Record

#: Most pruners whose masks are trained together.
_MOST_SCORED = 16
#: Most pruners that are at work at a time, those included whose masks wait to be trained.
_MOST_AT_WORK = 40
#: Most seconds until an interrupt at the keyboard is seen.
_WAIT_SECONDS = 0.5
#: The same where work can begin as soon as a slot has room.
_SHORT_SECONDS = 0.02

Result = TypeVar("Result")
PlanType = TypeVar("PlanType", bound="Plan")


class Plan(Protocol):
    """What pruners are run on.

    hidden: what stays closed to them even where it lies in a library's directory.
    """

    @property
    def tasks(self) -> Sequence[Task]: ...

    @property
    def hidden(self) -> Sequence[Path]: ...


@dataclass(slots=True, kw_only=True)
class Trial:
    """What came of one pruner on all tasks.

    pruner: as given. sha256: of the files that were read, None if they cannot be. entry: None if it
    cannot be loaded; error says why. records: in the order of the tasks, densities and seeds.
    masks: those of the records, None where a run failed. hangs: whether nothing more of it should
    be run. seconds: how long it has been at work.
    """

    pruner: str
    sha256: str | None = None
    entry: Entry | None = None
    error: PluginError | None = None
    records: list[Record] = field(default_factory=list)
    masks: list[Mask | None] = field(default_factory=list)
    hangs: bool = False
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started


def check_submitted(pruner: str) -> None:
    """Checks that a path, as given on the command line, exists.

    Raises:
        PluginError: it does not.
    """
    base, _ = split_options(pruner)
    if is_path(base) and not Path(base).exists():
        raise PluginError(Path(base).name, "was not submitted; submit a file of this name")


def only_entry(pruner: str, entries: Sequence[Entry]) -> Entry:
    """Returns the one entry of a submission.

    Raises:
        PluginError: its file defines several pruners, or one that asks for rewinding.
    """
    if len(entries) > 1:
        labels = ", ".join(entry.label for entry in entries)
        raise PluginError(
            pruner, f"defines {len(entries)} pruners, {labels}; a graded file defines one"
        )
    (entry,) = entries
    if entry.rewind:
        raise PluginError(
            pruner,
            f"asks to be trained from step {entry.rewind}; grades are for training from the "
            "initial weights: leave out 'rewind'",
        )
    return entry


@dataclass(slots=True, kw_only=True)
class _Work:
    """A pruner at work. failure: what went wrong that is not the pruner's fault."""

    trial: Trial
    tasks: Sequence[Task]
    position: int = 0
    runs: Runs | None = None
    result: Any = None
    failure: Exception | None = None
    is_done: bool = False


#: Work that has come to where the main thread goes on with it; None for every run that ended.
_Events = SimpleQueue["_Work | None"]


class Workplace(Generic[PlanType]):
    """Runs pruners on the tasks of a plan, in slots, and scores them.

    Attributes:
        resources: what it works with.
        baselines: what came of the tasks' baselines, by name.
    """

    def __init__(
        self,
        plan: PlanType,
        slots: Slots[Slot],
        resources: Resources,
        installed: Installed,
        metrics: Sequence[Metric],
        progress: Progress,
    ) -> None:
        self.plan = plan
        self.resources = resources
        self.baselines: dict[str, Trial] = {}
        self._slots = slots
        self._installed = installed
        self._metrics = metrics
        self._progress = progress
        self._runs_begun = self._runs_ended = 0
        self._prunings = {
            task.challenge.digest: Pruning.of(task.challenge, resources) for task in plan.tasks
        }

    def run_again(self, record: Record, entry: Entry, slot: Slot) -> Outcome:
        """Returns what comes of the run of a record when it is made again, in the slot's other
        interpreter."""
        cell = Cell(
            entry=entry,
            density=record.target_density,
            is_planted_density=record.is_planted_density,
            seed=record.seed,
        )
        return slot.other.run(self._prunings[record.bundle_sha256].job(cell))

    def run_baselines(self) -> None:
        """Runs every baseline on the tasks that name it."""
        events: _Events = SimpleQueue()
        works = []
        for name in sorted({name for task in self.plan.tasks for name in task.baselines}):
            trial = Trial(pruner=name, entry=self._installed.entry(PrunerSource(name=name)))
            tasks = [task for task in self.plan.tasks if name in task.baselines]
            works.append(_Work(trial=trial, tasks=tasks))
            self.baselines[name] = trial
            self._begin(works[-1], events)
        ended = 0
        while ended < len(works):
            come = self._next(events, _WAIT_SECONDS)
            if come is not None and come.failure is not None:
                raise come.failure
            ended += come is not None
        if works:
            self._score(works)

    def run(
        self, pruners: Sequence[str], finish: Callable[[Trial, Slot], Result]
    ) -> Iterator[tuple[int, Result | Exception]]:
        """Yields what `finish` makes of each pruner's trial, as soon as that is done.

        It comes with the pruner's position, or instead of it an error that is not the pruner's
        fault. `finish` is called in a slot's thread.

        Raises:
            ExecutorError: a process that trains has died.
        """
        events: _Events = SimpleQueue()
        waiting = deque(enumerate(pruners))
        at_work = 0
        ran: list[_Work] = []
        while waiting or at_work:
            while waiting and at_work < _MOST_AT_WORK:
                position, pruner = waiting.popleft()
                work = _Work(trial=Trial(pruner=pruner), tasks=self.plan.tasks, position=position)
                self._slots.submit(partial(self._load, work, events), Urgency.LOADING)
                at_work += 1
            come = self._next(events, _SHORT_SECONDS if ran else _WAIT_SECONDS)
            if come is not None and (come.is_done or come.failure is not None):
                at_work -= 1
                yield come.position, come.failure or come.result
            elif come is not None and come.trial.error is not None:
                self._end(come, finish, events)
            elif come is not None:
                ran.append(come)
            if ran and (len(ran) >= _MOST_SCORED or self._slots.has_room):
                self._score(ran)
                for one in ran:
                    self._end(one, finish, events)
                ran = []

    def _next(self, events: _Events, seconds: float) -> _Work | None:
        """Returns work with which to go on, or None after at most so many seconds."""
        try:
            come = events.get(timeout=seconds)
        except Empty:
            return None
        if come is None:
            self._runs_ended += 1
            self._progress("pruning", self._runs_ended, max(self._runs_begun, self._runs_ended))
        elif come.runs is not None and come.runs.error is not None:
            come.failure = come.runs.error
        return come

    def _load(self, work: _Work, events: _Events, slot: Slot) -> None:
        """Finds out what a pruner is, and begins its runs."""
        trial = work.trial
        trial.started = time.monotonic()
        try:
            trial.entry = self._entry(trial, slot)
            self._begin(work, events)
        except PluginError as error:
            trial.error = error
            events.put(work)
        except Exception as error:
            work.failure = error
            events.put(work)

    def _entry(self, trial: Trial, slot: Slot) -> Entry:
        """Returns the entry of a trial's pruner; the trial learns which files that is.

        Raises:
            PluginError: it cannot be loaded, its file defines several, or it asks for rewinding.
        """
        check_submitted(trial.pruner)
        source = parse_pruner(trial.pruner).read()
        if source.submission is None:
            return self._installed.entry(source)
        trial.sha256 = source.submission.digest
        entries, broken = load_submissions([source], slot.backend, self.resources.limits)
        if broken:
            raise broken[0]
        return only_entry(trial.pruner, entries)

    def _begin(self, work: _Work, events: _Events) -> None:
        assert work.trial.entry is not None
        work.runs = Runs(
            work.trial.entry,
            work.tasks,
            [self._prunings[task.challenge.digest] for task in work.tasks],
            slots=self._slots,
            on_run=lambda: events.put(None),
            on_end=lambda: events.put(work),
        )
        self._runs_begun += work.runs.count
        work.runs.start()

    def _end(self, work: _Work, finish: Callable[[Trial, Slot], Any], events: _Events) -> None:
        """Has `finish` called in a slot."""

        def do(slot: Slot) -> None:
            try:
                work.result = finish(work.trial, slot)
            except Exception as error:
                work.failure = error
            work.is_done = True
            events.put(work)

        self._slots.submit(do, Urgency.FINISHING)

    def _score(self, works: Sequence[_Work]) -> None:
        """Trains and scores the masks of several pruners together."""
        attempts: dict[str, list[Attempt]] = {task.challenge.digest: [] for task in self.plan.tasks}
        for work in works:
            assert work.runs is not None
            work.trial.hangs = work.runs.hangs
            for task, found in zip(work.tasks, work.runs.attempts(), strict=True):
                attempts[task.challenge.digest] += found
                work.trial.masks += [attempt.mask for attempt in found]
        scored = score_all(
            [(task.challenge, attempts[task.challenge.digest]) for task in self.plan.tasks],
            device=self.resources.settings.device,
            executor=self.resources.executor,
            cache=self.resources.cache,
            metrics=self._metrics,
            progress=partial(self._progress, "training"),
        )
        left = {
            task.challenge.digest: iter(records)
            for task, records in zip(self.plan.tasks, scored, strict=True)
        }
        for work in works:
            assert work.runs is not None
            for task, count in zip(work.tasks, work.runs.counts, strict=True):
                work.trial.records += itertools.islice(left[task.challenge.digest], count)
