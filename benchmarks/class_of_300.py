"""Grades a made-up class and says what that took: `python benchmarks/class_of_300.py WORK`.

WORK gets a folder of hand-ins, `hand-ins`, and what `plantkit grade-class` writes, `grades`. The
hand-ins are variants of pruners that people write, each with a twist of its own, so that hardly
any two give the same masks; one in twenty hangs, crashes, or breaks a limit. The same seed makes
the same class.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: What keeps the right number of parameters of the highest scores; every working hand-in has it.
KEEP = """

def keep(problem, scores):
    flat = torch.cat([score.flatten() for score in scores.values()])
    mask = torch.zeros(len(flat), dtype=torch.bool)
    mask[flat.topk(problem.budget).indices] = True
    pieces = mask.split([score.numel() for score in scores.values()])
    return {name: piece.reshape(scores[name].shape) for name, piece in zip(scores, pieces)}
"""
GRADIENTS = """

def gradients(problem, count):
    module = problem.module()
    data = problem.train
    inputs, targets = data.inputs[:count], data.targets[:count]
    problem.loss(module(inputs), targets).backward()
    return {name: parameter.grad for name, parameter in module.named_parameters()}
"""
#: Score of a parameter by kind of pruner; {a}, {b} and {n} are a student's own.
SCORES = {
    "random": "torch.rand(weight.shape, generator=problem.generator) * (1 + {a})",
    "magnitude": "weight.abs() ** {b}",
    "scaled": "weight.abs() / weight.abs().mean().clamp_min(1e-9) ** {a}",
    "snip": "(weight * found[name]).abs() ** {b} + {a} * 1e-6 * weight.abs()",
    "gradient": "found[name].abs() ** {b} * (weight.abs() + {a})",
}
SYNFLOW = """import torch


def prune(problem, density, seed):
    weights = {{name: weight.abs() for name, weight in problem.weights.items()}}
    kept = {{name: torch.ones_like(weight) for name, weight in weights.items()}}
    for step in range(1, {n} + 1):
        module = problem.module()
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                parameter.copy_(weights[name] * kept[name])
        module(torch.ones_like(problem.train.inputs[:1])).sum().backward()
        scores = {{
            name: (parameter.grad * parameter).detach().abs() + {a} * 1e-12 * weights[name]
            for name, parameter in module.named_parameters()
        }}
        flat = torch.cat([score.flatten() for score in scores.values()])
        count = max(problem.budget, int(len(flat) * density ** (step / {n})))
        least = flat.topk(count).values[-1]
        kept = {{name: (score >= least).float() for name, score in scores.items()}}
    return keep(problem, scores)
"""
#: Hand-ins that do not work, by what they do.
BAD = {
    "busy loop": "def prune(problem, density, seed):\n    while True:\n        pass\n",
    "sleep": "import time\n\n\ndef prune(problem, density, seed):\n    time.sleep(10**6)\n",
    "hang at import": "import time\n\ntime.sleep(10**6)\n",
    "crash": "def prune(problem, density, seed):\n    return 1 / 0\n",
    "wrong name": "def prune(problem, density, seed):\n    return problem.wieghts\n",
    "syntax": "def prune(problem, density, seed)\n    return None\n",
    "no such package": "import tensorflow\n\n\ndef prune(problem, density, seed):\n    return {}\n",
    "memory": "def prune(problem, density, seed):\n"
    "    return [bytearray(2**28) for _ in range(99)]\n",
    "disk": "def prune(problem, density, seed):\n    for n in range(99):\n"
    "        open(f'{n}', 'wb').write(bytes(2**25))\n",
    "forks": "import os\n\n\ndef prune(problem, density, seed):\n"
    "    while True:\n        os.fork()\n",
    "killed": "import os\n\n\ndef prune(problem, density, seed):\n    os.kill(os.getpid(), 9)\n",
    "over budget": "def prune(problem, density, seed):\n"
    "    return {name: weight * 0 + 1 for name, weight in problem.weights.items()}\n",
}
KINDS = [*SCORES, "synflow"]
#: One in so many hand-ins does not work.
BAD_EVERY = 20


def working(kind: str, dice: random.Random) -> str:
    """Returns the code of a working hand-in."""
    own = {
        "a": round(dice.uniform(0.1, 2.0), 4),
        "b": round(dice.uniform(0.5, 2.0), 4),
        "n": dice.randint(5, 40),
    }
    if kind == "synflow":
        return SYNFLOW.format(**own) + KEEP
    needs = "found[" in SCORES[kind]
    count = dice.choice([128, 256, 512, 1024])
    lines = [
        "import torch\n\n",
        "def prune(problem, density, seed):",
        *([f"    found = gradients(problem, {count})"] if needs else []),
        "    scores = {",
        f"        name: {SCORES[kind].format(**own)}",
        "        for name, weight in problem.weights.items()",
        "    }",
        "    return keep(problem, scores)\n",
    ]
    return "\n".join(lines) + KEEP + (GRADIENTS if needs else "")


def make_class(folder: Path, count: int, seed: int) -> Counter[str]:
    """Writes `count` hand-ins and returns how many there are of each kind."""
    dice = random.Random(seed)
    kinds: Counter[str] = Counter()
    bad = list(BAD)
    for number in range(count):
        if number % BAD_EVERY == BAD_EVERY - 1:
            kind = bad[number // BAD_EVERY % len(bad)]
            code = BAD[kind]
        else:
            kind = dice.choice(KINDS)
            code = working(kind, dice)
        kinds[kind] += 1
        place = folder / f"student{number:03}"
        place.mkdir(parents=True)
        (place / "my_pruner.py").write_text(code, encoding="utf-8", newline="\n")
    return kinds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rubric", type=Path, default=ROOT / "examples/rubric.toml")
    given = parser.parse_args()
    kinds = make_class(given.work / "hand-ins", given.count, given.seed)
    load_before, started = os.getloadavg()[0], time.monotonic()
    command = [sys.executable, "-m", "plantkit", "grade-class", str(given.work / "hand-ins")]
    command += ["--rubric", str(given.rubric), "-o", str(given.work / "grades")]
    ended = subprocess.run([*command, "--jobs", str(given.jobs)], check=False)
    wall, usage = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = usage.ru_utime + usage.ru_stime
    found = {
        "count": given.count,
        "jobs": given.jobs,
        "exit_code": ended.returncode,
        "wall_seconds": round(wall, 1),
        "cpu_seconds": round(cpu, 1),
        "cpu_seconds_per_hand_in": round(cpu / given.count, 2),
        "load_before": load_before,
        "load_after": os.getloadavg()[0],
        "cores": os.cpu_count(),
        "kinds": dict(sorted(kinds.items())),
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
