"""Evaluating on a Dask cluster: a real scheduler and real workers on this machine's loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from builders import without_passing

from plantkit.errors import ExecutorError, UsageError
from plantkit.evaluation.cluster import DaskExecutor

#: Two pruners' answers must not depend on where they ran.
SUBMISSION = """
import os, torch

def prune(problem, density, seed):
    generator = torch.Generator().manual_seed(seed)
    keep = torch.randperm(problem.network.total, generator=generator) < problem.budget
    pieces = keep.split([w.numel() for w in problem.weights.values()])
    return {n: p.view(w.shape) for p, (n, w) in zip(pieces, problem.weights.items())}
"""


def spawn(stack: ExitStack, *arguments: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


@contextmanager
def cluster(directory: Path, workers: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler's address and its worker processes, without nannies that would revive them."""
    found = directory / "scheduler.json"
    with ExitStack() as stack:
        spawn(
            stack,
            "dask_scheduler",
            *("--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
            *("--scheduler-file", str(found)),
        )
        deadline = time.monotonic() + 60
        while not found.exists() or not found.read_text():
            assert time.monotonic() < deadline, "no scheduler"
            time.sleep(0.05)
        address: str = json.loads(found.read_text())["address"]
        processes = [
            spawn(
                stack,
                "dask_worker",
                address,
                *("--no-nanny", "--nthreads", "1", "--no-dashboard", "--name", str(number)),
                *("--local-directory", str(directory)),
            )
            for number in range(workers)
        ]
        yield address, processes


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("cluster"), 2) as (address, processes):
        yield address, processes


def results(path: Path) -> list[dict[str, object]]:
    """The records, without what measures time and memory rather than the pruner."""
    records: list[dict[str, object]] = json.loads(path.read_text())["records"]
    return [without_passing(record) for record in records]


def evaluation(submission: Path, challenges: Path, *more: str | Path) -> list[str | Path]:
    return [
        *("evaluate", submission, "--challenges", challenges, "--suite", "tiny"),
        *("--baselines", "magnitude", "--format", "json", "--no-cache", *more),
    ]


@pytest.mark.slow
def test_results_on_a_cluster_equal_those_on_this_machine(
    two_workers, tiny_challenges, plantkit_cli, write, tmp_path
):
    address, _ = two_workers
    given = evaluation(write(SUBMISSION), tiny_challenges)
    given += ["magnitude:rewind=3"]
    here, there = tmp_path / "here.json", tmp_path / "there.json"
    assert plantkit_cli(*given, "-o", here, "--jobs", "1").code == 0
    outcome = plantkit_cli(*given, "-o", there, "--executor", "dask", "--scheduler", address)
    assert outcome.code == 0, outcome
    assert len(results(here)) == 3 * 2 * 2 * 2
    assert json.dumps(results(there)) == json.dumps(results(here))
    speeds = {
        record["effort"] / record["cpu_seconds"]
        for record in json.loads(there.read_text())["records"]
    }
    assert all(0.05 < speed < 50 for speed in speeds)  # of the workers


