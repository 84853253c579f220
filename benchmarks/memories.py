"""Measures how near honest pruners come to being named as if they knew a public answer.

    plantkit evaluate random --suite starter --baselines NAMES --run-dir RUN
    python benchmarks/memories.py RUN docs/results/memories.json

Every instance of a kind stands for the public one, and every other for a fresh one, also as if all
runs on it had failed.
"""

import itertools
import json
import sys
from collections import defaultdict
from pathlib import Path

from plantkit.evaluation.run_directory import read_run
from plantkit.grading.copies.memories import LEAST_GAIN, OVERLAP, STRONG, find_memories
from plantkit.scoring.records import SCORED_OVERLAP


def main(run: Path, out: Path) -> None:
    runs = defaultdict(list)
    for record in read_run(run).records:
        kind = record.challenge.split("-")[0]
        runs[record.pruner, kind, record.challenge].append(record)
    comparisons, named = 0, []
    most = dict.fromkeys(LEAST_GAIN, 0.0)
    for (pruner, kind, one), (other, like, new) in itertools.permutations(runs, 2):
        if (pruner, kind) != (other, like):
            continue
        public, fresh = runs[pruner, kind, one], runs[pruner, kind, new]
        for changed in ({}, {"status": "timeout"}):
            records = [one.to_json() for one in public]
            records += [one.to_json() | changed for one in fresh]
            found = find_memories({pruner: records}, {fresh[0].bundle_sha256})
            named += [memory.id for memory in found]
        for mine in public:
            for theirs in fresh:
                if abs(theirs.density_multiple / mine.density_multiple - 1) > 0.05:
                    continue
                comparisons += 1
                gains = {
                    OVERLAP: mine.overlap[SCORED_OVERLAP] - theirs.overlap[SCORED_OVERLAP],
                    STRONG: mine.strong.recovered_digits - theirs.strong.recovered_digits,
                }
                most = {what: max(most[what], gains[what]) for what in most}
    most_found = max(one.overlap[SCORED_OVERLAP] for some in runs.values() for one in some)
    measured = {
        "pruners": sorted({pruner for pruner, _, _ in runs}),
        "challenges": sorted({challenge for _, _, challenge in runs}),
        "comparisons": comparisons,
        "named": len(named),
        "most_gain": {what: round(value, 3) for what, value in most.items()},
        "most_found": round(most_found, 3),
    }
    out.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
