"""What the backends of this machine share: a job is a directory with a request and its answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from plantkit.isolation.cells import described_in, new_cell, outcome_of
from plantkit.isolation.jobs import DescribedPruner, Outcome, PruneJob
from plantkit.isolation.levels import Isolation
from plantkit.isolation.serving import Server, ServerProcess
from plantkit.isolation.wire import Exit, Limits
from plantkit.pruners.sources import PrunerSource


class LocalBackend:
    """Runs pruners on this machine; a context manager.

    `carry_out` and `start_processes` are called here. Where a child is forked, `prepare` is called
    before, and `confine` in it.
    """

    def __init__(self, scratch: Path, isolation: Isolation, server: Server) -> None:
        self._scratch = scratch
        self._isolation = isolation
        self._server = server

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """See `Backend.start`."""
        self._server.start(self._isolation.level)

    def stop(self) -> None:
        """See `Backend.stop`."""
        self._server.stop()

    def run(self, job: PruneJob) -> Outcome:
        """See `Backend.run`."""
        with new_cell(self._scratch, self._request(job.to_request()), job.source) as cell:
            return outcome_of(cell, self.carry_out(cell, job.limits), job)

    def describe(self, source: PrunerSource, limits: Limits) -> list[DescribedPruner]:
        """Returns every pruner that `source` offers.

        Raises:
            PluginError: the source cannot be loaded.
            IsolationError: nothing can be run.
        """
        with new_cell(self._scratch, self._request({"kind": "describe"}), source) as cell:
            return described_in(cell, self.carry_out(cell, limits), source, limits)

    def _request(self, wanted: dict[str, Any]) -> dict[str, Any]:
        return wanted | {"level": self._isolation.level.value}

    def carry_out(self, cell: Path, limits: Limits) -> Exit:
        """Carries out the request in `cell` and returns how its process ended.

        Raises:
            IsolationError: the process cannot be started.
        """
        return self._server.request(cell, limits, self._isolation)

    @classmethod
    def start_processes(cls, most: int) -> Sequence[ServerProcess]:
        """Starts processes that run jobs at this backend's level: at least one, at most `most`."""
        raise NotImplementedError

    @classmethod
    def prepare(cls, hidden: Sequence[Path]) -> None:
        """Does, before a fork, what every child would do again.

        Raises:
            ImportError: a package that the backend needs is not installed.
            OSError: the system lacks what it needs.
        """

    @classmethod
    def confine(
        cls, cell: Path, limits: Limits, readable: Sequence[Path], hidden: Sequence[Path]
    ) -> None:
        """Locks this process away, for good.

        Args:
            cell: its scratch and working directory.
            readable: the problem.
            hidden: what stays closed even where it lies in a directory that can be read.

        Raises:
            OSError: the system refuses; the caller must not go on.
        """
