"""Submissions of every form run in a child at every level, and each reaches its own files only."""

from __future__ import annotations

import json
import zipfile

import pytest

from plantkit.errors import PluginError
from plantkit.isolation.jobs import PruneJob
from plantkit.isolation.levels import Isolation, Level, process_level
from plantkit.isolation.opening import open_backend
from plantkit.isolation.probe import probe_machine
from plantkit.isolation.problems import write_problem
from plantkit.isolation.wire import Limits, Status
from plantkit.pruners.sources import PrunerSource

MACHINE = probe_machine()


def marks_of(level):
    """Skips what this machine lacks. Where it has better, `watched` runs with the slow tests."""
    if not MACHINE.offers(level):
        return pytest.mark.skip(reason=f"this machine offers no level {level}")
    return pytest.mark.slow if level is Level.WATCHED and MACHINE.offers(Level.FULL) else ()


LEVELS = [pytest.param(level, marks=marks_of(level)) for level in Level]

#: Keeps as many parameters as the module `helpers` says.
MAIN = """
import torch
from helpers import count
def prune(problem, density, seed):
    kept = torch.arange(problem.network.total) < count()
    pieces = kept.split([w.numel() for w in problem.weights.values()])
    return {n: p.view(w.shape) for p, (n, w) in zip(pieces, problem.weights.items())}
"""


def helpers(count: int) -> str:
    return f"def count():\n    return {count}\n"


@pytest.fixture(params=LEVELS)
def backend(request, server, tmp_path):
    """A backend of each level."""
    return open_backend(tmp_path / "cells", Isolation(level=request.param), server)


@pytest.fixture(params=[process_level(), Level.NONE])
def child_or_here(request, server, tmp_path):
    """A backend with a child process, and one without, where levels make no other difference."""
    return open_backend(tmp_path / "cells", Isolation(level=request.param), server)


@pytest.fixture
def run(circle, tmp_path):
    """Runs what is at a path and returns the outcome."""
    write_problem(tmp_path / "problem", circle.problem(density=0.5, seed=0))

    def execute(backend, path):
        source = PrunerSource(path=str(path)).read()
        job = PruneJob(
            source=source,
            problem=tmp_path / "problem",
            network=circle.network,
            density=0.5,
            seed=0,
            limits=Limits(time_seconds=20),
        )
        return backend.run(job)

    return execute


def test_two_submissions_with_a_helper_of_the_same_name(backend, run, tmp_path):
    for number in (3, 4):
        folder = tmp_path / f"submission_{number}"
        folder.mkdir()
        (folder / "mine.py").write_text(MAIN)
        (folder / "helpers.py").write_text(helpers(number))
    for number in (3, 4, 3):
        outcome = run(backend, tmp_path / f"submission_{number}" / "mine.py")
        assert (outcome.status, outcome.error) == (Status.OK, "")
        assert outcome.mask.kept == number


