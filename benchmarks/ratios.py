"""How much faster the engine is than a plain loop, as ratios taken in one run.

    python benchmarks/ratios.py                 the table of the README (about 2 minutes)
    python benchmarks/ratios.py scaling         runs, width, depth, jobs
    python benchmarks/ratios.py jobs            two jobs against one, and what the machine allows
    python benchmarks/ratios.py memory          peak memory against the number of runs
    python benchmarks/ratios.py start           start-up times
    python benchmarks/ratios.py compile         whether torch.compile would pay (a minute)
    python benchmarks/ratios.py accuracy        mean test performance and its spread (15 minutes)

Everything is measured in CPU time of one thread, plain loop and engine in turn, and the
median over the rounds is taken, so that other load on the machine touches both alike.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from compiled_step import PlainStep
from plain_loop import EngineOrder, plain_performance, train_plainly
from tabulate import tabulate

from plantkit.challenges import bundles
from plantkit.challenges.bundles import Challenge
from plantkit.networks import PerceptronSpec
from plantkit.networks.budget import budget_of
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import Task, make_task
from plantkit.networks.training import Recipe, Run, Samples, train
from plantkit.networks.training.accuracy import Measurement, measure_all
from plantkit.networks.training.executors import LocalExecutor
from plantkit.pruners.selection import select

CHALLENGES = Path(__file__).resolve().parent.parent / "challenges"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", default="densities", choices=sorted(BENCHMARKS))
    parser.add_argument("--challenge", default="circle-5x100")
    parser.add_argument("--epochs", type=int, default=2, help="of the plain loop and the engine")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=24, help="runs in the engine's batch")
    parser.add_argument("--seeds", type=int, default=20, help="of the accuracy table")
    parser.add_argument("--only", nargs="*", help="challenges of the accuracy table")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    BENCHMARKS[arguments.what](arguments)


def densities(arguments: argparse.Namespace) -> None:
    """Prints CPU time of the plain loop over CPU time of a run in the engine, a density."""
    challenge = bundles.load(CHALLENGES / arguments.challenge)
    recipe = Recipe(epochs=arguments.epochs)
    random, magnitude = random_masks, magnitude_masks
    planted = challenge.planted_density
    cases: list[tuple[str, str, float, list[Mask]]] = []
    for density in (1.0, 0.5, 0.1, 0.01, planted):
        for name, masks in (("random", random), ("magnitude", magnitude)):
            if density < 1.0 or name == "random":
                found = masks(challenge, density, arguments.runs)
                shown = "all kept" if density == 1.0 else name
                cases.append((f"{density:.4g}", shown, density, found))
    ticket = [challenge.truth.ticket] * arguments.runs
    cases.append((f"{planted:.4g}", "the ticket", planted, ticket))
    plain: list[float] = []
    engine: dict[int, list[float]] = {case: [] for case in range(len(cases))}
    ratios: dict[int, list[float]] = {case: [] for case in range(len(cases))}
    for _ in range(arguments.rounds):
        full = Mask.full(challenge.network)
        yardstick = cpu_seconds(lambda full=full: plain_run(challenge, full, 0, recipe))
        plain.append(yardstick)
        for case, (_, _, _, masks) in enumerate(cases):
            runs = as_runs(challenge, masks)
            spent = cpu_seconds(lambda runs=runs: engine_runs(challenge, runs, recipe)) / len(runs)
            engine[case].append(spent)
            ratios[case].append(yardstick / spent)
    rows = [
        [shown, density, f"{statistics.median(ratios[case]):.1f}"]
        for case, (density, shown, _, _) in enumerate(cases)
    ]
    # The grid: the five densities in equal shares, over random and magnitude masks.
    grid = []
    for round_ in range(arguments.rounds):
        by_density: dict[float, list[float]] = {}
        for case, (_, shown, value, _) in enumerate(cases):
            if shown != "the ticket":
                by_density.setdefault(value, []).append(engine[case][round_])
        mean = statistics.mean(statistics.mean(spent) for spent in by_density.values())
        grid.append(plain[round_] / mean)
    rows.append(
        ["random and magnitude", "the five in equal shares", f"{statistics.median(grid):.1f}"]
    )
    print(f"{challenge.id}, {arguments.runs} runs in a batch, {arguments.rounds} rounds")
    print(
        tabulate(
            rows, ["mask", "density", "times faster"], tablefmt="github", disable_numparse=True
        )
    )


def scaling(arguments: argparse.Namespace) -> None:
    """Prints how the time of a run changes with runs, width and depth, and the gain of jobs."""
    challenge = bundles.load(CHALLENGES / arguments.challenge)
    recipe = Recipe(epochs=arguments.epochs)
    full = Mask.full(challenge.network)
    rows = []
    for count in (1, 2, 4, 8, 16, 32):
        runs = as_runs(challenge, [full] * count)
        spent, plain = alternate(
            lambda runs=runs: engine_runs(challenge, runs, recipe),
            lambda: plain_run(challenge, full, 0, recipe),
            arguments.rounds,
        )
        rows.append(["runs", count, f"{plain / (spent / count):.1f}"])
    for depth, width in ((5, 100), (5, 300), (5, 1000), (3, 100), (9, 100)):
        count = max(2, min(12, 260_000 // synthetic(depth, width)[0].total))
        spent, plain = synthetic_seconds(depth, width, count, max(2, arguments.rounds // 2))
        rows.append([f"network {depth}x{width}", f"{count} runs", f"{plain / (spent / count):.1f}"])
    print(tabulate(rows, ["what", "", "times faster than the plain loop"], tablefmt="github"))
    print()
    parallel(arguments)


def parallel(arguments: argparse.Namespace) -> None:
    """Prints the gain of two jobs over one, beside what this machine allows at that moment.

    What it allows: two plain loops that know nothing of each other, side by side in two
    processes, against one of them alone. A core that is shared, or missing, slows down both;
    the last two columns, CPU time over wall time, show the cores that there were.
    """
    challenge = bundles.load(CHALLENGES / arguments.challenge)
    recipe = Recipe(epochs=arguments.epochs)
    loop = (arguments.challenge, Recipe(epochs=3 * arguments.epochs))
    masks = [Mask.full(challenge.network)] * arguments.runs

    def measured(executor: LocalExecutor) -> None:
        wanted = Measurement(
            spec=challenge.network,
            task=challenge.task,
            weights=challenge.weights,
            masks=masks,
            seeds=range(len(masks)),
            recipe=recipe,
            train_data=challenge.train,
            test_data=challenge.truth.test,
        )
        measure_all([wanted], executor=executor)

    rows = []
    for number in range(arguments.rounds):
        alone, _ = seconds_in(1, lambda executor: executor.map(plain_work, [loop]))
        both, _ = seconds_in(2, lambda executor: executor.map(plain_work, [loop, loop]))
        one, cpu_of_one = seconds_in(1, measured)
        two, cpu_of_two = seconds_in(2, measured)
        bound, gain = 2 * alone / both, one / two
        cores = (cpu_of_one / one, cpu_of_two / two)
        rows.append([number + 1, bound, gain, gain / bound, cpu_of_two / cpu_of_one, *cores])
    medians = [statistics.median(column) for column in list(zip(*rows, strict=True))[1:]]
    head = ["round", "the machine allows", "2 jobs against 1", "share of it", "CPU time"]
    head += ["cores of 1 job", "cores of 2"]
    print(f"{challenge.id}, {arguments.runs} dense runs, wall time; CPU time of 2 jobs against 1")
    print(tabulate([*rows, ["median", *medians]], head, tablefmt="github", floatfmt=".2f"))


def seconds_in(jobs: int, work: Callable[[LocalExecutor], object]) -> tuple[float, float]:
    """Returns the wall seconds of `work` with an executor of `jobs`, and the CPU seconds of all."""
    before = used_seconds()
    with LocalExecutor(jobs) as executor:
        executor.start()
        begun = time.perf_counter()
        work(executor)
        wall = time.perf_counter() - begun
    return wall, used_seconds() - before


def plain_work(item: tuple[str, Recipe]) -> None:
    """Trains one dense network of a challenge in the plain loop."""
    challenge_id, recipe = item
    challenge = bundles.load(CHALLENGES / challenge_id)
    plain_run(challenge, Mask.full(challenge.network), 0, recipe)


def used_seconds() -> float:
    """Returns the CPU seconds of this process and of its children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def memory(arguments: argparse.Namespace) -> None:
    """Prints the peak memory of a process that measures more and more networks."""
    code = (
        "import sys, resource; sys.path.insert(0, {here!r}); import ratios; "
        "ratios.measure_many({challenge!r}, {count}); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    rows = []
    for count in (12, 60, 240):
        text = code.format(
            here=str(Path(__file__).parent), challenge=arguments.challenge, count=count
        )
        done = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, encoding="utf-8", check=True
        )
        rows.append([count, int(done.stdout)])
    print(tabulate(rows, ["networks measured", "peak MiB"], tablefmt="github"))


