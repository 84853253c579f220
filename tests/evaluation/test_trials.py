"""Which runs of a pruner are made, where it hangs; and slots, which work shares."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plantkit.challenges.bundles import Challenge
from plantkit.errors import ExecutorError
from plantkit.evaluation.pruning import Pruning
from plantkit.evaluation.resources import Resources
from plantkit.evaluation.slots import Slot, SlotExecutor, Slots, Urgency
from plantkit.evaluation.trials import Runs, Task
from plantkit.isolation.jobs import Outcome, PruneJob
from plantkit.isolation.levels import Isolation, Level
from plantkit.isolation.servers import PrunerServer
from plantkit.isolation.wire import Limits, Status
from plantkit.networks.masks import Mask
from plantkit.networks.training.executors import LocalExecutor
from plantkit.pruners.sources import PrunerSource
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Settings
from plantkit.scoring.protocol import Protocol

DENSITIES = (0.25, 0.5, 0.75)


class Backend:
    """Ends runs as it is told: `ends` says how, by the outputs of the network and density."""

    def __init__(self, ends: Callable[[PruneJob], Status]) -> None:
        self.ends = ends
        self.ran: list[tuple[int, float]] = []
        self.stopped = False

    def start(self) -> None: ...

    def stop(self) -> None:
        self.stopped = True

    def run(self, job: PruneJob) -> Outcome:
        self.ran.append((job.network.outputs, job.density))
        status = self.ends(job)
        return Outcome(
            status=status,
            mask=Mask.full(job.network) if status is Status.OK else None,
            error="",
            seconds=1.0,
            peak_rss_mib=None,
        )


@contextmanager
def slots_of(*backends: Any) -> Iterator[Slots]:
    isolation = Isolation(level=Level.PROCESS)
    with Slots(
        [
            Slot(
                number=number,
                isolation=isolation,
                servers=(PrunerServer(), PrunerServer()),
                backend=backend,
                other=backend,
            )
            for number, backend in enumerate(backends)
        ]
    ) as slots:
        yield slots


@pytest.fixture
def outcome(
    circle: Challenge, relu: Challenge, tmp_path: Path
) -> Callable[..., tuple[list[list[tuple[Status, str]]], bool, list[tuple[int, float]]]]:
    """Returns how runs ended, challenge by challenge, whether all hang, and which were made.

    The challenges are relu, with one output, circle, with four, and relu again.
    """

    def run(ends: Callable[[PruneJob], Status], *, count: int = 1, which: int = 3) -> Any:
        backends = [Backend(ends) for _ in range(count)]
        resources = Resources(
            settings=Settings(),
            limits=Limits(time_seconds=7.0),
            backends=backends,
            scratch=tmp_path,
            executor=LocalExecutor(),
        )
        challenges = [relu, circle, replace(relu, digest="again")][:which]
        protocol = Protocol(densities=DENSITIES, seeds=1)
        entry = Entry(label="mine", source=PrunerSource(name="mine"))
        ended = threading.Event()
        with slots_of(*backends) as slots:
            runs = Runs(
                entry,
                [Task(challenge=challenge, protocol=protocol) for challenge in challenges],
                [Pruning.of(challenge, resources) for challenge in challenges],
                slots=slots,
                on_end=ended.set,
            )
            runs.start()
            assert ended.wait(20)
        assert runs.error is None
        found = [[(one.status, one.error) for one in some] for some in runs.attempts()]
        made = [one for backend in backends for one in backend.ran]
        return found, runs.hangs, made

    return run


NOT_STARTED = ("skipped", "not started, since an earlier run reached the time limit of 7 s")
GIVEN_UP = ("skipped", "not started, since runs on 2 challenges reached the time limit of 7 s")
OK, TIMEOUT = ("ok", ""), ("timeout", "")


def test_all_runs_of_one_that_does_not_hang(outcome: Callable[..., Any]) -> None:
    found, hangs, made = outcome(lambda _: Status.OK)
    assert found == [[OK] * 3] * 3
    assert not hangs
    assert len(made) == 9


@pytest.mark.parametrize("count", [1, 4])
def test_one_that_hangs_everywhere_costs_two_runs(outcome: Callable[..., Any], count: int) -> None:
    found, hangs, made = outcome(lambda _: Status.TIMEOUT, count=count)
    assert found == [[TIMEOUT] + [NOT_STARTED] * 2] * 2 + [[GIVEN_UP] * 3]
    assert hangs
    assert len(made) <= 3 if count > 1 else len(made) == 2


def test_one_that_hangs_on_the_only_challenge_costs_one_run(outcome: Callable[..., Any]) -> None:
    found, hangs, made = outcome(lambda _: Status.TIMEOUT, which=1)
    assert found == [[TIMEOUT] + [NOT_STARTED] * 2]
    assert hangs
    assert made == [(1, 0.25)]


@pytest.mark.parametrize("count", [1, 2, 8])
def test_one_that_hangs_on_one_challenge_keeps_the_others(
    outcome: Callable[..., Any], count: int
) -> None:
    """However many run at once, what comes after the run that hung does not count."""
    found, hangs, _ = outcome(
        lambda job: (
            Status.TIMEOUT if job.network.outputs == 4 and job.density == 0.5 else Status.OK
        ),
        count=count,
    )
    assert found == [[OK] * 3, [OK, TIMEOUT, NOT_STARTED], [OK] * 3]
    assert not hangs


def test_a_crash_is_no_hang(outcome: Callable[..., Any]) -> None:
    found, hangs, made = outcome(lambda _: Status.CRASH)
    assert found == [[("crash", "")] * 3] * 3
    assert not hangs
    assert len(made) == 9


# --- slots


def test_the_most_urgent_goes_first() -> None:
    done: list[Urgency] = []
    gate = threading.Event()
    with slots_of(Backend(lambda _: Status.OK)) as slots:
        slots.submit(lambda _: gate.wait(20), Urgency.FINISHING)
        futures = [
            slots.submit(lambda _, urgency=urgency: done.append(urgency), urgency)
            for urgency in (Urgency.LOADING, Urgency.PRUNING, Urgency.TRAINING, Urgency.FINISHING)
        ]
        assert not slots.has_room
        gate.set()
        for future in futures:
            future.result(20)
    assert done == [Urgency.FINISHING, Urgency.TRAINING, Urgency.PRUNING, Urgency.LOADING]


def test_no_more_than_the_slots_work_at_once() -> None:
    lock, at_once, most = threading.Lock(), 0, 0
    together = threading.Barrier(2)

    def work(_: Slot) -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        together.wait(20)
        with lock:
            at_once -= 1

    with slots_of(Backend(lambda _: Status.OK), Backend(lambda _: Status.OK)) as slots:
        for future in [slots.submit(work, Urgency.PRUNING) for _ in range(6)]:
            future.result(20)
    assert most == 2


def test_an_error_is_the_works_own_and_the_slot_goes_on() -> None:
    def fail(_: Slot) -> None:
        raise KeyError("no")

    with slots_of(Backend(lambda _: Status.OK)) as slots:
        failed = slots.submit(fail, Urgency.PRUNING)
        assert slots.submit(lambda slot: slot.number, Urgency.PRUNING).result(20) == 0
        with pytest.raises(KeyError, match="no"):
            failed.result(20)


def test_an_interrupt_ends_what_runs() -> None:
    backend, gate = Backend(lambda _: Status.OK), threading.Event()
    later: list[Future[None]] = []

    def interrupted() -> None:
        with slots_of(backend) as slots:
            slots.submit(lambda _: gate.wait(20), Urgency.PRUNING)
            later.append(slots.submit(lambda _: None, Urgency.PRUNING))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    gate.set()
    assert backend.stopped
    assert later[0].cancelled()


def double(number: int) -> int:
    return 2 * number


def test_an_executor_in_slots_gives_results_in_order() -> None:
    seen: list[int] = []
    meanwhile: list[str] = []
    with LocalExecutor(2) as local:
        local.start()
        backends = [Backend(lambda _: Status.OK) for _ in range(2)]
        with slots_of(*backends) as slots:
            executor = SlotExecutor(slots, local)
            assert executor.jobs == 2
            found = executor.map(
                double,
                list(range(20)),
                on_result=seen.append,
                meanwhile=lambda: meanwhile.append("once"),
            )
    assert found == [2 * number for number in range(20)]
    assert sorted(seen) == found
    assert meanwhile == ["once"]


@pytest.mark.linux
def test_a_process_that_dies_while_it_trains_is_an_error() -> None:
    import os

    with LocalExecutor(2) as local:
        local.start()
        with pytest.raises(ExecutorError, match="a process died"):
            local.do(os._exit, 3)
