"""Work on an existing Dask cluster: its workers train, and run pruners in sandboxed children.

Workers need this plantkit and the same plugins. Work depends on its arguments only, so a piece
whose worker dies is done again elsewhere, and its result counts once. A cluster is trusted as
this machine is: a submission never runs in a worker itself but, as here, in a child that
`plantkit.isolation` locks down. `distributed` is an extra.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import distributed
from distributed.client import FutureCancelledError

from plantkit.errors import ExecutorError, UsageError
from plantkit.evaluation.calibration import machine_speed, with_effort
from plantkit.isolation.backends.remote import Parcel, Worker
from plantkit.isolation.jobs import Outcome, PruneJob
from plantkit.isolation.levels import Level
from plantkit.machine import environment
from plantkit.version import __version__

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Seconds to wait for the scheduler, and for its first worker.
CONNECT_SECONDS = 30
_PLUGIN = "plantkit-servers"
#: The least number of jobs that are with the cluster at once.
_LEAST_BACKENDS = 64


class DaskExecutor:
    """Does work on the cluster whose scheduler is at `address`; a context manager.

    Raises:
        UsageError: no scheduler answers, it has no worker, or workers differ from this machine.
    """

    def __init__(self, address: str) -> None:
        self._client: Any
        try:
            self._client = distributed.Client(  # type: ignore[no-untyped-call,unused-ignore]
                address, timeout=CONNECT_SECONDS, set_as_default=False
            )
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(
                f"no Dask scheduler answers at {address!r}; expected one as "
                f"'dask scheduler' prints it, such as tcp://127.0.0.1:8786 ({error})"
            ) from error
        try:
            self._check_workers(address)
            self._client.register_plugin(WorkerPlugin(), name=_PLUGIN)
        except BaseException:
            self._client.close()
            raise

    @property
    def jobs(self) -> int:
        """Threads of all workers."""
        return max(1, sum(map(int, self._client.nthreads().values())))

    def backends(self, level: Level) -> list[DaskBackend]:
        """Returns what runs pruners on the workers.

        They are at least twice as many as the workers have threads, so that a worker has the next
        job when it has finished one, and more, so that workers which join later find work.
        """
        count = max(2 * self.jobs, _LEAST_BACKENDS)
        return [DaskBackend(self._client, level) for _ in range(count)]

    def __enter__(self) -> DaskExecutor:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._client.unregister_worker_plugin(_PLUGIN)
        self._client.close()

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
            ExecutorError: a piece of work killed several workers, or the scheduler is gone.
        """
        futures = [self._client.submit(function, item, pure=False) for item in items]
        try:
            with _cluster_errors():
                if meanwhile is not None:
                    meanwhile()
                finished: Any = distributed.as_completed(futures, loop=self._client.loop)  # type: ignore[no-untyped-call,unused-ignore]
                for future in finished:
                    result = future.result()
                    if on_result is not None:
                        on_result(result)
                return [future.result() for future in futures]
        finally:
            self._client.cancel(futures)

    def _check_workers(self, address: str) -> None:
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise UsageError(
                f"the scheduler at {address!r} has no worker; start one: dask worker {address}"
            ) from error
        mine = identity()
        for worker, theirs in self._client.run(identity).items():
            differing = [
                f"{name} {theirs.get(name)} (here {value})"
                for name, value in mine.items()
                if theirs.get(name) != value
            ]
            if differing:
                raise UsageError(
                    f"worker {worker} has {', '.join(differing)}; "
                    "install the same versions there, for results would differ"
                )


def identity() -> dict[str, str]:
    """Returns the versions that must be equal wherever work is done."""
    found = environment()
    return {"plantkit": __version__, "torch": found["torch"], "numpy": found["numpy"]}


@contextmanager
def _cluster_errors() -> Iterator[None]:
    """Says in plantkit's words that work killed several workers, or that the scheduler is gone."""
    try:
        yield
    except (distributed.KilledWorker, FutureCancelledError, OSError) as error:
        raise ExecutorError(f"the cluster did not finish its work: {error}") from error


class DaskBackend:
    """Runs pruners in sandboxed children of a cluster's workers; see `isolation.backends`."""

    def __init__(self, client: Any, level: Level) -> None:
        self._client = client
        self._level = level
        self._future: Any = None
        self._is_stopped = False

    def start(self) -> None:
        """Does nothing: the workers run."""

    def run(self, job: PruneJob) -> Outcome:
        """See `Backend.run`.

        Raises:
            ExecutorError: the job killed several workers, or the scheduler is gone.
        """
        parcel = Parcel.of(job, self._level)
        with _cluster_errors():
            self._future = self._client.submit(_run_on_worker, parcel, pure=False)
            if self._is_stopped:  # while this job was on its way
                self._future.cancel()
            outcome: Outcome = self._future.result()
        return outcome

    def stop(self) -> None:
        """Cancels the job under way."""
        self._is_stopped = True
        if self._future is not None:
            self._future.cancel()


def _run_on_worker(parcel: Parcel) -> Outcome:
    plugin: Any = distributed.get_worker().plugins[_PLUGIN]
    return with_effort(plugin.worker.run(parcel), plugin.speed)


class WorkerPlugin(distributed.WorkerPlugin):
    """Gives every worker what runs pruners there, also those that come later or are restarted."""

    def setup(self, worker: Any) -> None:
        self.worker = Worker()
        self.speed = machine_speed()

    def teardown(self, worker: Any) -> None:
        self.worker.stop()