def measure_many(challenge_id: str, count: int) -> None:
    """Measures `count` dense networks with a recipe of no epoch to speak of."""
    challenge = bundles.load(CHALLENGES / challenge_id)
    few = Samples(inputs=challenge.train.inputs[:64], targets=challenge.train.targets[:64])
    wanted = Measurement(
        spec=challenge.network,
        task=challenge.task,
        weights=challenge.weights,
        masks=[Mask.full(challenge.network)] * count,
        seeds=list(range(count)),
        recipe=Recipe(epochs=1),
        train_data=few,
        test_data=few,
    )
    measure_all([wanted])


def start(arguments: argparse.Namespace) -> None:
    """Prints CPU time of starting things, against that of importing torch."""
    programs = {
        "python": [sys.executable, "-c", "pass"],
        "plantkit --help": [
            sys.executable,
            "-c",
            "from plantkit.cli import main; main(['--help'])",
        ],
        "import torch": [sys.executable, "-c", "import torch"],
        "import plantkit.evaluation.harness": [
            sys.executable,
            "-c",
            "import plantkit.evaluation.harness",
        ],
    }
    rows = []
    for name, program in programs.items():
        spent = [child_seconds(program) for _ in range(arguments.rounds)]
        rows.append([name, f"{statistics.median(spent):.2f}"])
    print(tabulate(rows, ["program", "CPU seconds"], tablefmt="github"))


