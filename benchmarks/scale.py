"""Measures what records and submissions cost: `python benchmarks/scale.py`.

`records` evaluates a pruner with many seeds on a tiny challenge, each number of records in a
process of its own, and prints processor seconds and peak memory. `submissions` sends submissions
through the path of grading, with a stand-in for the processes that would run them, so that all
that is left is plantkit's own work: reading, planning, scoring, training and marking.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

CODE = "def prune(problem, density, seed):\n    return {{}}\n# {number}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["records", "submissions"])
    parser.add_argument("--numbers", default="10,100,1000,10000")
    parser.add_argument("--once", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once is not None:
        {"records": records, "submissions": submissions}[given.what](given.once)
        return
    print(f"{given.what:>12}  CPU s  ms each  peak MiB")
    for number in map(int, given.numbers.split(",")):
        command = [sys.executable, __file__, given.what, "--once", str(number)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8")
        cpu, peak = map(float, done.stdout.split()[-2:])
        print(f"{number:12,}  {cpu:5.1f}  {1000 * cpu / number:7.2f}  {peak:8.0f}")


def told(work: Callable[[], None]) -> None:
    """Prints the processor seconds of `work` and the peak memory of this process in MiB."""
    begun = time.process_time()
    work()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    peak = usage.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    print(time.process_time() - begun, peak)


def records(count: int) -> None:
    """Evaluates a pruner with `count` seeds at one density."""
    import torch

    import plantkit as pk
    from plantkit.evaluation.objects import as_pruner, source_here
    from plantkit.evaluation.requests import Request
    from plantkit.evaluation.run import run_evaluation

    def draw(problem: pk.Problem, density: float, seed: int) -> dict[str, torch.Tensor]:
        order = torch.rand(problem.network.total, generator=problem.generator).argsort()
        kept = torch.zeros(len(order), dtype=torch.bool)
        kept[order[: problem.budget]] = True
        pieces = kept.split([weight.numel() for weight in problem.weights.values()])
        named = zip(problem.weights.items(), pieces, strict=True)
        return {name: piece.view(weight.shape) for (name, weight), piece in named}

    request = Request(
        objects=[source_here(as_pruner(draw, "draw"))],
        challenges=[tiny_challenge(pk)],
        densities=[0.5],
        seeds=count,
        baselines="none",
        isolation="none",
        jobs=1,
        cached=False,
    )
    told(lambda: evaluated(run_evaluation(request, warn=print, progress=lambda *_: None), count))


def evaluated(outcome: object, count: int) -> None:
    """Checks that an evaluation made so many records."""
    found = len(outcome.evaluation.records)  # type: ignore[attr-defined]
    assert found == count, found


def tiny_challenge(pk: object) -> object:
    return pk.plant(  # type: ignore[attr-defined]
        "relu",
        depth=3,
        width=8,
        train_samples=320,
        test_samples=100,
        recipe=pk.Recipe(epochs=1),  # type: ignore[attr-defined]
        seed=b"scale",
    )


def submissions(count: int) -> None:
    """Sends `count` submissions through a workplace whose slots only pretend to run them."""
    import torch

    import plantkit as pk
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

        def run(self, job: object) -> Outcome:
            vector = torch.rand(job.network.total, generator=self.drawn) < job.density / 2  # type: ignore[attr-defined]
            mask = Mask.from_vector(job.network, vector)  # type: ignore[attr-defined]
            return Outcome(status=Status.OK, mask=mask, error="", seconds=0.1, peak_rss_mib=None)

    class Plan:
        hidden = ()
        tasks = (
            Task(challenge=tiny_challenge(pk), protocol=Protocol(densities=(0.3, 0.5), seeds=2)),  # type: ignore[arg-type]
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

        told(grade)


if __name__ == "__main__":
    main()
