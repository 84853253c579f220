"""Work on an existing Dask cluster: pruners in sandboxed children of the workers, training.

Workers need this plantkit and the same plugins. What is sent out is a pure function of its
arguments, so a piece of work whose worker dies is done again elsewhere, and its result counts
once. A cluster is trusted as this machine is: a submission never runs in a worker itself but,
as here, in a child that `plantkit.isolation` locks down. `distributed` is an extra.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import distributed
from distributed.client import FutureCancelledError

from plantkit.errors import ExecutorError, UsageError
from plantkit.evaluation.remote import PruneJob, RemoteServers
from plantkit.isolation.client import Outcome
from plantkit.version import __version__

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Seconds to wait for the scheduler, and for its first worker.
CONNECT_SECONDS = 30
_PLUGIN = "plantkit-servers"


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
            self._client.register_plugin(ServersPlugin(), name=_PLUGIN)
        except BaseException:
            self._client.close()
            raise

    @property
    def jobs(self) -> int:
        """Threads of all workers."""
        return max(1, sum(map(int, self._client.nthreads().values())))

    def prune(
        self, jobs: Sequence[PruneJob], *, on_result: Callable[[Outcome], None]
    ) -> list[Outcome]:
        """Returns the outcomes of `jobs`, run in sandboxed children of the workers."""
        return self.map(prune_on_worker, jobs, on_result=on_result)

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
            if meanwhile is not None:
                meanwhile()
            finished: Any = distributed.as_completed(futures, loop=self._client.loop)  # type: ignore[no-untyped-call,unused-ignore]
            for future in finished:
                result = future.result()
                if on_result is not None:
                    on_result(result)
            return [future.result() for future in futures]
        except (distributed.KilledWorker, FutureCancelledError, OSError) as error:
            raise ExecutorError(f"the cluster did not finish its work: {error}") from error
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
    import numpy as np
    import torch

    return {
        "plantkit": __version__,
        "torch": str(torch.__version__),
        "numpy": str(np.__version__),
    }


def prune_on_worker(job: PruneJob) -> Outcome:
    """Returns the outcome of `job`, run in a sandboxed child of this Dask worker."""
    plugin: Any = distributed.get_worker().plugins[_PLUGIN]
    outcome: Outcome = plugin.servers.prune(job)
    return outcome


class ServersPlugin(distributed.WorkerPlugin):
    """Gives every worker its `RemoteServers`, also those that come later or are restarted."""

    def setup(self, worker: Any) -> None:
        self.servers = RemoteServers()

    def teardown(self, worker: Any) -> None:
        self.servers.stop()
