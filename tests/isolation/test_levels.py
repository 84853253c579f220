"""Levels: what a machine offers, what is chosen, what is recorded, what `doctor` says."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from plantkit.errors import IsolationError
from plantkit.isolation import files, kernel, probe, scratch, syscalls, trial
from plantkit.isolation.backends.in_process import InProcess
from plantkit.isolation.backends.locked_down import LockedDown
from plantkit.isolation.files import readable_paths
from plantkit.isolation.jobs import PruneJob
from plantkit.isolation.leftovers import scratch_directory
from plantkit.isolation.levels import Check, Isolation, Level, Offer, choose
from plantkit.isolation.opening import open_backend
from plantkit.isolation.problems import write_problem
from plantkit.isolation.scratch import NotRegularError, read_regular, remove_tree, used_bytes
from plantkit.isolation.wire import Limits, Status, plain_text
from plantkit.pruners.sources import PrunerSource
from plantkit.schemas import violations


def offer(**works: bool) -> Offer:
    levels = {"limits": Level.PROCESS, "files": Level.FULL, "network": Level.FULL}
    return Offer(
        checks=[
            Check(level=levels[name], name=name, works=value, detail="seen", remedy=f"mend {name}")
            for name, value in works.items()
        ]
    )


WHOLE = offer(limits=True, files=True, network=True)
NO_FILES = offer(limits=True, files=False, network=True)


class TestChoose:
    def test_auto_is_full_where_all_works(self):
        assert choose("auto", WHOLE) == (Level.FULL, "")

    def test_auto_falls_back_with_one_warning_that_names_what_is_missing(self):
        level, warning = choose("auto", NO_FILES)
        assert level is Level.PROCESS
        assert "lacks files" in warning
        assert "network" not in warning
        assert "\n" not in warning

    def test_full_needs_what_process_needs(self):
        lacking = offer(limits=False, files=True, network=True)
        level, warning = choose("auto", lacking)
        assert level is Level.WATCHED
        assert "isolation is 'watched': this machine lacks limits" in warning
        for requested in ("full", "process"):
            with pytest.raises(IsolationError, match=r"limits: seen; mend limits\n.*watched runs"):
                choose(requested, lacking)

    def test_none_is_never_given_unless_it_is_asked_for(self):
        nothing = Offer(
            checks=[
                Check(level=level, name=f"what {level} needs", works=False, detail="seen")
                for level in (Level.FULL, Level.PROCESS, Level.WATCHED)
            ]
        )
        with pytest.raises(IsolationError, match="a process of its own:\n  what watched needs: "):
            choose("auto", nothing)
        assert choose("none", nothing) == (Level.NONE, "")

    def test_full_fails_with_what_is_missing_and_what_to_do(self):
        with pytest.raises(IsolationError, match="files: seen; mend files") as info:
            choose("full", NO_FILES)
        assert info.value.exit_code == 3

    @pytest.mark.parametrize("requested", ["process", "watched", "none"])
    def test_less_is_given_without_a_warning(self, requested):
        assert choose(requested, NO_FILES) == (Level(requested), "")


class WithoutLandlock(LockedDown):
    """Forgets to close the files."""

    @classmethod
    def confine(cls, *given):
        super(LockedDown, cls).confine(*given)
        syscalls.apply()


class WithoutFilter(LockedDown):
    """Forgets to filter system calls."""

    @classmethod
    def confine(cls, cell, limits, readable, hidden):
        super(LockedDown, cls).confine(cell, limits, readable, hidden)
        files.restrict(files.readable_paths(tuple(hidden)), readable, [cell])


class OnAnOldKernel(LockedDown):
    """Is refused what it asks of the kernel."""

    @classmethod
    def confine(cls, *_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")


class TestProbe:
    def test_a_promise_that_is_broken_is_seen(self):
        """Every trial for full isolation fails in a process that is not locked away."""
        found = {
            name: trial._in_child(InProcess, attempt)
            for name, attempt in {
                "files": trial._try_files,
                "network": trial._try_network,
                "signals": trial._try_signals,
                "processes": trial._try_processes,
            }.items()
        }
        assert all("worked" in problem for problem in found.values()), found

    @pytest.mark.parametrize(
        ("backend", "attempt", "problem"),
        [
            (WithoutLandlock, trial._try_files, "reading a file outside worked"),
            (WithoutFilter, trial._try_network, "AF_INET"),
            (OnAnOldKernel, trial._try_files, "not supported"),
        ],
    )
    def test_a_broken_backend_is_seen(self, backend, attempt, problem):
        assert problem in trial._in_child(backend, attempt)

    def test_a_missing_package_is_seen(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "landlockpy", None)
        assert "landlockpy" in trial._in_child(LockedDown, trial._try_files)


def test_the_command_line_records_the_level(plantkit_cli, write, tiny_challenges, tmp_path):
    body = "return {n: w * 0 for n, w in problem.weights.items()}"
    code = f"def prune(problem, density, seed):\n    {body}\n"
    best = "full" if probe.probe_machine().offers(Level.FULL) else "process"
    asked = ("process", "watched", "none")
    for requested, level in (("auto", best), *zip(asked, asked, strict=True)):
        done = plantkit_cli(
            *("evaluate", write(code), "--challenge", tiny_challenges / "relu-3x8"),
            *("--density", "0.5", "--seeds", "1", "--baselines", "none", "--jobs", "1"),
            *("--format", "json", "--isolation", requested),
        )
        assert done.code == 0, done
        value = json.loads(done.out)
        assert violations(value, "results") == []
        assert value["run"]["isolation"] == level
        assert value["records"][0]["status"] == "ok"


def test_full_isolation_that_is_missing_ends_with_code_3(
    plantkit_cli, write, tiny_challenges, monkeypatch
):
    monkeypatch.setattr("plantkit.evaluation.run.probe_machine", lambda: NO_FILES)
    arguments = ("evaluate", write("x = 1"), "--challenge", tiny_challenges / "relu-3x8")
    done = plantkit_cli(*arguments, "--isolation", "full")
    assert done.code == 3
    assert "files: seen; mend files" in done.err
    assert "Traceback" not in done.err


def test_threads_that_ask_at_once_get_the_same_answer():
    program = """
