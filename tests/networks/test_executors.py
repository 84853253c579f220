"""Work in this process and in several: the same results, and no process is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from plantkit.errors import ExecutorError
from plantkit.networks.training.executors import LocalExecutor


def pid_of(item: int) -> tuple[int, int]:
    time.sleep(0.2)
    return item, os.getpid()


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_the_order_of_the_items(jobs):
    reported: list[int] = []
    with LocalExecutor(jobs) as executor:
        results = executor.map(abs, [-3, 1, -2], on_result=reported.append)
    assert results == [3, 1, 2]
    assert sorted(reported) == [1, 2, 3]


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("items", [[], [-1], [-1, -2, -3]])
def test_meanwhile_is_called_once_by_the_caller(jobs, items):
    called: list[int] = []
    with LocalExecutor(jobs) as executor:
        results = executor.map(abs, items, meanwhile=lambda: called.append(os.getpid()))
    assert results == [-item for item in items]
    assert called == [os.getpid()]


def test_jobs_run_side_by_side_in_other_processes():
    with LocalExecutor(2) as executor:
        found = executor.map(pid_of, [1, 2, 3, 4])
    assert [item for item, _ in found] == [1, 2, 3, 4]
    processes = {process for _, process in found}
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_one_job_and_one_item_start_no_process():
    with LocalExecutor(1) as executor:
        executor.start()
        assert {process for _, process in executor.map(pid_of, [1, 2])} == {os.getpid()}
    with LocalExecutor(2) as executor:
        assert executor.map(pid_of, [1]) == [(1, os.getpid())]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_is_raised_and_ends_the_processes(jobs):
    with LocalExecutor(jobs) as executor:
        with pytest.raises(ValueError, match="invalid literal"):
            executor.map(int, ["1", "x", "2"])
        assert executor.map(int, ["1", "2"]) == [1, 2]  # and it can be used again
    assert not multiprocessing.active_children()


def test_a_process_that_dies_is_an_error():
    with LocalExecutor(2) as executor, pytest.raises(ExecutorError, match="a process died"):
        executor.map(os._exit, [3, 3])
    assert not multiprocessing.active_children()


def test_processes_end_when_their_parent_is_killed():
    code = (
        "import os, signal; from plantkit.networks.training.executors import LocalExecutor; "
        "from test_executors import pid_of; executor = LocalExecutor(2); executor.start(); "
        "print(*sorted({p for _, p in executor.map(pid_of, range(4))}), flush=True); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.path.dirname(__file__)},  # noqa: PTH120
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    processes = [int(word) for word in done.stdout.split()]
    assert len(processes) == 2
    deadline = time.monotonic() + 20
    while any(is_running(process) for process in processes):
        assert time.monotonic() < deadline, "a process outlived its parent"
        time.sleep(0.05)


def is_running(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_processes_do_not_wait_for_threads_that_the_parent_had():
    """Tensors this large are added on OpenMP's threads, which do not survive a fork."""
    code = (
        "import torch; from test_executors import sum_up; "
        "from plantkit.networks.training.executors import LocalExecutor; "
        "torch.set_num_threads(2); sum_up(1_000_000)\n"
        "with LocalExecutor(2) as executor: print(executor.map(sum_up, [1_000_000] * 2))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.path.dirname(__file__)},  # noqa: PTH120
    )
    assert done.stdout == "[2000000.0, 2000000.0]\n", done.stderr


def sum_up(count: int) -> float:
    return float(torch.cat([torch.ones(count), torch.ones(count)]).sum())
