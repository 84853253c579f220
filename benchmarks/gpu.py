"""What a GPU gives: its tests, its accuracy beside the CPU's, and the time of a grid.

    python benchmarks/gpu.py -o docs/results/gpu.json      (some minutes; needs a GPU)

The grid is suite `paper` with the single-shot reference pruners, from an empty cache.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from plain_loops import CHALLENGES, random_mask

from plantkit.challenges import bundles
from plantkit.networks.masks import Mask
from plantkit.networks.training.accuracy import Measurement, measure_all

ROOT = CHALLENGES.parent
#: Of every kind of network, and wide ones, which the CPU trains on their entries alone.
COMPARED = (
    "circle-5x100",
    "helix-5x100",
    "circle-5x1000-faithful",
    "digits-lenet",
    "digits-resnet",
)
RUNS = 8
SINGLE_SHOT = ("random", "magnitude", "snip", "grasp", "synflow")
#: What the grid may take on a card of the H100's class.
GRID_SECONDS = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, help="a JSON file for the figures")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit(f"torch {torch.__version__} finds no GPU here; nothing was measured")
    found = {
        "card": torch.cuda.get_device_name(),
        "tests": tested(),
        "accuracy": [compared(name, density) for name in COMPARED for density in (1.0, 0.01)],
        "grid_seconds": round(grid_seconds(), 1),
        "grid_limit": GRID_SECONDS,
        "peak_mib": torch.cuda.max_memory_allocated() >> 20,
    }
    text = json.dumps(found, indent=1) + "\n"
    print(text, end="")
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8", newline="\n")


def tested() -> str:
    """Returns what pytest says of the tests that need a GPU, in its last line."""
    program = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-k", "gpu", "tests/networks"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    return done.stdout.strip().rpartition("\n")[2]


def compared(name: str, density: float) -> dict[str, Any]:
    """Returns the mean accuracy of runs on both devices, and whether a GPU repeats its own."""
    it = bundles.load(CHALLENGES / name)
    masks = [
        Mask.full(it.network) if density == 1 else random_mask(it.network, density, seed)
        for seed in range(RUNS)
    ]
    wanted = Measurement(
        spec=it.network,
        task=it.task,
        weights=it.weights,
        masks=masks,
        seeds=range(RUNS),
        recipe=it.recipe,
        train_data=it.train,
        test_data=it.truth.test,
    )
    begun = time.perf_counter()
    [there] = measure_all([wanted], device="cuda")
    seconds = time.perf_counter() - begun
    [here], [again] = measure_all([wanted]), measure_all([wanted], device="cuda")
    pairs = list(zip(here, there, strict=True))
    return {
        "challenge": name,
        "density": density,
        "cpu": statistics.mean(each.weak for each in here),
        "gpu": statistics.mean(each.weak for each in there),
        "strong_differs": max(abs(one.strong - other.strong) for one, other in pairs),
        "weak_differs": statistics.mean(abs(one.weak - other.weak) for one, other in pairs),
        "is_repeated": there == again,
        "gpu_seconds": round(seconds, 2),
    }


def grid_seconds() -> float:
    """Returns the wall seconds of the grid."""
    with tempfile.TemporaryDirectory() as folder:
        program = [sys.executable, "-m", "plantkit", "evaluate", *SINGLE_SHOT]
        program += ["--suite", "paper", "--baselines", "none", "--device", "cuda", "--no-cache"]
        program += ["--run-dir", str(Path(folder) / "run")]
        begun = time.perf_counter()
        subprocess.run(program, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begun


if __name__ == "__main__":
    main()
