"""Level `watched`: a process of its own that is ended, with all that it started, from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from plantkit.errors import IsolationError
from plantkit.isolation import families, spawned
from plantkit.isolation.families import Family
from plantkit.isolation.jobs import Outcome, PruneJob
from plantkit.isolation.levels import Isolation, Level
from plantkit.isolation.opening import open_backend
from plantkit.isolation.problems import write_problem
from plantkit.isolation.servers import PrunerServer, server_pool
from plantkit.isolation.wire import MARKER, Limits, Status
from plantkit.pruners.sources import PrunerSource

WATCHED = Isolation(level=Level.WATCHED)
GOOD = """
def prune(problem, density, seed):
    return {n: w * 0 for n, w in problem.weights.items()}
"""
#: A program that leaves a process without a parent, and tells its id.
ORPHAN = (
    "import subprocess, sys; null = subprocess.DEVNULL; "
    "print(subprocess.Popen([sys.executable, '-I', '-S', '-c', 'import time; time.sleep(600)'], "
    "stdin=null, stdout=null, stderr=null).pid, flush=True)"
)


@pytest.fixture(scope="module")
def watched() -> Iterator[PrunerServer]:
    with PrunerServer() as server:
        yield server


@pytest.fixture
def run(watched, circle, tmp_path, write) -> Callable[..., Outcome]:
    """Runs a submission's code, or an installed pruner, on the tiny circle."""
    write_problem(tmp_path / "problem", circle.problem(density=0.5, seed=0))

    def execute(code: str, *, server: PrunerServer = watched, **limits) -> Outcome:
        is_installed = code.isidentifier()
        source = (
            PrunerSource(entry_point=code, name=code)
            if is_installed
            else PrunerSource(path=str(write(textwrap.dedent(code))))
        )
        job = PruneJob(
            source=source,
            problem=tmp_path / "problem",
            network=circle.network,
            density=0.5,
            seed=0,
            limits=Limits(**{"time_seconds": 60, **limits}),
        )
        outcome = open_backend(tmp_path / "cells", WATCHED, server).run(job)
        assert list((tmp_path / "cells").iterdir()) == []
        return outcome

    return execute


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def becomes_true(condition: Callable[[], bool], timeout_seconds: float = 60) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_a_good_pruner(run, circle):
    outcome = run(GOOD)
    assert (outcome.status, outcome.error, outcome.mask.kept) == (Status.OK, "", 0)
    assert 0 < outcome.seconds < 60
    assert outcome.peak_rss_mib > 10


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ("raise ValueError('no idea')", Status.CRASH, "ValueError: no idea (line 2)"),
        pytest.param(
            *("import sys; sys.exit(0)", Status.CRASH, "called sys.exit(0)"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("import os; os._exit(0)", Status.CRASH, "exited with code 0 and without an answer"),
            marks=pytest.mark.slow,
        ),
        ("import os; os._exit(9)", Status.CRASH, "exited with code 9"),
        (
            "import ctypes; ctypes.string_at(0)",
            Status.CRASH,
            "Windows error 0xC" if sys.platform == "win32" else "killed by SIGSEGV",
        ),
    ],
)
def test_failures_have_a_status_and_a_reason(run, body, status, expected):
    outcome = run(f"def prune(problem, density, seed):\n    {body}\n")
    assert outcome.status is status, outcome
    assert expected in outcome.error
    assert outcome.mask is None


def test_a_run_without_an_end_is_ended(run):
    started = time.monotonic()
    outcome = run("def prune(problem, density, seed):\n    while True: pass\n", time_seconds=1)
    assert outcome.status is Status.TIMEOUT
    assert outcome.error.startswith("ran longer than the time limit of 1 s; ")
    assert 1 <= outcome.seconds < 10
    assert time.monotonic() - started < 60


def test_a_run_that_closes_all_that_it_has_open_is_ended(run):
    code = """
    import os, time
    def prune(problem, density, seed):
        os.closerange(0, 100)
        time.sleep(600)
    """
    assert run(code, time_seconds=2).status is Status.TIMEOUT


def test_memory_is_bounded(run):
    code = """
    import time
    def prune(problem, density, seed):
        held = []
        while True:
            held.append(bytearray(20_000_000))
            time.sleep(0.01)
    """
    outcome = run(code, memory_mib=200)
    assert outcome.status is Status.OOM
    assert outcome.error.startswith("used more than 200 MiB of memory; ")
    assert outcome.peak_rss_mib > 200


def test_memory_of_children_counts(run):
    code = """
    import subprocess, sys
    def prune(problem, density, seed):
        hog = "import time; held = bytearray(300_000_000); time.sleep(600)"
        subprocess.run([sys.executable, "-c", hog])
    """
    assert run(code, memory_mib=200).status is Status.OOM


