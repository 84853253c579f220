"""Measures the loop of editing a submission and running it: `python benchmarks/loop.py`.

`plantkit evaluate FILE` runs with an empty cache on one challenge (`cold`), with a submission whose
masks are new while all else is known (`changed`), and once more with the same one (`unchanged`).
`watched` is another change while `--watch` runs: from the moment the file is saved until the
results are printed, the third time, when all that is imported late is there.
It prints wall and processor seconds, and the processor seconds of each kind of process. Except for
`watched` these are of a second run of the same kind, whose processes are looked at: that takes a
core a part of its time, and misses what processes do in their last hundredths of a second.

`--out FILE` writes the figures of docs/speed.md; measure these on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
SUBMISSION = ROOT / "submissions/my_pruner.py"
#: What is changed, and in what way a change `n` gives other masks.
CHANGED = "w.abs().mean() for"
CHANGES = "w.abs().mean() ** {power} for"
#: What is measured; see the module.
STATES = ("cold", "changed", "watched", "unchanged")
#: Seconds between two looks at the processes.
_LOOK_SECONDS = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--baselines", default="suite", help="as of plantkit evaluate")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        found = measure(Path(work), given)
    for state, runs in found["states"].items():
        walls, cpus = ([run[name] for run in runs] for name in ("wall", "cpu"))
        print(f"{state:10} wall {min(walls):.2f} to {max(walls):.2f} s, CPU {median(cpus):.2f} s")
        kinds = {kind for run in runs for kind in run["processes"]}
        for kind in sorted(kinds):
            print(f"  {kind:35} {median(run['processes'].get(kind, 0.0) for run in runs):.2f} s")
    if given.out is not None:
        text = json.dumps(found, indent=1) + "\n"
        given.out.write_text(text, encoding="utf-8", newline="\n")


def measure(work: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Returns the seconds of all runs, by state, and what else tells how they were measured."""
    file = work / "my_pruner.py"
    asked = ["--jobs", str(given.jobs), "--baselines", given.baselines]
    code = SUBMISSION.read_text(encoding="utf-8")
    if CHANGED not in code:
        raise SystemExit(f"{SUBMISSION} has no {CHANGED!r} to change")
    states: dict[str, list[dict[str, Any]]] = {state: [] for state in STATES}
    loads = [os.getloadavg()[0]]
    file.write_text(code, encoding="utf-8", newline="\n")
    run(file, work / "warm", *asked)  # computes what all later runs find in the cache
    for number in range(given.rounds):
        rounds = [one_round(work, file, code, 2 * number + looks, asked) for looks in (0, 1)]
        for state, runs in states.items():
            alone, looked_at = (one[state] for one in rounds)
            runs.append({**alone, "processes": looked_at["processes"]})
        loads.append(os.getloadavg()[0])
    return {
        "states": states,
        "jobs": given.jobs,
        "baselines": given.baselines,
        "cores": os.cpu_count(),
        "load": max(loads),
        "python": platform.python_version(),
    }


