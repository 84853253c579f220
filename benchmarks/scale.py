"""Measures what records, submissions and a cluster cost: `python benchmarks/scale.py`.

`seeds`, `pruners` and `challenges` make so many records on tiny challenges, each number in a
process of its own. `submissions` sends submissions through the path of grading, with a stand-in
for the processes that would run them, so that all that is left is plantkit's own work: reading,
planning, scoring, training and marking. `executors` evaluates pruners with two jobs and on a Dask
cluster of two workers, in turn.

`--out FILE` writes the figures of docs/speed.md; measure these on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch

import plantkit as pk

ROOT = Path(__file__).resolve().parent.parent
CODE = "def prune(problem, density, seed):\n    return {{}}\n# {number}\n"
#: How many of what makes so many records or submissions.
NUMBERS = {
    "seeds": (10, 100, 1000, 10_000),
    "pruners": (10, 100, 1000),
    "challenges": (10, 100, 1000),
    "submissions": (10, 100, 1000),
}
PRUNERS = ("random", "magnitude", "snip")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=[*NUMBERS, "executors", []])
    parser.add_argument("--rounds", type=int, default=2, help="of executors")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--once", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once is not None:
        (what,) = given.what
        print(
            json.dumps(
                submissions(given.once) if what == "submissions" else records(**{what: given.once})
            )
        )
        return
    found: dict[str, Any] = {}
    for what in given.what or [*NUMBERS, "executors"]:
        found[what] = executors(given.rounds) if what == "executors" else growth(what)
    found["load"] = round(os.getloadavg()[0], 1)
    if given.out is not None:
        text = json.dumps(found, indent=1) + "\n"
        given.out.write_text(text, encoding="utf-8", newline="\n")


def growth(what: str) -> dict[str, dict[str, float]]:
    """Returns the processor seconds and the peak memory of each number, and prints them."""
    found = {}
    print(f"{what:>12}  CPU s  ms each  peak MiB")
    for number in NUMBERS[what]:
        command = [sys.executable, __file__, what, "--once", str(number)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8")
        found[str(number)] = one = json.loads(done.stdout.splitlines()[-1])
        each = 1000 * one["cpu"] / number
        print(f"{number:12,}  {one['cpu']:5.1f}  {each:7.2f}  {one['peak_mib']:8.0f}", flush=True)
    return found


def cost(work: Callable[[], None]) -> dict[str, float]:
    """Returns the processor seconds of `work` and the peak memory of this process in MiB."""
    begun = time.process_time()
    work()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    peak = usage.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    return {"cpu": round(time.process_time() - begun, 2), "peak_mib": round(peak)}


def records(*, seeds: int = 1, pruners: int = 1, challenges: int = 1) -> dict[str, float]:
    """Evaluates pruners on challenges at one density, and returns what it cost."""
    from plantkit.evaluation.objects import as_pruner, source_here
    from plantkit.evaluation.requests import Request
    from plantkit.evaluation.run import run_evaluation

    def drawing(number: int) -> Callable[..., dict[str, torch.Tensor]]:
        def draw(problem: pk.Problem, density: float, seed: int) -> dict[str, torch.Tensor]:
            generator = torch.Generator().manual_seed(10_000 * number + seed)
            order = torch.rand(problem.network.total, generator=generator).argsort()
            kept = torch.zeros(len(order), dtype=torch.bool)
            kept[order[: problem.budget]] = True
            pieces = kept.split([weight.numel() for weight in problem.weights.values()])
            named = zip(problem.weights.items(), pieces, strict=True)
            return {name: piece.view(weight.shape) for (name, weight), piece in named}

        return draw

    request = Request(
        objects=[source_here(as_pruner(drawing(one), f"draw{one}")) for one in range(pruners)],
        challenges=[tiny_challenge(number) for number in range(challenges)],
        densities=[0.5],
        seeds=seeds,
        baselines="none",
        isolation="none",
        jobs=1,
        cached=False,
    )

    def evaluate() -> None:
        outcome = run_evaluation(request, warn=print, progress=lambda *_: None)
        found = len(outcome.evaluation.records)
        assert found == seeds * pruners * challenges, found

    return cost(evaluate)


def tiny_challenge(number: int) -> Any:
    return pk.plant(
        "relu",
        depth=3,
        width=8,
        train_samples=320,
        test_samples=100,
        recipe=pk.Recipe(epochs=1),
        variant=f"n{number}",
        seed=f"scale {number}".encode(),
    )


def submissions(count: int) -> dict[str, float]:
    """Sends `count` submissions through a workplace whose slots only pretend to run them."""
    from plantkit.evaluation.participants import Installed
    from plantkit.evaluation.resources import Resources
    from plantkit.evaluation.slots import Slot, Slots
    from plantkit.evaluation.trials import Task
    from plantkit.evaluation.workplace import Workplace
    from plantkit.isolation.jobs import DescribedPruner, Outcome
    from plantkit.isolation.levels import Isolation, Level
    from plantkit.isolation.servers import PrunerServer
    from plantkit.isolation.wire import Limits, Status
    from plantkit.networks.masks import Mask
    from plantkit.networks.training.executors import LocalExecutor
    from plantkit.scoring.evaluation import Settings
    from plantkit.scoring.protocol import Protocol

    class Pretending:
        """A backend that draws masks."""

        def __init__(self) -> None:
            self.drawn = torch.Generator().manual_seed(0)

        def stop(self) -> None: ...

        def describe(self, source: object, limits: object) -> list[DescribedPruner]:
            return [DescribedPruner(name="mine")]

        def run(self, job: Any) -> Outcome:
            vector = torch.rand(job.network.total, generator=self.drawn) < job.density / 2
            mask = Mask.from_vector(job.network, vector)
            return Outcome(status=Status.OK, mask=mask, error="", seconds=0.1, peak_rss_mib=None)

    class Plan:
        hidden = ()
        tasks = (
            Task(challenge=tiny_challenge(0), protocol=Protocol(densities=(0.3, 0.5), seeds=2)),
        )

    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        files = [work / f"{number}.py" for number in range(count)]
        for number, file in enumerate(files):
            file.write_text(CODE.format(number=number), encoding="utf-8", newline="\n")
        slots = Slots(
            [
                Slot(
                    number=number,
                    isolation=Isolation(level=Level.PROCESS),
                    servers=(PrunerServer(), PrunerServer()),
                    backend=Pretending(),  # type: ignore[arg-type]
                    other=Pretending(),  # type: ignore[arg-type]
                )
                for number in range(2)
            ]
        )
        resources = Resources(
            settings=Settings(),
            limits=Limits(),
            backends=[],
            scratch=work / "scratch",
            executor=LocalExecutor(),
        )

        def grade() -> None:
            with slots:
                workplace = Workplace(
                    Plan(), slots, resources, Installed(pruners={}, plugins={}), [], lambda *_: None
                )
                pruners = [str(file) for file in files]
                done = 0
                for _, found in workplace.run(pruners, lambda trial, _: len(trial.records)):
                    assert found == 4, found
                    done += 1
                assert done == count, done

        return cost(grade)


def executors(rounds: int) -> list[dict[str, float]]:
    """Returns the wall seconds of one evaluation by two jobs and by two workers, in turn."""
    given = [*PRUNERS, "--suite", "starter", "--seeds", "4", "--baselines", "none", "--no-cache"]
    found = []
    with cluster() as address:
        dask = ["--executor", "dask", "--scheduler", address]
        for number in range(-1, rounds):
            row = {
                "two jobs": seconds(*given, "--jobs", "2"),
                "two workers": seconds(*given, *dask),
            }
            if number < 0:
                continue  # files come from the disk, and workers import
            found.append(row)
            print(", ".join(f"{name} {wall:.1f} s" for name, wall in row.items()), flush=True)
    ratio = median(row["two workers"] / row["two jobs"] for row in found)
    print(f"two workers take {ratio:.2f} times as long")
    return found


def seconds(*arguments: str) -> float:
    """Returns the wall seconds of `plantkit evaluate`."""
    begun = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "plantkit", "evaluate", *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    return round(time.monotonic() - begun, 2)


@contextmanager
def cluster() -> Iterator[str]:
    """Starts a scheduler and two workers with a thread each, and gives the scheduler's address."""

    def start(name: str, *arguments: str) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{name}", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        stack.callback(process.wait)
        stack.callback(process.terminate)

    with ExitStack() as stack, tempfile.TemporaryDirectory() as work:
        file = Path(work) / "scheduler.json"
        here = ["--host", "127.0.0.1", "--no-dashboard"]
        start("dask_scheduler", *here, "--port", "0", "--scheduler-file", str(file))
        while not file.is_file() or not file.read_text(encoding="utf-8"):
            time.sleep(0.05)
        address: str = json.loads(file.read_text(encoding="utf-8"))["address"]
        for _ in range(2):
            start(
                "dask_worker",
                address,
                *here,
                "--nthreads",
                "1",
                "--no-nanny",
                "--local-directory",
                work,
            )
        yield address


if __name__ == "__main__":
    main()