def test_disk_space_is_bounded(run):
    code = """
    import time
    def prune(problem, density, seed):
        with open("big", "wb") as file:
            file.write(bytes(3 * 1024 * 1024))
        time.sleep(600)
    """
    outcome = run(code, disk_mib=1)
    assert (outcome.status, outcome.error[:21]) == (Status.CRASH, "wrote more than 1 MiB")


def test_what_is_printed_without_an_end_is_bounded(run):
    code = "def prune(problem, density, seed):\n    while True: print('x' * 1000)\n"
    outcome = run(code, disk_mib=2)
    assert (outcome.status, outcome.error[:21]) == (Status.CRASH, "wrote more than 2 MiB")
    assert len(outcome.output) <= 64 * 1024


def test_threads_are_bounded(run):
    code = """
    import threading, time
    def prune(problem, density, seed):
        for _ in range(60):
            threading.Thread(target=time.sleep, args=(600,)).start()
        time.sleep(600)
    """
    outcome = run(code, threads=50)
    assert outcome.status is Status.CRASH
    assert outcome.error.startswith("started more than 50 threads; ")


def test_many_processes_are_ended(run, tmp_path):
    """Each starts two more, as fast as it can, up to a bound that spares this machine."""
    bomb = tmp_path / "bomb.py"
    bomb.write_text(
        "import os, subprocess, sys, time\n"
        "depth = int(sys.argv[1])\n"
        f"open(os.path.join({str(tmp_path)!r}, f'pid-{{os.getpid()}}'), 'x').close()\n"
        "for _ in range(2 if depth else 0):\n"
        "    subprocess.Popen([sys.executable, '-I', '-S', __file__, str(depth - 1)])\n"
        "time.sleep(0 if depth % 2 else 600)\n"
    )
    code = f"""
    import subprocess, sys, time
    def prune(problem, density, seed):
        subprocess.Popen([sys.executable, "-I", "-S", {str(bomb)!r}, "6"])
        time.sleep(600)
    """
    outcome = run(code, processes=8)
    assert outcome.status is Status.CRASH
    assert outcome.error.startswith("started more than 8 processes; ")
    pids = [int(path.name.removeprefix("pid-")) for path in tmp_path.glob("pid-*")]
    assert len(pids) > 4
    assert not any(map(is_running, pids))


@pytest.mark.parametrize(
    "ends",
    ["return {}", pytest.param("time.sleep(600)", marks=pytest.mark.slow), "os._exit(0)"],
)
def test_what_a_run_leaves_is_ended_even_without_a_parent(run, ends, tmp_path):
    code = f"""
    import os, pathlib, subprocess, sys, time
    def prune(problem, density, seed):
        left = subprocess.check_output([sys.executable, "-c", {ORPHAN!r}], start_new_session=True)
        pathlib.Path({str(tmp_path / "left")!r}).write_bytes(left)
        {ends}
    """
    outcome = run(code, time_seconds=60 if "return" in ends else 5)
    left = int((tmp_path / "left").read_text())
    assert outcome.mask is None
    assert not is_running(left)


def test_what_is_printed_is_captured(run, capfd):
    code = """
    import os, sys
    print("import")
    def prune(problem, density, seed):
        print("π on standard output")
        print("on standard error", file=sys.stderr)
        os.write(1, b"bytes \\xff\\x00 and more\\n")
        assert sys.stdin.read() == ""
        return {n: w * 0 for n, w in problem.weights.items()}
    """
    outcome = run(code)
    assert outcome.error == ""
    for text in ("import", "π on standard output", "on standard error", "and more"):
        assert text in outcome.output
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_an_answer_that_is_printed_is_no_answer(run):
    code = """
    import os
    def prune(problem, density, seed):
        for descriptor in range(20):
            try: os.write(descriptor, b"ready\\n")
            except OSError: pass
        os._exit(0)
    """
    outcome = run(code)
    assert outcome.status is Status.CRASH
    assert outcome.mask is None


def test_every_submission_starts_afresh(run):
    code = f"import plantkit\nassert not hasattr(plantkit, 'mark')\nplantkit.mark = 1\n{GOOD}"
    assert [run(code).error, run(code).error] == ["", ""]


def test_installed_pruners_share_a_process_until_one_fails(run):
    with PrunerServer() as server:
        assert run("magnitude", server=server).status is Status.OK
        pid = server._process._process.pid
        assert run("snip", server=server).status is Status.OK
        assert server._process._process.pid == pid
        assert run("snip", server=server, time_seconds=0).status is Status.TIMEOUT
        assert not is_running(pid)
        assert run("magnitude", server=server).status is Status.OK


def test_secrets_of_the_environment_are_not_inherited(run, monkeypatch):
    monkeypatch.setenv("COURSE_SECRET", "42")
    with PrunerServer() as server:
        outcome = run(f"import os\nassert 'COURSE_SECRET' not in os.environ\n{GOOD}", server=server)
    assert outcome.error == ""


