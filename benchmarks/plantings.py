"""What anchored planting takes and gives, for docs/planting.md.

    python benchmarks/plantings.py       # writes docs/results/plantings.json (20 CPU minutes)

Twenty networks of each family with constants of chance are planted at 5x50, with the dials as they
are, and a hundred of circle, helix and relu at 5x100.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import numpy as np

from plantkit.networks import PerceptronSpec
from plantkit.planting import FAMILIES, METHODS
from plantkit.planting.drawn import DrawnFamily
from plantkit.planting.family import AnchoredFamily

OUT = Path(__file__).parent.parent / "docs/results/plantings.json"


def measure(family: AnchoredFamily, width: int, networks: int) -> dict[str, float]:
    """Returns means and extremes over the plantings; seconds are of processor time."""
    spec = PerceptronSpec.uniform(
        depth=5, width=width, inputs=family.inputs, outputs=family.outputs
    )
    seconds, densities, weights, distances, drawn = [], [], [], [], []
    for number in range(networks):
        started = time.process_time()
        planted = METHODS["anchored"].plant(family, spec, seed=b"plantings%d" % number)
        seconds.append(time.process_time() - started)
        densities.append(planted.count.density(spec))
        weights.append(planted.count.weights)
        distances.append(planted.facts["distance"]["value"])
        drawn.append(int(re.match(r"structures drawn (\d+)", planted.note)[1]))
    return {
        "networks": networks,
        "mean_weights": round(float(np.mean(weights)), 1),
        "most_weights": max(weights),
        "median_seconds": round(float(np.median(seconds)), 2),
        "worst_seconds": round(max(seconds), 2),
        "density": round(float(np.mean(densities)), 4),
        "highest_density": round(max(densities), 4),
        "distance": round(float(np.mean(distances)), 5),
        "nearest": round(min(distances), 5),
        "farthest": round(max(distances), 5),
        "passed": round(networks / sum(drawn), 3),
    }


def main() -> None:
    found = {
        name: measure(family, 50, 20)
        if isinstance(family, DrawnFamily)
        else measure(family, 100, 100)
        for name, family in FAMILIES.items()
        if isinstance(family, AnchoredFamily)
    }
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
