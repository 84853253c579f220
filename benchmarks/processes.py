"""What processes cost: two jobs against one, memory, and starting."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plain_loops import CHALLENGES, train_plainly
from timing import child_seconds, used_seconds

from plantkit.challenges import bundles
from plantkit.networks.masks import Mask
from plantkit.networks.training import Recipe, Samples
from plantkit.networks.training.accuracy import Measurement, measure_all
from plantkit.networks.training.executors import LocalExecutor

CHALLENGE = "circle-5x100-faithful"
RECIPE = Recipe(epochs=2)


def jobs(rounds: int) -> list[dict[str, float]]:
    """Returns the gain of two jobs over one, and what this machine allows at that moment.

    What it allows: two plain loops that know nothing of each other, side by side in two
    processes, against one of them alone. A core that is shared, or missing, slows down both;
    the cores are CPU time over wall time.
    """

    def measured(executor: LocalExecutor) -> None:
        measure_all([dense_runs(24, whole=True)], executor=executor)

    found = []
    for _ in range(rounds):
        alone, _ = seconds_in(1, lambda executor: executor.map(plain_work, [CHALLENGE]))
        both, _ = seconds_in(2, lambda executor: executor.map(plain_work, [CHALLENGE] * 2))
        one, cpu_of_one = seconds_in(1, measured)
        two, cpu_of_two = seconds_in(2, measured)
        found.append(
            {
                "the machine allows": 2 * alone / both,
                "2 jobs against 1": one / two,
                "share of it": one / two / (2 * alone / both),
                "CPU time": cpu_of_two / cpu_of_one,
                "cores of 1 job": cpu_of_one / one,
                "cores of 2": cpu_of_two / two,
            }
        )
    return found


def seconds_in(number: int, work: Callable[[LocalExecutor], object]) -> tuple[float, float]:
    """Returns the wall seconds of `work` in so many processes, and the CPU seconds of all."""
    before = used_seconds()
    with LocalExecutor(number) as executor:
        executor.start()
        begun = time.perf_counter()
        work(executor)
        wall = time.perf_counter() - begun
    return wall, used_seconds() - before


def plain_work(name: str) -> None:
    """Trains the dense network of a challenge in the plain loop."""
    it = bundles.load(CHALLENGES / name)
    recipe = Recipe(epochs=3 * RECIPE.epochs)
    train_plainly(it.network, it.task, it.train, it.weights, Mask.full(it.network), 0, recipe)


def dense_runs(count: int, *, whole: bool) -> Measurement:
    """Returns the measurement of `count` dense networks, on all samples or on a few."""
    it = bundles.load(CHALLENGES / CHALLENGE)
    few = Samples(inputs=it.train.inputs[:64], targets=it.train.targets[:64])
    return Measurement(
        spec=it.network,
        task=it.task,
        weights=it.weights,
        masks=[Mask.full(it.network)] * count,
        seeds=range(count),
        recipe=RECIPE,
        train_data=it.train if whole else few,
        test_data=it.truth.test if whole else few,
    )


def memory(rounds: int) -> dict[str, int]:
    """Returns the peak memory, in MiB, of processes that measure so many dense networks."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from processes import dense_runs, measure_all\n"
        "measure_all([dense_runs({count}, whole=False)])\n"
        # `getrusage` counts what the parent had, too, when it started this process.
        "status = open('/proc/self/status', encoding='utf-8').read()\n"
        "print(int(status.split('VmHWM:')[1].split()[0]) // 1024)"
    )
    found = {}
    for count in (12, 60, 240):
        program = [sys.executable, "-c", code.replace("{count}", str(count))]
        done = subprocess.run(program, capture_output=True, encoding="utf-8", check=True)
        found[str(count)] = int(done.stdout)
    return found


def start(rounds: int) -> dict[str, Any]:
    """Returns the CPU seconds of starting programs."""
    programs = {
        "python": "pass",
        "plantkit --help": "from plantkit.cli import main; main(['--help'])",
        "import torch": "import torch",
    }
    return {
        name: statistics.median(child_seconds([sys.executable, "-c", code]) for _ in range(rounds))
        for name, code in programs.items()
    }