import time
from concurrent.futures import ThreadPoolExecutor
from plantkit.isolation.probe import probe_machine
def ask(number):
    time.sleep(0.05 * number)
    return [(check.name, check.works) for check in probe_machine().checks]
with ThreadPoolExecutor(4) as pool:
    first, *others = pool.map(ask, range(4))
assert len(first) > 1 and all(found == first for found in others), (first, others)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_doctor(plantkit_cli, monkeypatch):
    monkeypatch.setattr(probe, "probe_machine", lambda: NO_FILES)
    done = plantkit_cli("doctor")
    assert done.code == 0
    assert "full: no" in done.out
    assert "process: available" in done.out
    assert "missing files: seen" in done.out
    assert "to do: mend files" in done.out
    value = json.loads(plantkit_cli("doctor", "--format", "json").out)
    assert value["isolation"] == "process"
    assert value["levels"]["full"] == {"available": False, "missing": ["files"]}


def test_without_isolation_a_pruner_runs_in_this_process(circle, tmp_path, write, capfd):
    code = "import os\ndef prune(problem, density, seed):\n    print('pid', os.getpid())\n"
    write_problem(tmp_path / "problem", circle.problem(density=0.5, seed=0))
    job = PruneJob(
        source=PrunerSource(path=str(write(code))),
        problem=tmp_path / "problem",
        network=circle.network,
        density=0.5,
        seed=0,
        limits=Limits(),
    )
    with open_backend(tmp_path / "cells", Isolation(level=Level.NONE)) as backend:
        outcome = backend.run(job)
    assert outcome.status is Status.INVALID
    assert capfd.readouterr().out == f"pid {os.getpid()}\n"


