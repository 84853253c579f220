"""What isolation forbids, and common slips: each row says the cause and what to do."""

from __future__ import annotations

import json
import shutil
import textwrap
from dataclasses import replace

import pytest

from plantkit.errors import PluginError
from plantkit.isolation.causes import CAUSES, advice, cause_of, cause_of_end
from plantkit.isolation.failures import Attempts
from plantkit.isolation.jobs import PruneJob
from plantkit.isolation.leftovers import make_scratch
from plantkit.isolation.levels import Isolation, Level
from plantkit.isolation.opening import open_backend
from plantkit.isolation.problems import write_problem
from plantkit.isolation.wire import MOST_MESSAGE, MOST_TRACEBACK, Exit, Limits, Status
from plantkit.pruners.sources import PrunerSource

_FULL = Limits(time_seconds=60)

#: For every cause, by its name, the body of a prune() that meets it.
SUBMISSIONS = {
    "compilers": """
        from torch.utils.cpp_extension import load_inline
        load_inline("made", "int f();", functions=["f"])
    """,
    "processes": """
        from torch.utils.data import DataLoader, TensorDataset
        data = TensorDataset(problem.train.inputs, problem.train.targets)
        for inputs, targets in DataLoader(data, batch_size=32, num_workers=2):
            pass
    """,
    "event-loop": """
        import asyncio
        asyncio.run(asyncio.sleep(0))
    """,
    "network": """
        import urllib.request
        urllib.request.urlopen("http://example.com/weights.pt", timeout=3)
    """,
    "programs": """
        import subprocess
        subprocess.run(["ls"], check=True)
    """,
    "modes": """
        import shutil
        open("one", "w").close()
        shutil.copy("one", "two")
    """,
    "writing": """
        open({new!r}, "w")
    """,
    "reading": """
        open({file!r})
    """,
    "memory": """
        import torch
        torch.ones(2_000_000_000)
    """,
    "threads": """
        import threading, time
        for _ in range(30):
            threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
        time.sleep(20)
    """,
    "children": """
        import subprocess
        started = [subprocess.Popen(["sleep", "20"]) for _ in range(9)]
        started[0].wait()
    """,
    "file-size": """
        open("big", "wb").write(bytes(2_000_000))
    """,
    "disk": """
        import time
        for number in range(5):
            open(f"part-{{number}}", "wb").write(bytes(900_000))
        time.sleep(20)
    """,
    "open-files": """
        files = [open("/dev/null") for _ in range(300)]
    """,
    "time": """
        while True:
            pass
    """,
    "killed": """
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    """,
    "own-files": """
        open(__file__ + ".txt")
    """,
    "directory": """
        open("samples.csv")
    """,
    "input": """
        rounds = int(input("rounds? "))
    """,
    "packages": """
        import a_package_that_is_not_installed
    """,
    "arguments": """
        def called_wrongly(problem, density, seed):
            return problem.weights
        called_wrongly(density, problem, seed)
    """,
    "problem": """
        problem.model
    """,
    "weights": """
        list(problem.weights.parameters())
    """,
    "torch-prune": """
        prune.l1_unstructured(problem.module().layers[0], "weight", amount=0.5)
    """,
    "device": """
        import torch
        torch.ones(3, device="cuda")
    """,
    "command-line": """
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("rounds", type=int)
        parser.parse_args()
    """,
    "exit": """
        exit()
    """,
    "os-system": """
        import os
        if os.system("ls"):
            raise RuntimeError("cannot list files")
    """,
    "system-calls": """
        import os
        os.nice(5)
    """,
}
#: Where a cause needs it: other limits, and the only level that can show it.
LIMITS = {
    "memory": replace(_FULL, memory_mib=300),
    "threads": replace(_FULL, threads=10),
    "children": replace(_FULL, processes=4),
    "file-size": replace(_FULL, output_mib=1),
    "disk": replace(_FULL, disk_mib=2),
    "time": replace(_FULL, time_seconds=1),
}
LEVELS = {"children": Level.PROCESS}
STATUSES = {"memory": Status.OOM, "time": Status.TIMEOUT}

