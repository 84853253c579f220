"""How good `seek` is on networks that nobody has seen: the figures of docs/seek.md.

    python benchmarks/seek.py fresh --instances 40-59     # seek for 60 seconds: 80 CPU minutes
    python benchmarks/seek.py ablation --instances 100-101 --effort 20   # without one of its parts
    python benchmarks/seek.py cost --instances 100        # searches at equal cost
    python benchmarks/seek.py weak --instances 100        # strong and trained, at four densities

Every instance is planted from a seed that its family and number give. Each run adds one record to
docs/results/seek.json; what is there already is not run again. Instances 40 to 59 are for the
final figures alone.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from plantkit_baselines import gauss_newton, scale_free, seek, windows

import plantkit as pk
from plantkit.challenges.bundles import Challenge, challenge_of
from plantkit.challenges.drafting import Order, draft_challenge
from plantkit.evaluation.measuring import score_all
from plantkit.scoring.attempts import Attempt

OUT = Path(__file__).parent.parent / "docs/results/seek.json"
FAMILIES = ("teacher", "circle", "helix", "relu")
#: Parts of seek, and the constants that switch each of them off.
ABLATIONS: dict[str, Mapping[Any, Mapping[str, Any]]] = {
    "all parts": {},
    "without gates: a random start": {seek: {"START": 1e-6}},
    "one swap at a time": {gauss_newton: {"LENGTH": 2}},
    "all samples alike (classes only)": {scale_free: {"SURE": 1e6}},
    "changes by their derivatives": {gauss_newton: {"PerceptronSpec": ()}},
    "idle units with random inputs": {windows: {"COMPARED": 0}},
    "without idle units": {windows: {"IDLE": 0}},
    "never uphill": {seek: {"HOT": 1e-9, "COLD": 1e-9}},
    "cross entropy (classes only)": {scale_free: {"BOUND": 0.001}},
}
#: Pruners of about equal cost on 5x100, by their CPU seconds.
COSTS = {
    2: ["seek:effort=2", "gates:effort=0.4", "supermask:effort=0.4", "edge-popup:epochs=3"],
    10: ["seek:effort=10", "gates:effort=2", "supermask:effort=2", "edge-popup:epochs=15"],
    60: ["seek:effort=60", "gates:effort=12", "supermask:effort=12", "edge-popup:epochs=90"],
    300: ["seek:effort=300", "gates:effort=60", "supermask:effort=60", "edge-popup:epochs=450"],
}


@functools.lru_cache(maxsize=4)
def instance(family: str, number: int) -> Challenge:
    """Returns an instance of 5x100 as the suite `contest` has it, planted from its own seed."""
    order = Order(
        family=family,
        depth=5,
        width=100,
        variant=f"final{number}",
        planting="selected" if family == "teacher" else "anchored",
    )
    seed = hashlib.sha256(f"seek final {family} {number}".encode()).digest()
    return challenge_of(draft_challenge(order, seed)[0])


def record(challenge: Challenge, pruner: str, density: str = "1x") -> dict[str, float]:
    """Returns what a pruner reaches on a challenge, and its CPU seconds in this process."""
    name, _, options = pruner.partition(":")
    chosen = pk.load_pruner(name, **dict(part.split("=") for part in filter(None, [options])))
    problem = challenge.problem(density=density, seed=0)
    start = time.process_time()
    mask = chosen.prune(problem, problem.density, seed=0)
    seconds = time.process_time() - start
    attempt = Attempt(
        pruner=pruner,
        target_density=problem.density,
        is_planted_density=density == "1x",
        seed=0,
        status="ok",
        mask=pk.Mask(dict(mask)),
        error="",
        seconds=seconds,
        peak_rss_mib=None,
    )
    [[scored]] = score_all([(challenge, [attempt])])
    assert scored.strong
    assert scored.weak
    assert scored.overlap
    return {
        "cpu_seconds": round(seconds, 1),
        "strong_accuracy": round(scored.strong.recovered_accuracy, 4),
        "strong_digits": round(scored.strong.recovered_digits, 4),
        "weak_digits": round(scored.weak.recovered_digits, 4),
        "f1": round(scored.overlap["f1"], 4),
    }


def wanted(what: str, effort: float, family: str) -> Iterator[tuple[str, str, str]]:
    """Yields the label, the pruner and the density of each run on an instance of a family."""
    match what:
        case "fresh":
            yield f"seek:effort={effort:g}", f"seek:effort={effort:g}", "1x"
        case "ablation":
            for label in ABLATIONS:
                if family != "circle" and "classes only" in label:
                    continue
                yield label, f"seek:effort={effort:g}", "1x"
        case "cost":
            for pruner in COSTS[int(effort)]:
                yield pruner, pruner, "1x"
        case "weak":
            for density in ("1x", "3x", "10x", "30x"):
                for pruner in (f"seek:effort={effort:g}", "synflow:schedule=multishot", "imp"):
                    yield f"{pruner} {density}", pruner, density


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["fresh", "ablation", "cost", "weak"])
    parser.add_argument("--instances", default="40-59", help="first-last, or one number")
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--effort", type=float, default=60)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    first, _, last = asked.instances.partition("-")
    torch.set_num_threads(1)
    for number in range(int(first), int(last or first) + 1):
        for family in asked.families.split(","):
            for label, pruner, density in wanted(asked.what, asked.effort, family):
                found = json.loads(asked.out.read_text("utf-8")) if asked.out.exists() else []
                key = {
                    "what": asked.what,
                    "family": family,
                    "instance": number,
                    "label": label,
                    "effort": asked.effort,
                }
                if any(key.items() <= one.items() for one in found):
                    continue
                changes = ABLATIONS[label] if asked.what == "ablation" else {}
                with ExitStack() as stack:
                    for module, values in changes.items():
                        stack.enter_context(mock.patch.multiple(module, **values))
                    reached = record(instance(family, number), pruner, density)
                print(key | reached, flush=True)
                # Read again: another process may have written meanwhile.
                found = json.loads(asked.out.read_text("utf-8")) if asked.out.exists() else []
                text = ",\n".join(json.dumps(one) for one in [*found, key | reached])
                asked.out.write_text(f"[\n{text}\n]\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