def accuracy(arguments: argparse.Namespace) -> None:
    """Prints the mean test performance of both trainers, each over its own orders of the samples.

    `t`: the difference over its standard error. The last column is the mean absolute
    difference where both take the samples in the same order, which leaves rounding alone.
    """
    rows = []
    for path in sorted(CHALLENGES.glob("*/challenge.json")):
        challenge = bundles.load(path.parent)
        if arguments.only and challenge.id not in arguments.only:
            continue
        for density in (1.0, 0.1, challenge.planted_density):
            mask = (
                challenge.truth.ticket
                if density == challenge.planted_density
                else random_masks(challenge, density, 1)[0]
            )
            row = accuracy_row(challenge, mask, range(arguments.seeds))
            rows.append([challenge.id, f"{density:.4g}", *row])
            print(rows[-1], file=sys.stderr, flush=True)
    head = ["challenge", "density", "plain", "s.d.", "engine", "s.d.", "difference", "t"]
    head.append("same order")
    print(f"{arguments.seeds} seeds each")
    print(tabulate(rows, head, tablefmt="github", disable_numparse=True))


def accuracy_row(challenge: Challenge, mask: Mask, seeds: Sequence[int]) -> list[str]:
    """Returns both trainers' mean and standard deviation, and how they differ."""

    def plain_of(seed: int, *, same_order: bool) -> float:
        sampler = EngineOrder(seed, len(challenge.train)) if same_order else None
        module = train_plainly(
            challenge.network,
            challenge.task,
            challenge.train,
            challenge.weights,
            mask,
            seed,
            challenge.recipe,
            sampler=sampler,
        )
        return plain_performance(module, challenge.task, challenge.truth.test)

    plain = [plain_of(seed, same_order=False) for seed in seeds]
    paired = [plain_of(seed, same_order=True) for seed in seeds[: max(2, len(seeds) // 4)]]
    wanted = Measurement(
        spec=challenge.network,
        task=challenge.task,
        weights=challenge.weights,
        masks=[mask] * len(seeds),
        seeds=list(seeds),
        recipe=challenge.recipe,
        train_data=challenge.train,
        test_data=challenge.truth.test,
    )
    [measured] = measure_all([wanted])
    engine = [found.weak for found in measured]
    gap = statistics.mean(engine) - statistics.mean(plain)
    error = ((statistics.variance(engine) + statistics.variance(plain)) / len(seeds)) ** 0.5
    rounding = statistics.mean(abs(a - b) for a, b in zip(engine, paired, strict=False))
    return [
        f"{statistics.mean(plain):.4f}",
        f"{statistics.stdev(plain):.4f}",
        f"{statistics.mean(engine):.4f}",
        f"{statistics.stdev(engine):.4f}",
        f"{gap:+.4f}",
        f"{gap / error:+.1f}" if error else "0",
        f"{rounding:.1e}",
    ]


def compilation(arguments: argparse.Namespace) -> None:
    """Prints how fast the engine and a compiled step are against an eager one, and the warm-up."""
    count = 8
    spec, task, data, _ = synthetic(5, 100)
    generator = torch.Generator().manual_seed(1)
    starts = {
        name: torch.randn(count, *shape, generator=generator) * (2 / shape[-1]) ** 0.5
        for name, shape in spec.shapes.items()
    }
    masks = {
        name: torch.rand(value.shape, generator=generator) < 0.5 for name, value in starts.items()
    }
    rows = [
        Run(
            start={name: value[run] for name, value in starts.items()},
            mask={name: value[run] for name, value in masks.items()},
            seed=run,
        )
        for run in range(count)
    ]
    recipe = Recipe(epochs=10)
    steps = recipe.steps(len(data))
    index = torch.stack([torch.randperm(len(data), generator=generator)[:32] for _ in rows])

    def all_steps(step: Callable[..., None]) -> Callable[[], None]:
        def take() -> None:
            for number in range(1, steps + 1):
                step(data.inputs[index], data.targets[index], torch.tensor(float(number)))

        return take

    eager = PlainStep(spec, list(starts.values()), list(masks.values()))
    compiled = torch.compile(PlainStep(spec, list(starts.values()), list(masks.values())))
    begun = time.perf_counter()
    compiled(data.inputs[index], data.targets[index], torch.tensor(1.0))
    warm_up = time.perf_counter() - begun
    found = []
    for _ in range(arguments.rounds):
        yardstick = cpu_seconds(all_steps(eager))
        engine = cpu_seconds(lambda: train(spec, task, data, rows, recipe))
        found.append((yardstick / engine, yardstick / cpu_seconds(all_steps(compiled)), yardstick))
    medians = [statistics.median(column) for column in zip(*found, strict=True)]
    print(
        tabulate(
            [
                ["engine", f"{medians[0]:.2f}", "none"],
                ["compiled", f"{medians[1]:.2f}", f"{warm_up / (medians[2] / steps):.0f}"],
            ],
            ["step", "times faster than eager", "warm-up, in eager steps"],
            tablefmt="github",
            disable_numparse=True,
        )
    )


def random_masks(challenge: Challenge, density: float, count: int) -> list[Mask]:
    """Returns masks of exactly `density`, drawn uniformly."""
    network = challenge.network
    budget = budget_of(density, network.total)
    masks = []
    for seed in range(count):
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(network.total, generator=generator)
        masks.append(Mask.from_vector(network, order < budget))
    return masks


def magnitude_masks(challenge: Challenge, density: float, count: int) -> list[Mask]:
    """Returns `count` times the mask of the largest parameters."""
    sizes = {name: value.abs() for name, value in challenge.weights.items()}
    return [select(sizes, budget_of(density, challenge.network.total))] * count


def as_runs(challenge: Challenge, masks: Sequence[Mask]) -> list[Run]:
    return [Run(start=challenge.weights, mask=mask, seed=seed) for seed, mask in enumerate(masks)]


def engine_runs(challenge: Challenge, runs: Sequence[Run], recipe: Recipe) -> None:
    train(challenge.network, challenge.task, challenge.train, runs, recipe)


def plain_run(challenge: Challenge, mask: Mask, seed: int, recipe: Recipe) -> torch.nn.Sequential:
    return train_plainly(
        challenge.network, challenge.task, challenge.train, challenge.weights, mask, seed, recipe
    )


def synthetic_seconds(depth: int, width: int, count: int, rounds: int) -> tuple[float, float]:
    """Returns CPU seconds of `count` dense runs in the engine, and of one in the plain loop."""
    spec, task, data, start = synthetic(depth, width)
    mask, recipe = Mask.full(spec), Recipe(epochs=1)
    runs = [Run(start=start, mask=mask, seed=seed) for seed in range(count)]
    return alternate(
        lambda: train(spec, task, data, runs, recipe),
        lambda: train_plainly(spec, task, data, start, mask, 0, recipe),
        rounds,
    )


def synthetic(
    depth: int, width: int
) -> tuple[PerceptronSpec, Task, Samples, dict[str, torch.Tensor]]:
    """Returns a network of four classes of two inputs, its task, 1024 samples and a start."""
    spec = PerceptronSpec.uniform(depth=depth, width=width, inputs=2, outputs=4)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(1024, 2, generator=generator) * 2 - 1
    data = Samples(inputs=inputs, targets=(inputs.square().sum(1) * 2).long().clamp(max=3))
    weights = {
        name: torch.randn(shape, generator=generator) * (2 / shape[-1]) ** 0.5
        for name, shape in spec.shapes.items()
    }
    return spec, make_task("classification", 4), data, weights


def alternate(
    one: Callable[[], object], other: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """Returns the median CPU seconds of two functions that are called in turn."""
    spent = [(cpu_seconds(one), cpu_seconds(other)) for _ in range(rounds)]
    return statistics.median(s for s, _ in spent), statistics.median(s for _, s in spent)


def cpu_seconds(function: Callable[[], object]) -> float:
    begun = time.process_time()
    function()
    return time.process_time() - begun


def child_seconds(program: Sequence[str]) -> float:
    """Returns the CPU seconds of a program, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(program, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


BENCHMARKS = {
    "densities": densities,
    "scaling": scaling,
    "memory": memory,
    "start": start,
    "accuracy": accuracy,
    "compile": compilation,
    "jobs": parallel,
}

if __name__ == "__main__":
    main()
