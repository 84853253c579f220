"""On another machine: a job is sent with its files to a worker, which runs it in a child.

A submission never runs in the worker itself but, as on this machine, in a backend of the level
that the evaluation has.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue

from plantkit.isolation.jobs import Outcome, PruneJob
from plantkit.isolation.leftovers import make_scratch
from plantkit.isolation.levels import Isolation, Level, choose
from plantkit.isolation.opening import open_backend
from plantkit.isolation.probe import probe_machine
from plantkit.isolation.scratch import remove_tree
from plantkit.isolation.servers import PrunerServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A job with the files that it names, since a worker may not see their paths.

    problem: name to content of the files in the problem directory. A submission comes with the
    job's source.
    """

    job: PruneJob
    level: Level
    problem: Mapping[str, bytes]

    @classmethod
    def of(cls, job: PruneJob, level: Level) -> Parcel:
        """Returns `job` as what a worker needs to run it at `level`."""
        return cls(
            job=replace(job, source=job.source.read()),
            level=level,
            problem={path.name: path.read_bytes() for path in sorted(job.problem.iterdir())},
        )

    def unpack(self, directory: Path) -> PruneJob:
        """Returns the job, its problem in `directory`."""
        return replace(self.job, problem=_store(directory / "problem", self.problem))


class Worker:
    """What runs parcels in one worker process: warm servers, one for each thread, and files."""

    def __init__(self) -> None:
        self._directory = make_scratch()
        self._idle: SimpleQueue[PrunerServer] = SimpleQueue()
        self._servers: list[PrunerServer] = []

    def stop(self) -> None:
        """Ends the servers and removes their files."""
        for server in self._servers:
            server.stop()
        remove_tree(self._directory)

    def run(self, parcel: Parcel) -> Outcome:
        """Runs a job on an idle server, or on a new one where none is idle.

        Raises:
            IsolationError: this machine cannot isolate as far as the parcel asks.
        """
        level, _ = choose(parcel.level, probe_machine())
        job = parcel.unpack(self._directory)
        try:
            server = self._idle.get_nowait()
        except Empty:
            server = PrunerServer()
            self._servers.append(server)
        try:
            return open_backend(self._directory / "cells", Isolation(level=level), server).run(job)
        finally:
            self._idle.put(server)


def _store(parent: Path, files: Mapping[str, bytes]) -> Path:
    """Returns a directory beneath `parent` that holds `files`; written once, all or nothing."""
    state = hashlib.sha256()
    for name, content in sorted(files.items()):
        state.update(f"{name}\0{len(content)}\0".encode() + content)
    target = parent / state.hexdigest()
    if not target.exists():
        parent.mkdir(exist_ok=True)
        staged = Path(tempfile.mkdtemp(dir=parent))
        for name, content in files.items():
            (staged / name).write_bytes(content)
        try:
            staged.rename(target)
        except OSError:  # another thread was first
            shutil.rmtree(staged, ignore_errors=True)
    return target
