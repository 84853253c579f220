"""How well each shape hides its tickets: a table of audits, for docs/audit.md.

    plantkit audit circle --planting anchored --depth 8 --width 50 --test 40 --no-curve \
        --format json -o circle-8x50.json
    python benchmarks/shapes.py circle-8x50.json ...     # adds these to docs/results/shapes.json
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from plantkit.networks import PerceptronSpec

OUT = Path(__file__).parent.parent / "docs/results/shapes.json"

# Parameters of a network in a stratum, below which its AUC says too little.
LEAST_PARAMETERS = 20


def row_of(report: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Returns the name of what was audited, and what its row says."""
    planting = report["planting"]
    widths = planting["network"]["widths"]
    shapes = PerceptronSpec(widths=tuple(widths)).shapes
    attackers = {one["name"]: one for one in report["attackers"]}
    strongest = attackers["strongest"]
    strata = {
        name: found["auc"]["value"]
        for name, found in strongest["strata"].items()
        if math.prod(shapes[name]) >= LEAST_PARAMETERS
    }
    highest = max(strata, key=lambda name: strata[name])
    return f"{planting['family']} {len(widths)}x{widths[1]}", {
        "planting": planting["method"],
        "networks": f"{report['training_networks']} + {report['test_networks']}",
        "auc": strongest["overall"]["auc"],
        "messages": attackers["messages"]["overall"]["auc"],
        "lift": strongest["overall"]["lift"],
        "highest_stratum": highest,
        "highest_auc": strata[highest],
        "limit": report["limits"]["auc"],
        "verdict": report["verdict"],
    }


def main() -> None:
    found = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    for path in sys.argv[1:]:
        name, row = row_of(json.loads(Path(path).read_text(encoding="utf-8")))
        found[name] = row
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
