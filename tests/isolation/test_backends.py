"""Backends: what a level picks, and a job that runs on another machine."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from plantkit.isolation.backends import backend_class
from plantkit.isolation.backends.local import LocalBackend
from plantkit.isolation.backends.locked_down import shipped_bundles
from plantkit.isolation.backends.remote import Parcel, Worker
from plantkit.isolation.jobs import PruneJob
from plantkit.isolation.levels import Isolation, Level
from plantkit.isolation.opening import open_backend
from plantkit.isolation.probe import probe_machine
from plantkit.isolation.problems import write_problem
from plantkit.isolation.servers import PrunerServer
from plantkit.isolation.wire import Limits, Status
from plantkit.pruners.sources import PrunerSource

CODE = """
import torch
def prune(problem, density, seed):
    generator = torch.Generator().manual_seed(seed)
    kept = torch.randperm(problem.network.total, generator=generator) < problem.budget
    pieces = kept.split([w.numel() for w in problem.weights.values()])
    return {n: p.view(w.shape) for p, (n, w) in zip(pieces, problem.weights.items())}
"""


@pytest.fixture
def job(circle, tmp_path, write) -> PruneJob:
    write_problem(tmp_path / "problem", circle.problem(density=1.0, seed=0))
    return PruneJob(
        source=PrunerSource(path=str(write(CODE))),
        problem=tmp_path / "problem",
        network=circle.network,
        density=0.5,
        seed=3,
        limits=Limits(time_seconds=20),
    )


@pytest.mark.parametrize("level", Level)
def test_every_level_has_a_backend_of_its_own(level):
    assert issubclass(backend_class(level), LocalBackend)
    assert sum(backend_class(other) is backend_class(level) for other in Level) == 1


def test_bundles_that_an_editable_installation_copied_are_hidden(tmp_path, monkeypatch):
    copied = tmp_path / "plantkit" / "shipped_challenges"
    copied.mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    assert copied.resolve() in shipped_bundles()


@pytest.mark.skipif(
    not probe_machine().offers(Level.FULL), reason="this machine offers no full isolation"
)
def test_no_truth_that_ships_can_be_read(job, server, tmp_path, write):
    """Wherever this installation has one."""
    places = [Path(entry) / "plantkit" / "shipped_challenges" for entry in sys.path]
    truths = [str(path) for place in places for path in place.glob("*/truth.safetensors")]
    code = f"""
def prune(problem, density, seed):
    for path in {truths!r}:
        try:
            open(path).close()
        except PermissionError:
            continue
        raise ValueError("read " + path)
    return {{n: w * 0 for n, w in problem.weights.items()}}
"""
    stolen = replace(job, source=PrunerSource(path=str(write(code, "thief.py"))))
    outcome = open_backend(tmp_path / "cells", Isolation(level=Level.FULL), server).run(stolen)
    assert (outcome.status, outcome.error) == (Status.OK, "")


def test_without_isolation_no_process_starts(job, tmp_path):
    server = PrunerServer()
    with open_backend(tmp_path / "cells", Isolation(level=Level.NONE), server) as backend:
        assert backend.run(job).status is Status.OK
        assert server._process is None
    assert list((tmp_path / "cells").iterdir()) == []


def test_a_job_comes_to_the_same_on_another_machine(job, server, tmp_path):
    process = Isolation(level=Level.PROCESS)
    here = open_backend(tmp_path / "cells", process, server).run(job)
    parcel = pickle.loads(pickle.dumps(Parcel.of(job, Level.PROCESS)))
    Path(job.source.path).unlink()  # a worker does not see this machine's files
    for path in job.problem.iterdir():
        path.unlink()
    worker = Worker()
    try:
        there = [worker.run(parcel), worker.run(parcel)]
        assert len(worker._servers) == 1  # which the second run finds idle
    finally:
        worker.stop()
    assert not worker._directory.exists()
    assert [outcome.error for outcome in there] == ["", ""]
    assert {outcome.mask.digest() for outcome in there} == {here.mask.digest()}


def test_what_only_some_systems_have_is_imported_by_the_backends_that_need_it():
    """So that a backend for another system is a file."""
    program = (
        "import sys, plantkit.evaluation.run\n"
        "print({'resource', 'landlockpy', 'seccompy', 'plantkit.isolation.syscalls'}"
        " & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