def test_torch_works_under_full_isolation(server, circle, tmp_path, write):
    """Gradients, threads, training and files of its own are no attack."""
    code = """
import tempfile, threading
import numpy, torch
def prune(problem, density, seed):
    torch.set_num_threads(2)
    x = torch.rand(400, 400, requires_grad=True)
    (x @ x).relu().sum().backward()
    thread = threading.Thread(target=torch.linalg.svd, args=(torch.rand(50, 50),))
    thread.start(); thread.join()
    problem.fit({n: torch.ones_like(w) for n, w in problem.weights.items()}, epochs=1)
    with tempfile.NamedTemporaryFile() as file:
        numpy.save(file, x.grad.numpy()); file.seek(0); numpy.load(file)
    return {n: w * 0 for n, w in problem.weights.items()}
"""
    write_problem(tmp_path / "problem", circle.problem(density=0.5, seed=0))
    job = PruneJob(
        source=PrunerSource(path=str(write(code))),
        problem=tmp_path / "problem",
        network=circle.network,
        density=0.5,
        seed=0,
        limits=Limits(time_seconds=60),
    )
    outcome = open_backend(tmp_path / "cells", server=server).run(job)
    assert (outcome.status, outcome.error) == (Status.OK, "")


def test_what_is_hidden_stays_closed_inside_of_a_library(tmp_path):
    package = Path(json.__path__[0])
    opened = dict(readable_paths((package / "decoder.py",)))
    assert str(package / "decoder.py") not in opened
    assert opened[str(package.resolve())] is False
    assert opened[str(package.resolve() / "encoder.py")] is True
    assert opened[str(package.resolve().parent)] is False


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_a_process_can_close_its_memory():
    was = kernel.is_dumpable()
    try:
        assert kernel.set_dumpable(False)
        assert not kernel.is_dumpable()
    finally:
        kernel.set_dumpable(was)


@pytest.fixture(params=["from open directories", "by path"])
def _ways(request, monkeypatch):
    """Removes and reads files as Linux and macOS can, and as Windows can."""
    if request.param == "by path":
        monkeypatch.setattr(scratch, "_FROM_DIRECTORY", False)
        monkeypatch.setattr(scratch, "_TRY_AGAIN_SECONDS", (0.0,))


@pytest.mark.usefixtures("_ways")
class TestScratch:
    def test_everything_is_removed(self):
        with scratch_directory() as root:
            outside = root.parent
            assert stat.S_IMODE(root.stat().st_mode) == 0o700
            here = Path.cwd()
            (root / "odd\nname \x1b[31m").mkdir()
            (root / "link").symlink_to(outside)
            os.mkfifo(root / "pipe")
            (root / "closed" / "inner").mkdir(parents=True)
            (root / "closed" / "inner" / "file").touch()
            (root / "closed" / "inner").chmod(0)
            (root / "closed").chmod(0)
            os.chdir(root)
            if scratch._FROM_DIRECTORY:
                for _ in range(1001):  # one more than Python's recursion
                    os.mkdir("deeper")  # noqa: PTH102
                    os.chdir("deeper")
            os.chdir(here)
        assert not root.exists()
        assert outside.exists()

    def test_a_file_in_the_place_of_a_directory_is_removed(self, tmp_path):
        (tmp_path / "x").touch()
        remove_tree(tmp_path / "x")
        assert not (tmp_path / "x").exists()

    def test_used_bytes(self, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "b").write_bytes(b"x" * 100_000)
        assert 100_000 <= used_bytes(tmp_path, 10**9) < 130_000
        assert used_bytes(tmp_path, 10) > 10

    def test_only_regular_files_are_read(self, tmp_path):
        (tmp_path / "file").write_bytes(b"0123456789")
        (tmp_path / "link").symlink_to("file")
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "directory").mkdir()
        assert read_regular(tmp_path / "file", 4) == b"0123"
        assert read_regular(tmp_path / "file", 4, from_end=True) == b"6789"
        for name in ("link", "pipe", "directory"):
            with pytest.raises(NotRegularError, match="not a regular file"):
                read_regular(tmp_path / name, 4)
        os.link(tmp_path / "file", tmp_path / "second")
        with pytest.raises(NotRegularError, match="hard link"):
            read_regular(tmp_path / "file", 4)
        with pytest.raises(FileNotFoundError):
            read_regular(tmp_path / "missing", 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("back\rward\x08", "backward"),
        ("\u202eturned", "turned"),
        ("\x9b31mred", "31mred"),
        (None, ""),
        (["x"], ""),
        ("long" * 10, "long" * 5),
    ],
)
def test_text_of_a_pruner_is_made_plain(text, expected):
    assert plain_text(text, 20) == expected
