"""Measures how alike the code of different people is, and how long a class of 300 takes.

    python benchmarks/copies.py docs/results/copies.json EXERCISE...

Each EXERCISE is a folder with a folder for each person, and `given.py`, the code handed out. The
figures in docs/results are of solutions that people published of the first assignment of Stanford's
CS231n: softmax, linear_svm, neural_net and k_nearest_neighbor.
"""

import itertools
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from plantkit.grading.copies.pairs import LEAST_RARE_SHARE, LEAST_SHARE, find_copies
from plantkit.grading.copies.sources import code_of
from plantkit.grading.copies.texts import compare_texts
from plantkit.networks import PerceptronSpec
from plantkit.networks.masks import Mask

CLASS, RUNS = 300, 8
SPEC = PerceptronSpec(widths=(4, 100, 100, 100, 1))


def main(out: Path, exercises: list[Path]) -> None:
    shares, values, texts = [], [], []
    for exercise in exercises:
        people = {one.name: code_of(one) for one in sorted(exercise.iterdir()) if one.is_dir()}
        found = compare_texts(people, [code_of(exercise / "given.py")])
        pairs = np.triu_indices(len(found.ids), 1)
        share = np.maximum(found.shares, found.shares.T)
        shares += share[pairs].tolist()
        values += (share * found.rarity)[pairs].tolist()
        texts += people.values()
    is_listed = (np.array(shares) >= LEAST_SHARE) & (np.array(values) >= LEAST_RARE_SHARE)
    middle, most = np.quantile(shares, [0.5, 0.99])
    measured = {
        "exercises": len(exercises),
        "solutions": len(texts),
        "pairs": len(shares),
        "share": {"half below": round(middle, 3), "99% below": round(most, 3)},
        "listed": int(is_listed.sum()),
        "class": CLASS,
        "runs": RUNS,
        "seconds": round(seconds_for_class(texts), 1),
    }
    out.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8", newline="\n")


def seconds_for_class(texts: list[dict[str, str]]) -> float:
    """Returns the processor time that a class takes, each with code of others and own masks."""
    generator = torch.Generator().manual_seed(0)
    ids = [f"student{number:03}" for number in range(CLASS)]
    masks = {
        one: {
            run: Mask.from_vector(SPEC, torch.rand(SPEC.total, generator=generator) < 0.05)
            for run in range(RUNS)
        }
        for one in ids
    }
    start = time.process_time()
    find_copies(dict(zip(ids, itertools.cycle(texts), strict=False)), masks=masks)
    return time.process_time() - start


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(one) for one in sys.argv[2:]])
