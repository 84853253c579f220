"""How fast networks train, as ratios to a plain loop that runs in turn with them.

    python benchmarks/speed.py                      all tables of docs/speed.md (some minutes)
    python benchmarks/speed.py profile images       some of them
    python benchmarks/speed.py accuracy             mean test performance, too (15 minutes)
    python benchmarks/speed.py --short              warns of ratios that have fallen (half a minute)

The figures go to docs/results/speed.json, and `python docs/figures.py` writes them into the page.
Everything is measured in CPU time of one thread, but for `jobs`.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import plain_loops
import processes
import profiles
import torch

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results" / "speed.json"
SECTIONS = {
    "profile": profiles.profile,
    "densities": profiles.densities,
    "images": profiles.images,
    "jobs": processes.jobs,
    "memory": processes.memory,
    "start": processes.start,
    "accuracy": plain_loops.accuracy,
}
#: A ratio that is less than this share of the one on record is warned of.
FALLEN = 0.7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--short", action="store_true", help="compare a few ratios with the record")
    arguments = parser.parse_args()
    unknown = set(arguments.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.optim.Adam([torch.zeros(1)]).step()  # the first one imports a second's worth of code
    record = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if arguments.short:
        print(*compared(profiles.short(), record.get("short", {})), sep="\n")
        return
    chosen = arguments.sections or [name for name in SECTIONS if name != "accuracy"]
    for name in chosen:
        record[name] = SECTIONS[name](arguments.rounds)
        print(name, json.dumps(record[name], indent=1), flush=True)
    if not arguments.sections:
        record["short"] = profiles.short()
    record["load"] = round(os.getloadavg()[0], 1)
    text = json.dumps(record, indent=1)
    RESULTS.write_text(text + "\n", encoding="utf-8", newline="\n")


def compared(found: Mapping[str, float], record: Mapping[str, float]) -> Iterator[str]:
    """Yields a line for each ratio that was found, and a warning if it has fallen."""
    for name, ratio in found.items():
        known = record.get(name)
        yield f"{name}: {ratio:.1f} times faster than the plain loop; on record {known}"
        if known is not None and ratio < FALLEN * known:
            loss = 1 - ratio / known
            yield f"::warning::{name}: {loss:.0%} slower than on record; see docs/speed.md"


if __name__ == "__main__":
    main()