@pytest.mark.slow
def test_a_submission_runs_in_a_child_of_the_worker(
    two_workers, tiny_challenges, plantkit_cli, write, tmp_path
):
    address, processes = two_workers
    code = SUBMISSION.replace(
        "return {", "print(1); assert 'distributed' not in sys.modules, 'in'; return {"
    )
    code = code.replace("import os,", "import sys,")
    outcome = plantkit_cli(
        *evaluation(write(code), tiny_challenges, "-o", tmp_path / "out.json"),
        *("--executor", "dask", "--scheduler", address),
    )
    assert outcome.code == 0, outcome
    assert all(process.poll() is None for process in processes)
    crash = write("import os\ndef prune(problem, density, seed):\n    os._exit(9)\n", "crash.py")
    outcome = plantkit_cli(
        *evaluation(crash, tiny_challenges, "-o", tmp_path / "crash.json"),
        *("--executor", "dask", "--scheduler", address),
    )
    assert outcome.code == 1
    statuses = [r["status"] for r in results(tmp_path / "crash.json") if r["pruner"] == "crash"]
    assert statuses == ["crash"] * 8
    assert all(process.poll() is None for process in processes)


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_costs_nothing(
    tiny_challenges, plantkit_cli, write, tmp_path
):
    slow = SUBMISSION.replace("generator =", "import time; time.sleep(0.3); generator =", 1)
    given = evaluation(write(slow), tiny_challenges)
    here, there, run = tmp_path / "here.json", tmp_path / "there.json", tmp_path / "run"
    assert plantkit_cli(*given, "-o", here, "--jobs", "2").code == 0
    with cluster(tmp_path, 2) as (address, processes):
        killed_after: list[int] = []

        def kill() -> None:
            records = run / "records.jsonl"
            while not records.exists() or not records.read_text():
                time.sleep(0.01)
            time.sleep(0.4)  # the second challenge is being pruned now
            killed_after.append(len(records.read_text().splitlines()))
            processes[0].send_signal(signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        outcome = plantkit_cli(
            *given,
            *("-o", there, "--run-dir", run, "--executor", "dask", "--scheduler", address),
        )
        killer.join()
        assert processes[0].wait() == -signal.SIGKILL
        assert processes[1].poll() is None
    assert outcome.code == 0, outcome
    assert killed_after == [8]  # half of the records were there, half were still to come
    assert results(there) == results(here)
    lines = (run / "records.jsonl").read_text().splitlines()
    keys = {
        tuple(json.loads(line)[k] for k in ("pruner", "challenge", "target_density", "seed"))
        for line in lines
    }
    assert len(lines) == len(keys) == 16


def test_an_error_of_the_work_is_raised_as_it_is(two_workers):
    address, _ = two_workers
    with DaskExecutor(address) as executor:
        assert executor.jobs == 2
        with pytest.raises(ValueError, match="invalid literal"):
            executor.map(int, ["3", "x"])
        assert executor.map(abs, [-1, -2]) == [1, 2]


def test_a_study_runs_on_the_cluster(two_workers, plantkit_cli, tmp_path):
    address, _ = two_workers
    chosen = ["--pruner", "annealing", "--effort", "10", "--seeds", "2"]
    there, here = (
        plantkit_cli("study", "seek", *chosen, "--run-dir", tmp_path / name, *where)
        for name, where in (("there", ["--executor", "dask", "--scheduler", address]), ("here", []))
    )
    assert (there.code, here.code) == (0, 0), there
    assert "2 runs to do" in there.err

    def records(name):
        lines = (tmp_path / name / "records.jsonl").read_text(encoding="utf-8").splitlines()
        found = [json.loads(line) for line in lines]
        return sorted(json.dumps([one["unit"], one["records"]]) for one in found)

    assert records("there") == records("here")
    assert len(records("there")) == 2


@pytest.mark.slow
def test_work_that_kills_its_workers_ends_with_an_error(tmp_path):
    with cluster(tmp_path, 4) as (address, processes), DaskExecutor(address) as executor:
        with pytest.raises(ExecutorError, match="did not finish"):
            executor.map(os._exit, [3])
        assert any(process.poll() is not None for process in processes)


def test_workers_with_other_versions_are_refused(two_workers, monkeypatch):
    address, _ = two_workers
    # Workers unpickle the function by its name, and so call their own.
    monkeypatch.setattr("plantkit.evaluation.cluster.__version__", "0.0.1")
    with pytest.raises(UsageError, match=r"has plantkit .* \(here 0\.0\.1\)"):
        DaskExecutor(address)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--executor", "dask"], "needs --scheduler"),
        (["--scheduler", "tcp://127.0.0.1:1"], "needs --executor dask"),
        (["--executor", "dask", "--scheduler", "nonsense://x"], "no Dask scheduler answers"),
    ],
)
def test_what_cannot_be_used_is_said(options, message, plantkit_cli, tiny_challenges, write):
    outcome = plantkit_cli(*evaluation(write(SUBMISSION), tiny_challenges), *options)
    assert outcome.code == 2
    assert message in outcome.err
