"""What reference pruners reach on each family: the tables of the pages in docs/families.

    python benchmarks/families.py           # writes docs/results/families.json (20 CPU minutes)

Every kind of the suite `starter` is evaluated on its three instances, once each, at the suite's
densities. Figures are means over the instances.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import plantkit as pk

OUT = Path(__file__).parent.parent / "docs/results/families.json"
PRUNERS = ["random", "magnitude", "snip", "grasp", "synflow", "ntk-sap", "edge-popup"]
PRUNERS += ["gates:effort=1"]
FAMILIES = ("relu", "circle", "helix", "teacher")
FIGURES = {
    "strong": "strong_recovered_digits",
    "weak": "weak_recovered_digits",
    "overlap": "adjusted_recall",
    "collapsed": "collapsed_layers",
}


def main() -> None:
    found = {}
    for family in FAMILIES:
        ids = [f"{family}-5x100{instance}" for instance in ("", "-b", "-c")]
        result = pk.evaluate(
            PRUNERS,
            challenge=ids,
            density=["1x", "3x", "10x"],
            seeds=1,
            jobs=1,
            progress=lambda what, done, total: print(what, done, total, file=sys.stderr),
        )
        frame = result.to_frame()
        assert (frame.status == "ok").all(), result
        frame["density_multiple"] = frame.density_multiple.round().astype(int)
        means = frame.groupby(["pruner", "density_multiple"])[list(FIGURES.values())].mean()
        found[family] = {
            "version": pk.__version__,
            "pruners": {
                pruner: {
                    f"{multiple}x": {
                        name: round(float(means.loc[pruner, multiple][column]), 4)
                        for name, column in FIGURES.items()
                    }
                    for multiple in sorted(set(frame.density_multiple))
                }
                for pruner in PRUNERS
            },
        }
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
