"""How many single-point mutants of the core modules the tests kill.

    pip install -c constraints.txt -e ".[dev,mutants]"
    python benchmarks/mutants.py            # some hours on 2 cores; goes on where it was stopped
    python benchmarks/mutants.py scoring.   # only mutants whose name contains this
    python benchmarks/mutants.py --report   # what is known so far, without running any

mutmut makes the mutants and runs the tests that reach each; `[tool.mutmut]` in pyproject.toml
names the modules. A mutant whose change nobody can observe does not show a gap in the tests:
`equivalent_mutants.toml` lists those, with the reason. Mutants of `zip(strict=...)` are left
out too: `strict` guards against mistakes in the code, and no input reaches it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Share of a module's mutants that its tests must kill.
GOAL = 0.9
#: Exit codes of mutmut for mutants that no test killed: it survived, the run was interrupted,
#: no test reaches it (two codes), it was skipped, and the result is suspicious.
_NOT_KILLED = {0, 2, 5, 33, 34, 35}
_STRICT = re.compile(r",?\s*strict=(True|False|None)")


def results(wanted: str) -> Iterator[tuple[str, bool]]:
    """Yields the name of each mutant that was run, and whether a test killed it."""
    for path in sorted((ROOT / "mutants").rglob("*.py.meta")):
        for name, code in json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"].items():
            if code is not None and wanted in name:
                yield name, code not in _NOT_KILLED


def change(name: str) -> tuple[str, str]:
    """Returns the lines that a mutant takes away, and those that it puts in their place."""
    shown = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", name],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    lines = [line for line in shown.splitlines() if re.match(r"[-+](?![-+])", line)]
    old, new = ("\n".join(line[1:] for line in lines if line[0] == sign) for sign in "-+")
    return old, new


def only_strict(old: str, new: str) -> bool:
    """Returns whether two lines differ in the `strict` of a `zip` only."""
    one, other = (re.sub(r",?\s*\)", ")", _STRICT.sub("", text)).split() for text in (old, new))
    return "".join(one) == "".join(other)


def main() -> int:
    words = [word for word in sys.argv[1:] if word != "--report"]
    wanted = words[0] if words else ""
    if "--report" not in sys.argv:
        pattern = [f"*{wanted}*"] if wanted else []
        subprocess.run([sys.executable, "-m", "mutmut", "run", *pattern], cwd=ROOT, check=False)
    listed = tomllib.loads(
        (ROOT / "benchmarks" / "equivalent_mutants.toml").read_text(encoding="utf-8")
    )
    # An entry without `new` stands for every change of its line.
    equivalent = {(one["old"].strip(), one.get("new", "*").strip()) for one in listed["mutant"]}
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, killed in results(wanted):
        module = name.rpartition(".x")[0]
        if not killed:
            old, new = change(name)
            changes = {(old.strip(), new.strip()), (old.strip(), "*")}
            if only_strict(old, new) or changes & equivalent:
                continue
            print(f"{name}\n-{old}\n+{new}\n")
        counts[module][0] += killed
        counts[module][1] += 1
    for module, (killed_count, made) in sorted(counts.items()):
        print(f"{module:45} {killed_count:5} of {made:5} killed  {killed_count / made:6.1%}")
    return int(any(killed / made < GOAL for killed, made in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
