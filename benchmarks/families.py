"""What reference pruners reach on each family: the tables of the pages in docs/families.

    python benchmarks/families.py           # writes docs/results/families.json (40 CPU minutes)
    python benchmarks/families.py digits    # only this family, the others as they are

Every family is evaluated on three challenges, once each, at the densities of the suite `starter`:
instances of one kind, or digits in three networks. Figures are means over the three. Of a family
with constants of chance three new instances are planted, from a public seed. For digits it
also has each network's own figures at the planted density, and the processor seconds of a planting.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch

import plantkit as pk
from plantkit.planting import FAMILIES as ALL
from plantkit.planting import default_method, find_family
from plantkit.planting.drawn import DrawnFamily

OUT = Path(__file__).parent.parent / "docs/results/families.json"
PRUNERS = ["random", "magnitude", "snip", "grasp", "synflow", "ntk-sap", "edge-popup"]
PRUNERS += ["gates:effort=1"]
FAMILIES = {
    family: [f"{family}-5x100{instance}" for instance in ("", "-b", "-c")]
    for family in ("relu", "circle", "helix", "teacher")
} | {"digits": ["digits-lenet", "digits-vgg", "digits-resnet"]}
DRAWN = [name for name, family in ALL.items() if isinstance(family, DrawnFamily)]
FAMILIES |= {family: [f"{family}-5x50"] for family in DRAWN}
SECRET = "benchmarks/families.py"
#: In networks on images the last two take minutes a mask.
FEWER = {"digits": PRUNERS[:5]}
FIGURES = {
    "strong": "strong_recovered_digits",
    "weak": "weak_recovered_digits",
    "overlap": "adjusted_recall",
    "collapsed": "collapsed_layers",
}


def networks_of(frame: Any) -> dict[str, Any]:
    """Returns what a planting of each network of digits takes, and what pruners reach in it."""
    family = find_family("digits")
    method = default_method(family)
    torch.set_num_threads(1)
    found = {}
    for challenge in FAMILIES["digits"]:
        started = time.process_time()
        method.plant(family, family.network(challenge.partition("-")[2]), seed=b"families")
        seconds = time.process_time() - started
        rows = frame[(frame.challenge == challenge) & (frame.density_multiple == 1)]
        found[challenge] = {
            "planting_seconds": round(seconds, 1),
            "at 1x": {
                row["pruner"]: {
                    name: round(float(row[FIGURES[name]]), 4) for name in ("strong", "weak")
                }
                for row in rows.to_dict("records")
            },
        }
    return found


def main() -> None:
    os.environ["PLANTKIT_FAMILIES"] = SECRET
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
            fresh=3 if family in DRAWN else None,
            fresh_seed_env="PLANTKIT_FAMILIES" if family in DRAWN else None,
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
        if family == "digits":
            found[family]["networks"] = networks_of(frame)
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
