"""One run of a pruner on another machine: what is sent there, and the servers that it needs.

A submission never runs in a cluster's worker itself but, as on this machine, in a child that
`plantkit.isolation` locks down.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from plantkit.isolation.client import Isolation, Outcome, PrunerServer, Scratch, run_pruner
from plantkit.isolation.leftovers import make_scratch
from plantkit.isolation.levels import AUTO, choose
from plantkit.isolation.probe import probe_machine
from plantkit.isolation.wire import Limits
from plantkit.pruners.sources import PrunerSource

if TYPE_CHECKING:
    from plantkit.networks import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneJob:
    """One run of one pruner: all that a worker needs to do it.

    code: content of the submission's file, since a worker may not see its path; None for an
        installed pruner. problem: name to content of the problem directory's files.
    """

    source: PrunerSource
    code: bytes | None
    problem: Mapping[str, bytes]
    network: Network
    density: float
    budget: int
    seed: int
    limits: Limits
    isolation: str = AUTO


@runtime_checkable
class RemotePruning(Protocol):
    """An executor that also runs pruners where it works, instead of on this machine."""

    def prune(
        self, jobs: Sequence[PruneJob], *, on_result: Callable[[Outcome], None]
    ) -> list[Outcome]:
        """Returns the outcomes of `jobs`, in their order; `on_result` gets each as it comes."""
        ...


class RemoteServers:
    """The warm servers of one worker process, one for each thread that prunes, and their files."""

    def __init__(self) -> None:
        self._directory = make_scratch()
        self._scratch = Scratch(self._directory / "cells")
        self._idle: dict[str, SimpleQueue[PrunerServer]] = {}
        self._servers: list[PrunerServer] = []

    def stop(self) -> None:
        """Ends the servers and removes their files."""
        for server in self._servers:
            server.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def prune(self, job: PruneJob) -> Outcome:
        """Runs `job` on an idle server of its isolation, or on a new one where none is idle.

        Raises:
            IsolationError: this machine cannot isolate as far as the job asks.
        """
        problem = self._store("problem", job.problem)
        source = job.source
        if job.code is not None and source.path is not None:
            name = Path(source.path).name
            source = replace(source, path=str(self._store("submission", {name: job.code}) / name))
        idle = self._idle.setdefault(job.isolation, SimpleQueue())
        server = self._take(idle, job.isolation)
        try:
            return run_pruner(
                server,
                self._scratch,
                source=source,
                problem_directory=problem,
                network=job.network,
                density=job.density,
                budget=job.budget,
                seed=job.seed,
                limits=job.limits,
            )
        finally:
            idle.put(server)

    def _take(self, idle: SimpleQueue[PrunerServer], isolation: str) -> PrunerServer:
        try:
            return idle.get_nowait()
        except Empty:
            level, _ = choose(isolation, probe_machine())
            server = PrunerServer(Isolation(level=level))
            self._servers.append(server)
            return server

    def _store(self, kind: str, files: Mapping[str, bytes]) -> Path:
        """Returns a directory that holds `files`; written once, all or nothing."""
        state = hashlib.sha256()
        for name, content in sorted(files.items()):
            state.update(f"{name}\0{len(content)}\0".encode() + content)
        target = self._directory / f"{kind}-{state.hexdigest()}"
        if not target.exists():
            staged = Path(tempfile.mkdtemp(dir=self._directory))
            for name, content in files.items():
                (staged / name).write_bytes(content)
            try:
                staged.rename(target)
            except OSError:  # another thread was first
                shutil.rmtree(staged, ignore_errors=True)
        return target


def read_directory(directory: Path) -> dict[str, bytes]:
    """Returns name to content of the files in `directory`."""
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}
