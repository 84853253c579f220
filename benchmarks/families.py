"""What reference pruners reach on each family: the tables of the pages in docs/families.

    python benchmarks/families.py           # writes docs/results/families.json (30 CPU minutes)
    python benchmarks/families.py digits    # only this family, the others as they are

Every family is evaluated on three challenges, once each, at the densities of the suite `starter`:
instances of one kind, or digits in three networks. Figures are means over the three.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import plantkit as pk

OUT = Path(__file__).parent.parent / "docs/results/families.json"
PRUNERS = ["random", "magnitude", "snip", "grasp", "synflow", "ntk-sap", "edge-popup"]
PRUNERS += ["gates:effort=1"]
FAMILIES = {
    family: [f"{family}-5x100{instance}" for instance in ("", "-b", "-c")]
    for family in ("relu", "circle", "helix", "teacher")
} | {"digits": ["digits-lenet", "digits-vgg", "digits-resnet"]}
#: In networks on images the last two take minutes a mask.
FEWER = {"digits": PRUNERS[:5]}
FIGURES = {
    "strong": "strong_recovered_digits",
    "weak": "weak_recovered_digits",
    "overlap": "adjusted_recall",
    "collapsed": "collapsed_layers",
}


def main() -> None:
    wanted = sys.argv[1:] or list(FAMILIES)
    found = json.loads(OUT.read_text(encoding="utf-8")) if sys.argv[1:] else {}
    for family in wanted:
        pruners = FEWER.get(family, PRUNERS)
        result = pk.evaluate(
            pruners,
            challenge=FAMILIES[family],
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
                for pruner in pruners
            },
        }
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