def test_every_form(backend, run, tmp_path):
    folder = tmp_path / "box"
    folder.mkdir()
    (folder / "mine.py").write_text(MAIN)
    (folder / "helpers.py").write_text(helpers(5))
    with zipfile.ZipFile(tmp_path / "box.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"box/{path.name}")
    cells = [{"cell_type": "code", "source": text} for text in ("%magic", "!ls", MAIN)]
    (folder / "mine.ipynb").write_text(json.dumps({"cells": cells}))
    for form in ("box/mine.py", "box.zip", "box/mine.ipynb"):
        outcome = run(backend, tmp_path / form)
        assert (outcome.status, outcome.error) == (Status.OK, ""), form
        assert outcome.mask.kept == 5, form
    (folder / "mine.ipynb").unlink()
    assert run(backend, folder).mask.kept == 5
    assert not list((tmp_path / "cells").iterdir())  # nothing is left of the copies


def test_errors_name_the_place(child_or_here, run, tmp_path):
    cells = [{"cell_type": "code", "source": text} for text in ("import helpers", MAIN)]
    (tmp_path / "mine.ipynb").write_text(json.dumps({"cells": cells}))
    (tmp_path / "helpers.py").write_text("def count():\n    return 1 / 0\n")
    outcome = run(child_or_here, tmp_path / "mine.ipynb")
    assert outcome.error == "ZeroDivisionError: division by zero (helpers.py, line 2)"
    (tmp_path / "helpers.py").write_text("def count():\n    return None\n")
    outcome = run(child_or_here, tmp_path / "mine.ipynb")
    assert outcome.error.endswith("(code cell 2, line 5)")
    (tmp_path / "helpers.py").write_text("x = 1\n1 / 0\n")
    with pytest.raises(PluginError) as error:
        child_or_here.describe(
            PrunerSource(path=str(tmp_path / "mine.ipynb")), Limits(time_seconds=20)
        )
    where = f"{tmp_path / 'mine.ipynb'}, helpers.py, line 2"
    assert str(error.value) == f"{where}: cannot be imported: ZeroDivisionError: division by zero"


def test_pruned_modules_are_masks_and_pruned_weights_get_advice(child_or_here, run, circle, write):
    code = """
    import torch.nn.utils.prune as torch_prune
    def prune(problem, density, seed):
        module = problem.module()
        parameters = [(layer, name) for layer in module.layers for name in ("weight", "bias")]
        torch_prune.global_unstructured(parameters, torch_prune.L1Unstructured,
            amount=problem.network.total - problem.budget)
        {}
    """.replace("\n    ", "\n")
    budget = circle.problem(density=0.5, seed=0).budget
    for form in ("module", "module.named_buffers()", "module.state_dict()"):
        outcome = run(child_or_here, write(code.format(f"return {form}")))
        assert (outcome.status, outcome.error, outcome.mask.kept) == (Status.OK, "", budget)
    removed = "[torch_prune.remove(*pair) for pair in parameters]; return module.state_dict()"
    outcome = run(child_or_here, write(code.format(removed)))
    assert outcome.status is Status.INVALID
    assert "return {name: weight != 0 for name, weight in weights.items()}" in outcome.error


def test_a_function_called_like_torchs_module(child_or_here, run, write):
    code = """
from torch.nn.utils import prune
def prune(problem, density, seed):
    prune.l1_unstructured(problem.module().layers[0], "weight", amount=0.5)
"""
    outcome = run(child_or_here, write(code))
    assert outcome.error.startswith("AttributeError: 'function' object has no attribute")
    assert "import torch.nn.utils.prune as torch_prune" in outcome.error


def test_a_file_that_did_not_come_along(child_or_here, run, tmp_path):
    code = "from pathlib import Path\ndef prune(problem, density, seed):\n    "
    for name in ("(Path(__file__).parent / 'x.txt')", "Path('/no/such/x.txt')"):
        (tmp_path / "mine.py").write_text(f"{code}{name}.read_text()\n")
        outcome = run(child_or_here, tmp_path / "mine.py")
        assert outcome.error.startswith("FileNotFoundError: ")
        assert ("hand in the folder" in outcome.error) is ("__file__" in name)


READS = """
import os
from pathlib import Path
def prune(problem, density, seed):
    print("own", (Path(__file__).parent / "own.txt").read_text())
    for path in {paths!r}:
        try:
            print("READ", os.listdir(path) if os.path.isdir(path) else open(path).read())
        except PermissionError:
            print("denied", path)
    return {{n: w * 0 for n, w in problem.weights.items()}}
"""


@pytest.mark.skipif(not MACHINE.offers(Level.FULL), reason="this machine offers no full isolation")
def test_under_full_isolation_a_submission_reads_its_own_files_only(run, server, tmp_path):
    mine, other = tmp_path / "mine", tmp_path / "other"
    for folder in (mine, other):
        folder.mkdir()
    (other / "secret.txt").write_text("secret")
    (tmp_path / "beside.txt").write_text("beside")
    (mine / "own.txt").write_text("data")
    paths = [mine, mine / "a.py", other, other / "secret.txt", tmp_path / "beside.txt", tmp_path,
             tmp_path / "cells"]  # fmt: skip
    (mine / "a.py").write_text(READS.format(paths=list(map(str, paths))))
    full = open_backend(tmp_path / "cells", Isolation(level=Level.FULL), server)
    outcome = run(full, mine)
    assert (outcome.status, outcome.error) == (Status.OK, "")
    assert outcome.output.splitlines() == ["own data", *(f"denied {path}" for path in paths)]


def test_a_submission_that_changes_itself_changes_no_later_run(backend, run, tmp_path):
    """Its copy is its own, and so is where it was read from."""
    (tmp_path / "mine.py").write_text(
        MAIN + "\nfrom pathlib import Path\nPath(__file__).write_text('raise ValueError')\n"
    )
    (tmp_path / "helpers.py").write_text(helpers(2))
    source = PrunerSource(path=str(tmp_path / "mine.py")).read()
    (tmp_path / "helpers.py").write_text("raise ValueError")  # read once: this comes too late
    for _ in range(2):
        [described] = backend.describe(source, Limits(time_seconds=20))
        assert described.name == "mine"
