"""Does work in this process, or in several processes of this machine.

An executor takes a function and items, all of which can be sent to another process. It gives
the results back in the order of the items, so it never changes a result. It uses processes
because threads share the interpreter: two threads were 1.4 to 1.75 times as fast as one, two
processes 1.9 times or more. `plantkit.evaluation.cluster` has an executor for a Dask cluster.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_sharer
from multiprocessing.connection import wait
from typing import Any, Protocol, TypeVar

from plantkit.errors import ExecutorError

#: Most seconds that the end of a pool is waited for.
_CLOSING_SECONDS = 5.0
_DIED = "a process died, perhaps out of memory; use fewer --jobs"

Item = TypeVar("Item")
Result = TypeVar("Result")


class Executor(Protocol):
    """Does independent pieces of work.

    jobs: how many pieces it does at once.
    """

    @property
    def jobs(self) -> int: ...

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        on_result: Callable[[Result], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> list[Result]:
        """Returns the results of `function` for `items`, in the order of `items`.

        It calls `on_result` with each result as it comes, and `meanwhile` once, when the work
        has begun; both in the caller's thread.
        """
        ...


class LocalExecutor:
    """Does the work in `jobs` processes, or in this one if `jobs` is 1; a context manager.

    On Linux the processes are forked, so they need not import anything; `start` forks them
    before the caller has threads. They end with the block, or when this process dies.
    """

    def __init__(self, jobs: int = 1) -> None:
        self.jobs = jobs
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the processes, unless they run already or none are needed."""
        if self.jobs == 1 or self._pool is not None:
            return
        context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        stopped, self._stop = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            self.jobs, mp_context=context, initializer=_prepare_process, initargs=(stopped,)
        )
        with warnings.catch_warnings():
            # Libraries' idle threads do no harm: what is forked here runs on one thread.
            warnings.filterwarnings("ignore", ".*multi-threaded.*", DeprecationWarning)
            self._pool.submit(os.getpid)  # forks all of them

    def stop(self) -> None:
        """Ends the processes at once; work under way is dropped."""
        pool, self._pool = self._pool, None
        if pool is not None:
            # What hands tensors to the processes would print a traceback of each that goes away.
            resource_sharer.stop(_CLOSING_SECONDS)
            self._stop.send(None)
            # Before Python 3.11.5, a pool whose processes die while it writes to them never ends.
            closing = threading.Thread(
                target=pool.shutdown, kwargs={"cancel_futures": True}, daemon=True
            )
            closing.start()
            closing.join(_CLOSING_SECONDS)

    def do(self, function: Callable[[Item], Result], item: Item) -> Result:
        """Returns the result for one item; several threads may ask at once.

        Raises:
            ExecutorError: a process died.
        """
        if self.jobs == 1:
            return function(item)
        self.start()
        assert self._pool is not None
        try:
            return self._pool.submit(function, item).result()
        except BrokenProcessPool as error:
            raise ExecutorError(_DIED) from error

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        on_result: Callable[[Result], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> list[Result]:
        """See `Executor.map`.

        Raises:
            ExecutorError: a process died.
        """
        report = on_result or (lambda _: None)
        fill_in = meanwhile or (lambda: None)
        if self.jobs == 1 or len(items) <= 1:
            fill_in()
            results = []
            for item in items:
                results.append(function(item))
                report(results[-1])
            return results
        self.start()
        assert self._pool is not None
        try:
            futures = [self._pool.submit(function, item) for item in items]
            fill_in()
            for future in as_completed(futures):
                report(future.result())
            return [future.result() for future in futures]
        except BrokenProcessPool as error:
            self.stop()
            raise ExecutorError(_DIED) from error
        except BaseException:
            self.stop()
            raise


def _prepare_process(stopped: Any) -> None:
    """Leaves interrupts to the parent; ends the process when told to or when the parent dies.

    The process works on one thread: the parent's may be held by its OpenMP library, which does
    not survive a fork, and a large tensor operation would wait for them for ever.

    stopped: the end of a pipe.
    """
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not the parent's handler, which cleans up
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_after, args=([parent.sentinel, stopped],), daemon=True).start()


def _end_after(events: list[Any]) -> None:
    wait(events)
    os._exit(1)
