"""Places for work: so many pieces run at a time, the most urgent first."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, as_completed
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from queue import Empty, PriorityQueue
from typing import Any, Generic, Protocol, Self, TypeVar

from plantkit.isolation.backends.local import LocalBackend
from plantkit.isolation.levels import Isolation
from plantkit.isolation.servers import PrunerServer
from plantkit.networks.training.executors import LocalExecutor

Item = TypeVar("Item")
Result = TypeVar("Result")


class Urgency(IntEnum):
    """What goes first: what finishes a piece of work that others wait for."""

    FINISHING = 0
    TRAINING = 1
    PRUNING = 2
    LOADING = 3
    _END = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place for one piece of work, with what runs pruners there.

    servers: two interpreters, which hash strings in different orders. backend: runs pruners in
    the first one, other: in the second one; both as `isolation` says.
    """

    number: int
    isolation: Isolation
    servers: tuple[PrunerServer, PrunerServer]
    backend: LocalBackend
    other: LocalBackend

    def stop(self) -> None:
        """Ends what runs here."""
        self.backend.stop()
        self.other.stop()


class Place(Protocol):
    """Where one piece of work is done at a time: a `Slot`, or a backend alone."""

    def stop(self) -> None: ...


PlaceType = TypeVar("PlaceType", bound=Place)


class Slots(Generic[PlaceType]):
    """Does work in slots, each of which has a thread; a context manager.

    When the block is left by an exception, such as an interrupt, work under way is ended.
    """

    def __init__(self, slots: Sequence[PlaceType]) -> None:
        self._slots = slots
        self._queue: PriorityQueue[tuple[int, int, Future[Any], Callable[[PlaceType], Any]]] = (
            PriorityQueue()
        )
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._unfinished = 0
        self._threads = [
            threading.Thread(target=self._serve, args=(slot,), daemon=True) for slot in slots
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            with suppress(Empty):
                while True:
                    self._queue.get_nowait()[2].cancel()
            for slot in self._slots:
                slot.stop()
        for _thread in self._threads:
            self._put(Urgency._END, Future(), lambda _: None)
        if kind is None:
            for thread in self._threads:
                thread.join()

    @property
    def has_room(self) -> bool:
        """Whether a slot has nothing to do."""
        with self._lock:
            return self._unfinished < len(self._slots)

    def submit(self, work: Callable[[PlaceType], Result], urgency: Urgency) -> Future[Result]:
        """Has `work` done in one of the slots, and returns its future."""
        future: Future[Result] = Future()
        with self._lock:
            self._unfinished += 1
        self._put(urgency, future, work)
        return future

    def _put(self, urgency: Urgency, future: Future[Any], work: Callable[[PlaceType], Any]) -> None:
        self._queue.put((urgency, next(self._numbers), future, work))

    def _serve(self, slot: PlaceType) -> None:
        while True:
            urgency, _, future, work = self._queue.get()
            if urgency == Urgency._END:
                return
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work(slot))
                except BaseException as error:
                    future.set_exception(error)
            with self._lock:
                self._unfinished -= 1


class SlotExecutor:
    """An `Executor` whose pieces of work each take a slot, while `local` does them."""

    def __init__(self, slots: Slots[Slot], local: LocalExecutor) -> None:
        self._slots = slots
        self._local = local
        self.jobs = local.jobs

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        on_result: Callable[[Result], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> list[Result]:
        """See `plantkit.networks.training.executors.Executor.map`.

        Raises:
            ExecutorError: a process died.
        """

        def work(item: Item) -> Callable[[Slot], Result]:
            return lambda _: self._local.do(function, item)

        futures = [self._slots.submit(work(item), Urgency.TRAINING) for item in items]
        if meanwhile is not None:
            meanwhile()
        for future in as_completed(futures):
            if on_result is not None:
                on_result(future.result())
        return [future.result() for future in futures]