#: More ways to the same cause.
OTHERS = [
    ("processes", "import multiprocessing; multiprocessing.Pool(2)"),
    ("processes", "import os; os.fork()"),
    ("processes", "import torch; torch.ones(3).share_memory_()"),
    (
        "processes",
        "from concurrent.futures import ProcessPoolExecutor as Pool; Pool().submit(abs, 1)",
    ),
    ("network", "import socket; socket.create_connection(('10.0.0.1', 80), timeout=3)"),
    ("network", "import torch; torch.hub.load('pytorch/vision', 'resnet18')"),
    ("programs", "import os; os.popen('ls').read()"),
    ("programs", "import os; os.execv('/bin/ls', ['ls'])"),
    ("modes", "import os; open('one', 'w').close(); os.symlink('one', 'two')"),
    ("writing", "import torch; torch.save([], {new!r})"),
    ("writing", "import numpy; numpy.save({new!r}, numpy.ones(3))"),
    ("writing", "import os; os.makedirs({new!r})"),
    ("writing", "import os; os.rename({file!r}, {new!r})"),
    ("reading", "import torch; torch.load({file!r})"),
    ("reading", "import os; os.listdir(os.path.dirname({file!r}))"),
    ("memory", "bytearray(6_000_000_000)"),
    ("directory", "import os; open(os.path.expanduser('~/samples.csv'))"),
    ("exit", "raise SystemExit(2)"),
    ("weights", "[name.abs() for name in problem.weights]"),
    ("arguments", "problem, density = density, problem\nproblem.weights"),
    ("arguments", "problem, density = density, problem\nint(density * 3)"),
    ("problem", "problem['weights']"),
]


@pytest.fixture
def run(server, circle, tmp_path, write):
    """Runs the body of a prune() on the tiny circle, and returns the outcome.

    `{file}` in it is a file that exists, `{new}` one next to it that does not. Scratch is where it
    is in an evaluation: the sockets of worker processes need a short path.
    """
    write_problem(tmp_path / "problem", circle.problem(density=0.5, seed=0))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "samples.csv").write_text("1,2\n")
    names = {
        "file": str(tmp_path / "data" / "samples.csv"),
        "new": str(tmp_path / "data" / "new"),
    }
    scratch = make_scratch()

    def execute(body: str, *, level: Level = Level.FULL, limits: Limits = _FULL):
        body = textwrap.indent(textwrap.dedent(body).strip().format(**names), "    ")
        code = f"def prune(problem, density, seed):\n{body}\n    return None\n"
        job = PruneJob(
            source=PrunerSource(path=str(write(code))),
            problem=tmp_path / "problem",
            network=circle.network,
            density=0.5,
            seed=0,
            limits=limits,
        )
        return open_backend(scratch, Isolation(level=level), server).run(job)

    yield execute
    shutil.rmtree(scratch)


def test_there_is_a_submission_for_every_cause():
    names = [cause.name for cause in CAUSES]
    assert sorted(SUBMISSIONS) == sorted(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_a_row_names_the_cause_and_the_remedy(name, run):
    limits = LIMITS.get(name, _FULL)
    outcome = run(SUBMISSIONS[name], level=LEVELS.get(name, Level.FULL), limits=limits)
    assert outcome.status is STATUSES.get(name, Status.CRASH)
    assert outcome.error.endswith(f"; {advice(name, limits)}")


@pytest.mark.parametrize(("name", "body"), OTHERS)
def test_other_ways_lead_to_the_same_cause(name, body, run):
    outcome = run(body)
    assert outcome.error.endswith(f"; {advice(name, _FULL)}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("compilers", "import torch; torch.compile(lambda x: x.sin() + 1)(torch.ones(4))"),
        ("network", "from sklearn.datasets import fetch_openml; fetch_openml('mnist_784')"),
    ],
)
def test_slow_ways_lead_to_the_same_cause(name, body, run):
    assert run(body).error.endswith(f"; {advice(name, _FULL)}")


@pytest.mark.parametrize(
    "name",
    ["processes", "event-loop", "programs", "modes", "writing", "reading", "os-system"],
)
def test_what_only_full_isolation_forbids_works_in_a_plain_process(name, run):
    outcome = run(SUBMISSIONS[name], level=Level.PROCESS)
    assert outcome.error.startswith("prune() returned NoneType")  # it came to the end


@pytest.mark.parametrize(
    "body",
    [
        "raise PermissionError('not mine')",
        "raise PermissionError(13, 'Permission denied')",
        "raise ValueError('Permission denied')",
        "raise FileNotFoundError('nothing')",
        "try:\n    open({file!r})\nexcept OSError:\n    raise ValueError('no file')",
        "try:\n    open({file!r})\nexcept OSError:\n    pass\nraise ValueError('no file')",
        "try:\n    bytearray(9_000_000_000)\nexcept MemoryError:\n    raise ValueError('big')",
        "open('mine', 'w').close(); open('mine').read().index('x')",
    ],
)
def test_an_error_of_ones_own_is_not_put_down_to_isolation(body, run):
    outcome = run(body)
    assert outcome.status is Status.CRASH
    assert outcome.error.endswith(")")  # the line, and nothing after it
    assert "isolation" not in outcome.error