def one_round(
    work: Path, file: Path, code: str, number: int, asked: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Returns what `run` does in each state. Processes are looked at in rounds of odd number."""
    looks = number % 2 == 1
    file.write_text(code, encoding="utf-8", newline="\n")
    found = {
        "cold": run(file, work / f"cold-{number}", *asked, "--challenge", "relu-5x100", looks=looks)
    }
    change(file, code, number)
    for state in ("changed", "unchanged"):
        found[state] = run(file, work / "warm", *asked, looks=looks)
    codes = [number + 1 / 3, number + 2 / 3]
    found["watched"] = watched(file, code, codes, work / "warm", *asked)
    return found


def change(file: Path, code: str, number: float) -> None:
    """Saves the submission so that it gives the masks of a number from 0."""
    changed = CHANGES.format(power=1 + (number + 2) / 40)
    file.write_text(code.replace(CHANGED, changed), encoding="utf-8", newline="\n")


def run(file: Path, cache: Path, *options: str, looks: bool = False) -> dict[str, Any]:
    """Returns the wall and processor seconds of one evaluation, also by kinds of processes.

    looks: whether processes are looked at; their seconds are unknown otherwise.
    """
    before, begun = children_seconds(), time.monotonic()
    process = start(file, cache, *options, errors=subprocess.DEVNULL)
    spent: dict[int, tuple[str, float]] = {}
    while looks and process.poll() is None:
        spent |= {pid: (kind, seconds) for pid, kind, seconds in look(process.pid)}
        time.sleep(_LOOK_SECONDS)
    if process.wait() != 0:
        raise SystemExit(f"plantkit evaluate ended with exit code {process.returncode}")
    kinds: dict[str, float] = defaultdict(float)
    for kind, seconds in spent.values():
        kinds[kind] += seconds
    return {
        "wall": round(time.monotonic() - begun, 3),
        "cpu": round(children_seconds() - before, 3),
        "processes": {kind: round(seconds, 3) for kind, seconds in kinds.items()},
    }


def watched(
    file: Path, code: str, numbers: Sequence[float], cache: Path, *options: str
) -> dict[str, Any]:
    """Returns what `run` does, of the last of several changes while `--watch` runs."""
    process = start(file, cache, *options, "--watch", errors=subprocess.PIPE)
    wait_for_results(process)
    for number in numbers:
        before = {pid: seconds for pid, _, seconds in look(process.pid)}
        begun = time.monotonic()
        change(file, code, number)
        wait_for_results(process)
        wall = time.monotonic() - begun
    kinds: dict[str, float] = defaultdict(float)
    for pid, kind, seconds in look(process.pid):
        kinds[kind] += seconds - before.get(pid, 0.0)
    process.send_signal(signal.SIGINT)
    process.communicate()
    return {
        "wall": round(wall, 3),
        "cpu": round(sum(kinds.values()), 3),
        "processes": {kind: round(seconds, 3) for kind, seconds in kinds.items()},
    }


def wait_for_results(process: subprocess.Popen[str]) -> None:
    """Reads what a process with `--watch` says until it has printed results."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("watching "):
            return
    raise SystemExit(f"plantkit evaluate --watch ended with exit code {process.wait()}")


def start(file: Path, cache: Path, *options: str, errors: int) -> subprocess.Popen[str]:
    """Starts an evaluation. errors: where standard error goes, as for `subprocess.Popen`."""
    environment = {**os.environ, "PLANTKIT_CACHE_DIR": str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody compiles plantkit for every run
    return subprocess.Popen(
        [sys.executable, "-m", "plantkit", "evaluate", str(file), *options],
        stdout=subprocess.DEVNULL,
        stderr=errors,
        env=environment,
        cwd=ROOT,
        encoding="utf-8",
    )


def look(root: int) -> Iterator[tuple[int, str, float]]:
    """Yields the processes of an evaluation: id, kind and processor seconds until now."""
    with contextlib.suppress(psutil.Error):
        main_process = psutil.Process(root)
        for process in [main_process, *main_process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                own = times.user + times.system
                command = " ".join(process.cmdline())
                if process.pid == root:
                    yield process.pid, "the main process", own
                elif not command:
                    continue  # it has ended
                elif "isolation.trial" in command:
                    yield process.pid, "looking at the machine", own
                elif "isolation.zygote" not in command:
                    yield process.pid, "training", own
                elif process.ppid() == root:
                    yield process.pid, "what forks the servers", own
                elif "isolation.zygote" in " ".join(process.parent().parent().cmdline()):
                    continue  # a run, which its server counts when it has ended
                else:
                    runs = times.children_user + times.children_system
                    yield process.pid, "servers", own
                    yield -process.pid, "the submission's runs", runs


def children_seconds() -> float:
    """Returns the processor seconds of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
