"""What planting a family with constants of chance takes and gives, for docs/planting.md.

    python benchmarks/plantings.py       # writes docs/results/plantings.json (2 CPU minutes)

Twenty networks of each family are planted at 5x50 with the dials as they are.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import numpy as np

from plantkit.networks import PerceptronSpec
from plantkit.planting import FAMILIES, default_method
from plantkit.planting.drawn import DrawnFamily

OUT = Path(__file__).parent.parent / "docs/results/plantings.json"
DEPTH, WIDTH, NETWORKS = 5, 50, 20


def measure(family: DrawnFamily) -> dict[str, float]:
    """Returns means and extremes over the plantings; seconds are of processor time."""
    spec = PerceptronSpec.uniform(
        depth=DEPTH, width=WIDTH, inputs=family.inputs, outputs=family.outputs
    )
    seconds, densities, distances, drawn = [], [], [], []
    for number in range(NETWORKS):
        started = time.process_time()
        planted = default_method(family).plant(family, spec, seed=b"plantings%d" % number)
        seconds.append(time.process_time() - started)
        densities.append(planted.count.density(spec))
        distances.append(planted.facts["distance"]["value"])
        drawn.append(int(re.match(r"structures drawn (\d+)", planted.note)[1]))
    return {
        "median_seconds": round(float(np.median(seconds)), 2),
        "worst_seconds": round(max(seconds), 2),
        "density": round(float(np.mean(densities)), 4),
        "highest_density": round(max(densities), 4),
        "distance": round(float(np.mean(distances)), 5),
        "nearest": round(min(distances), 5),
        "farthest": round(max(distances), 5),
        "passed": round(NETWORKS / sum(drawn), 3),
    }


def main() -> None:
    found = {
        name: measure(family)
        for name, family in FAMILIES.items()
        if isinstance(family, DrawnFamily)
    }
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
