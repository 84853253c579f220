"""Processor time of a run, as the system counts it: whatever the run did to hide it."""

from __future__ import annotations

import textwrap

import pytest

from plantkit.isolation.jobs import Outcome, PruneJob
from plantkit.isolation.levels import Isolation, Level
from plantkit.isolation.opening import open_backend
from plantkit.isolation.probe import probe_machine
from plantkit.isolation.problems import write_problem
from plantkit.isolation.wire import Limits, Status
from plantkit.pruners.sources import PrunerSource

#: Burns 0.4 seconds of processor time, as `time.process_time` sees it in this process.
BURN = """
import os, threading, time

def burn(seconds=0.4):
    begun = time.process_time()
    while time.process_time() - begun < seconds:
        pass

def nothing(problem):
    return {name: weight * 0 for name, weight in problem.weights.items()}
"""
#: Above what a run needs besides, below what it burns.
LITTLE, MUCH = 0.3, 0.35


@pytest.fixture
def run(server, circle, tmp_path, write):
    write_problem(tmp_path / "problem", circle.problem(density=0.5, seed=0))

    def execute(body: str, *, level: Level, seconds: float = 20.0) -> Outcome:
        code = f"{BURN}\ndef prune(problem, density, seed):\n{textwrap.indent(body, '    ')}\n"
        job = PruneJob(
            source=PrunerSource(path=str(write(code))),
            problem=tmp_path / "problem",
            network=circle.network,
            density=0.5,
            seed=0,
            limits=Limits(time_seconds=seconds),
        )
        return open_backend(tmp_path / "cells", Isolation(level=level), server).run(job)

    return execute


@pytest.mark.parametrize("level", [Level.PROCESS, Level.WATCHED, Level.NONE])
def test_waiting_costs_nothing_and_work_counts(run, level):
    slept = run("time.sleep(1)\nreturn nothing(problem)", level=level)
    worked = run("burn()\nreturn nothing(problem)", level=level)
    assert (slept.status, worked.status) == (Status.OK, Status.OK)
    assert slept.seconds > 1
    assert slept.cpu_seconds < LITTLE
    assert MUCH < worked.cpu_seconds < 3


@pytest.mark.skipif(not probe_machine().offers(Level.FULL), reason="needs full isolation")
def test_full_isolation_counts_too(run):
    outcome = run("burn()\nreturn nothing(problem)", level=Level.FULL)
    assert MUCH < outcome.cpu_seconds < 3


CHILD = (
    "if os.fork() == 0:\n    burn()\n    open('done', 'w').close()\n    burn(last)\n"
    "    os._exit(0)\nwhile not os.path.exists('done'):\n    time.sleep(0.01)\n"
)
#: The child of a child that has ended: nobody that the submission knows waits for it.
ORPHAN = (
    "if os.fork() == 0:\n    if os.fork() == 0:\n        os.setsid()\n        burn()\n"
    "        open('done', 'w').close()\n        burn(last)\n        os._exit(0)\n    os._exit(0)\n"
    "os.wait()\nwhile not os.path.exists('done'):\n    time.sleep(0.01)\n"
)


#: Ways to have others do the work.
OTHERS = {
    "threads": "threads = [threading.Thread(target=burn) for _ in range(2)]\n"
    "[thread.start() for thread in threads]\n[thread.join() for thread in threads]\n",
    "child": f"last = 0\n{CHILD}os.wait()\n",
    "child-left": f"last = 60\n{CHILD}",  # killed at work by the end of the run
    "orphan": f"last = 0\n{ORPHAN}",
    "orphan-killed": f"last = 60\n{ORPHAN}",  # killed at work by the end of the run
}


@pytest.mark.parametrize(
    ("level", "others"),
    [
        *((Level.PROCESS, name) for name in OTHERS),
        (Level.WATCHED, "orphan-killed"),
        *(
            pytest.param(Level.WATCHED, name, marks=pytest.mark.slow)
            for name in OTHERS
            if name != "orphan-killed"
        ),
    ],
)
def test_work_given_to_others_counts(run, level, others):
    outcome = run(f"{OTHERS[others]}return nothing(problem)", level=level)
    assert outcome.status is Status.OK, outcome
    assert outcome.cpu_seconds > MUCH


def test_one_run_does_not_pay_for_another(run):
    run(f"last = 60\n{CHILD}return nothing(problem)", level=Level.PROCESS)
    after = run("return nothing(problem)", level=Level.PROCESS)
    assert after.cpu_seconds < LITTLE


def test_a_run_that_failed_has_its_processor_time(run):
    crashed = run("burn()\nraise ValueError('late')", level=Level.PROCESS)
    assert crashed.status is Status.CRASH
    assert crashed.cpu_seconds > MUCH
    stopped = run("burn(60)", level=Level.PROCESS, seconds=3)
    assert stopped.status is Status.TIMEOUT
    assert stopped.cpu_seconds > 0.2  # other processes may have had most of the time
