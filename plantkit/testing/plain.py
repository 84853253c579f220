"""An ordinary interpreter, with the user's environment and directory, that runs a pruner.

It is what the `isolated` check compares with. Nothing is locked down here: only pruners that
the user trusts are run, and each in a fork of its own.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from plantkit.errors import describe
from plantkit.isolation.answers import write_answer
from plantkit.isolation.cell_runner import find_pruner
from plantkit.isolation.problems import load_problem
from plantkit.isolation.wire import CELL_FILE
from plantkit.networks.masks import validate_mask
from plantkit.pruners.sources import PrunerSource


def main() -> None:
    """Serves requests: the path of a cell a line, answered by "ok" or what went wrong."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing but answers may reach the parent's pipe
    for line in sys.stdin:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(writer, _attempt(Path(json.loads(line))).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8", errors="replace") as file:
            said = file.read()
        os.waitpid(pid, 0)
        answers.write(json.dumps(said or "ended without an answer") + "\n")
        answers.flush()


def _attempt(cell: Path) -> str:
    try:
        request = json.loads((cell / CELL_FILE).read_text(encoding="utf-8"))
        pruner = find_pruner(PrunerSource.from_json(request["source"])).pruner
        problem = load_problem(Path(request["problem"]), request["density"], request["seed"])
        values = pruner.prune(problem, request["density"], seed=request["seed"])
        write_answer(cell, validate_mask(values, problem.network, problem.budget))
    except BaseException as error:
        return describe(error)[:4000]
    return "ok"