def test_a_path_that_the_modes_forbid_is_not_put_down_to_isolation(tmp_path):
    forbidden = PermissionError(13, "Permission denied", str(tmp_path / "none" / "file"))
    allowed = PermissionError(13, "Permission denied", str(tmp_path))
    assert cause_of(forbidden, Level.FULL, Attempts(), None) == ""
    assert cause_of(allowed, Level.FULL, Attempts(), None) == "reading"
    assert cause_of(allowed, Level.PROCESS, Attempts(), None) == ""
    assert cause_of(allowed, Level.NONE, Attempts(), None) == ""


def test_no_advice_of_a_level_is_given_without_isolation(run):
    assert run("import os; open('samples.csv')", level=Level.NONE).error.endswith("(line 2)")
    assert "problem offers weights" in run("problem.model", level=Level.NONE).error


@pytest.mark.parametrize(
    "report",
    [
        {"message": "x" * 60_000, "cause": "reading"},
        {"message": "x", "cause": "no such cause", "traceback": "y" * 60_000},
        {"message": "x", "cause": ["reading"], "traceback": 3},
        {"message": "x\x1b[2J", "cause": "reading", "traceback": "\x1b]0;title\x07z"},
        {"message": 3, "cause": "reading"},
    ],
)
def test_a_submission_that_lies_is_bounded(report, run):
    lie = f"import os; open('error.json', 'w').write({json.dumps(report)!r}); os._exit(0)"
    outcome = run(lie.replace("{", "{{").replace("}", "}}"))
    assert outcome.status is Status.CRASH
    assert 0 < len(outcome.error) <= MOST_MESSAGE + 2
    assert len(outcome.traceback) <= MOST_TRACEBACK
    assert "\x1b" not in outcome.error + outcome.traceback


def test_an_error_made_to_harm_is_reported_all_the_same(run):
    outcome = run("""
        class Bad(OSError):
            errno = property(lambda self: 1 / 0)
            __str__ = lambda self: 1 / 0
        raise Bad
    """)
    assert outcome.status is Status.CRASH
    assert "Bad" in outcome.error


def test_a_submission_that_cannot_be_imported(server, tmp_path, write):
    backend = open_backend(tmp_path / "cells", Isolation(level=Level.FULL), server)

    def error_of(code: str) -> PluginError:
        with pytest.raises(PluginError) as caught:
            backend.describe(PrunerSource(path=str(write(code))), _FULL)
        return caught.value

    download = error_of("import urllib.request as r\nr.urlopen('http://example.com')\n")
    assert "line 2: cannot be imported: URLError" in str(download)
    assert str(download).endswith(advice("network", _FULL))
    assert download.traceback.splitlines()[1] == '  File "mine.py", line 2, in <module>'
    parser = error_of(
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('k')\np.parse_args()\n"
    )
    assert "called sys.exit(2)" in str(parser)
    assert str(parser).endswith(advice("command-line", _FULL))
    assert str(error_of("input()")).endswith(advice("input", _FULL))


def test_options_that_a_parser_does_not_need_do_no_harm(server, tmp_path, write):
    code = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=3)
ROUNDS = parser.parse_args().rounds
def prune(problem, density, seed):
    pass
"""
    backend = open_backend(tmp_path / "cells", server=server)
    (described,) = backend.describe(PrunerSource(path=str(write(code))), _FULL)
    assert described.name == "mine"


def test_a_traceback_holds_the_submissions_own_lines_only(run):
    outcome = run("""
        import json
        def inner(text):
            return json.loads(text)
        inner("nothing")
    """)
    lines = outcome.traceback.splitlines()
    assert [line for line in lines if "File" in line] == [
        '  File "mine.py", line 5, in prune',
        '  File "mine.py", line 4, in inner',
    ]
    assert lines[-1].startswith("json.decoder.JSONDecodeError: ")
    assert "json/decoder.py" not in outcome.traceback


def test_a_traceback_tells_what_an_error_comes_from(run):
    outcome = run("""
        try:
            {{}}["key"]
        except KeyError as error:
            raise ValueError("no key") from error
    """)
    assert "KeyError: 'key'" in outcome.traceback
    assert outcome.traceback.endswith("ValueError: no key\n")


def test_a_long_traceback_is_cut(run):
    outcome = run("raise ValueError('\U0001f331' * 100_000)")
    assert 0 < len(outcome.traceback) <= MOST_TRACEBACK
    assert outcome.error.startswith("ValueError")


def test_an_end_that_only_the_parent_sees():
    assert cause_of_end(Exit(seconds=1.0, signal="SIGXCPU")) == "time"
    assert cause_of_end(Exit(seconds=1.0, signal="SIGSEGV")) == ""
    assert cause_of_end(Exit(seconds=1.0, code=3)) == ""