def test_home_and_temporary_files_are_in_the_scratch_directory(run):
    code = f"""
import os, pathlib, tempfile
here = pathlib.Path.cwd()
assert pathlib.Path.home().samefile(here)
assert pathlib.Path(tempfile.mkdtemp()).parent.samefile(here)
{GOOD}"""
    assert run(code).error == ""


def test_a_server_that_died_while_idle_costs_no_run(run):
    with PrunerServer() as server:
        server.start(Level.WATCHED)
        server._process._process.kill()
        server._process._process.wait()
        assert run(GOOD, server=server).status is Status.OK
        assert run("magnitude", server=server).status is Status.OK
        server._process._process.kill()
        server._process._process.wait()
        assert run("magnitude", server=server).status is Status.OK


def test_a_process_that_cannot_start_is_told(run, monkeypatch):
    monkeypatch.setattr(spawned, "bootstrap", lambda _: "raise SystemExit(1)")
    with PrunerServer() as server, pytest.raises(IsolationError, match="did not start"):
        run(GOOD, server=server)


def test_a_server_serves_one_level_after_another(run, circle, tmp_path, write):
    with PrunerServer() as server:
        server.start()
        assert run(GOOD, server=server).status is Status.OK
        source = PrunerSource(path=str(write(GOOD)))
        for level in (Level.PROCESS, Level.WATCHED)[sys.platform != "linux" :]:
            isolation = Isolation(level=level)
            backend = open_backend(tmp_path / "cells", isolation, server)
            assert backend.describe(source, Limits()) != []
            assert level in server._process.levels


def test_a_pool_starts_one_process_and_ends_all(tmp_path, write):
    source = PrunerSource(path=str(write(GOOD)))
    with server_pool(3, Level.WATCHED) as servers:
        assert [server._process is None for server in servers] == [False, True, True]
        for server in servers[:2]:
            open_backend(tmp_path / "cells", WATCHED, server).describe(source, Limits())
            server.start(Level.WATCHED)
        pids = [server._process._process.pid for server in servers[:2]]
        assert all(map(is_running, pids))
    assert not any(map(is_running, pids))


def test_nothing_outlives_a_parent_that_is_killed(tmp_path, write):
    code = f"""
import pathlib, subprocess, sys, time
left = subprocess.check_output([sys.executable, "-c", {ORPHAN!r}], stdin=subprocess.DEVNULL)
pathlib.Path("started").write_bytes(left)
time.sleep(600)
"""
    submission = write(code)
    program = f"""
from pathlib import Path
from plantkit.isolation.opening import open_backend
from plantkit.isolation.levels import Isolation, Level
from plantkit.isolation.wire import Limits
from plantkit.pruners.sources import PrunerSource
open_backend(Path({str(tmp_path / "cells")!r}), Isolation(level=Level.WATCHED)).describe(
    PrunerSource(path={str(submission)!r}), Limits(time_seconds=600))
"""
    with subprocess.Popen([sys.executable, "-c", program]) as parent:
        assert becomes_true(lambda: any(f.read_text() for f in tmp_path.glob("cells/*/started")))
        [started] = tmp_path.glob("cells/*/started")
        running = [child.pid for child in psutil.Process(parent.pid).children(recursive=True)]
        running.append(int(started.read_text()))
        parent.kill()
    assert becomes_true(lambda: not any(map(is_running, running)))


class TestFamily:
    @pytest.fixture
    def family(self) -> Iterator[Family]:
        """A process that waits for its input to end, and its child."""
        code = f"{ORPHAN}; input()"
        with subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, MARKER: "mine"},
            text=True,
        ) as root:
            assert root.stdout is not None
            found = Family(root.pid, "mine")
            self.child = int(root.stdout.readline())
            yield found
            found.end()
            root.stdout.close()

    def test_members_are_found_measured_and_ended(self, family):
        assert [process.pid for process in family.look()] == [family.root.pid, self.child]
        assert family.memory_mib() > 1
        assert family.threads() >= 2
        family.end(spare_root=True)
        assert not is_running(self.child)
        assert is_running(family.root.pid)
        family.end()
        assert not is_running(family.root.pid)

    def test_processes_of_others_are_left_alone(self, family):
        with subprocess.Popen(
            [sys.executable, "-c", "input()"],
            stdin=subprocess.PIPE,
            env={**os.environ, MARKER: "another's"},
        ) as other:
            family.end()
            assert other.poll() is None

    def test_an_end_that_does_not_come_is_not_waited_for(self, family, monkeypatch):
        monkeypatch.setattr(families, "_END_SECONDS", 0.3)
        monkeypatch.setattr(families, "_each", lambda *_: None)
        started = time.monotonic()
        family.end()
        assert time.monotonic() - started < 10
        monkeypatch.undo()
