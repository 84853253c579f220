"""The servers of a pool are forks of one process, and as apart from each other as any two."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plantkit.errors import PluginError
from plantkit.isolation.cells import new_cell
from plantkit.isolation.descendants import descendants, process_fields
from plantkit.isolation.levels import Isolation, Level
from plantkit.isolation.opening import open_backend
from plantkit.isolation.problems import write_problem
from plantkit.isolation.servers import PrunerServer, server_pool
from plantkit.isolation.wire import ANSWER_FILE, MARKER, Limits
from plantkit.networks.training.executors import LocalExecutor
from plantkit.pruners.sources import PrunerSource

GOOD = "def prune(problem, density, seed):\n    return {}\n"
#: Says which marker it finds in its first environment, by way of an error.
TELLTALE = f"""
import pathlib
found = pathlib.Path("/proc/self/environ").read_bytes().decode().split("\\0")
raise ValueError(next(entry for entry in found if entry.startswith("{MARKER}=")))
"""
#: Leaves a process in a session of its own, then kills its server.
MURDERER = """
import os, pathlib, signal, subprocess, sys, time
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
    start_new_session=True)
pathlib.Path({path!r}).write_text(str(left.pid))
os.kill(os.getppid(), signal.SIGKILL)
time.sleep(600)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(scope="module")
def three():
    """A pool of three servers, of which two are forked."""
    with server_pool(3, most_started=2) as servers:
        yield servers


@pytest.fixture
def pool(three):
    return three[:2]


@pytest.fixture
def describe(tmp_path, write):
    """Loads code in a server, and returns the error if there is one."""
    isolation = Isolation(level=Level.PROCESS)

    def run(server: PrunerServer, code: str) -> str:
        source = PrunerSource(path=str(write(code)))
        try:
            open_backend(tmp_path / "cells", isolation, server).describe(
                source, Limits(time_seconds=60)
            )
        except PluginError as error:
            return str(error)
        return ""

    return run


def parent_of(pid: int) -> int:
    return int(process_fields(pid)[1])


def is_running(pid: int) -> bool:
    return process_fields(pid)[:1] not in ([], ["Z"], ["X"])


def becomes_true(condition, timeout_seconds: float = 30) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(condition())


def test_servers_are_forked_from_one_process_and_lead_sessions_of_their_own(pool, describe):
    assert [describe(server, GOOD) for server in pool] == ["", ""]
    pids = [server._process.pid for server in pool]
    assert len(set(pids)) == 2
    [zygote] = {parent_of(pid) for pid in pids}
    assert parent_of(zygote) == os.getpid()
    assert [os.getsid(pid) for pid in pids] == pids
    for pid in (zygote, *pids):  # its own pipes to the parent, and no other's
        opened = [int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()]
        assert sum(descriptor > 2 for descriptor in opened) <= 1


def test_servers_beyond_those_that_are_forked_start_when_they_get_work(three, describe):
    assert three[2]._process is None
    assert describe(three[2], GOOD) == ""
    assert parent_of(parent_of(three[2]._process.pid)) == os.getpid()


def test_every_server_has_a_marker_of_its_own(pool, describe):
    for server in pool:
        assert server._process.marker in describe(server, TELLTALE)
    assert pool[0]._process.marker != pool[1]._process.marker


def test_every_server_has_random_numbers_of_its_own(pool, describe):
    said = [
        describe(server, "import torch\nraise ValueError(torch.initial_seed())") for server in pool
    ]
    assert "ValueError" in said[0]
    assert said[0] != said[1]


def test_garbage_is_collected_in_a_run(pool, describe):
    assert describe(pool[0], f"import gc\nassert gc.isenabled()\n{GOOD}") == ""


def test_a_server_that_is_killed_takes_what_it_ran_along_and_no_other_server(describe, tmp_path):
    with server_pool(2) as (first, second):
        assert describe(first, GOOD) == describe(second, GOOD) == ""
        killed, other = first._process.pid, second._process.pid
        assert "SIGKILL" in describe(first, MURDERER.format(path=str(tmp_path / "left")))
        left = int((tmp_path / "left").read_text())
        assert becomes_true(lambda: not is_running(left))
        assert not is_running(killed)
        assert describe(first, GOOD) == ""  # by another process
        assert first._process.pid != killed
        assert describe(second, GOOD) == ""
        assert second._process.pid == other
    assert not is_running(other)


def test_servers_outlive_the_process_that_forked_them(describe):
    with server_pool(2) as servers:
        assert [describe(server, GOOD) for server in servers] == ["", ""]
        pids = [server._process.pid for server in servers]
        os.kill(parent_of(pids[0]), signal.SIGKILL)
        assert [describe(server, GOOD) for server in servers] == ["", ""]
        assert [server._process.pid for server in servers] == pids
        os.kill(pids[0], signal.SIGKILL)  # while idle: it costs no run
        assert [describe(server, GOOD) for server in servers] == ["", ""]
    assert becomes_true(lambda: not any(map(is_running, pids)))


def test_a_pool_that_ends_before_it_is_ready_leaves_nothing():
    before = descendants(os.getpid())
    with server_pool(3):
        started = descendants(os.getpid()) - before
        assert started
    assert becomes_true(lambda: not any(map(is_running, started)))
    assert descendants(os.getpid()) <= before


def test_few_descriptors_are_enough_for_many_servers():
    program = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from plantkit.isolation.servers import server_pool
with server_pool(30) as servers:
    print([server._process is not None for server in servers].index(False))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == "4\n", done.stderr


@pytest.mark.parametrize("count", [1, 2])
def test_processes_that_train_do_not_keep_a_server_from_ending(describe, count):
    with server_pool(count) as servers:
        assert describe(servers[0], GOOD) == ""
        with LocalExecutor(2) as executor:
            executor.start()  # forked with all that is open
            begin = time.monotonic()
            for server in reversed(servers):  # one of two has not been used yet
                server.stop()
            assert time.monotonic() - begin < 4


def test_nothing_outlives_a_parent_that_is_killed(tmp_path, write):
    sleeper = write("import pathlib, time\npathlib.Path('started').touch()\ntime.sleep(600)\n")
    program = f"""
from pathlib import Path
from plantkit.isolation.opening import open_backend
from plantkit.isolation.levels import Isolation, Level
from plantkit.isolation.servers import server_pool
from plantkit.isolation.wire import Limits
from plantkit.pruners.sources import PrunerSource
with server_pool(2) as servers:
    isolation = Isolation(level=Level.PROCESS)
    open_backend(Path({str(tmp_path / "cells")!r}), isolation, servers[1]).describe(
        PrunerSource(path={str(sleeper)!r}), Limits(time_seconds=600))
"""
    with subprocess.Popen([sys.executable, "-c", program]) as parent:
        assert becomes_true(lambda: list(tmp_path.glob("cells/*/started")))
        family = descendants(parent.pid)
        assert len(family) == 4  # what forks, two servers, a run
        parent.kill()
    assert becomes_true(lambda: not any(map(is_running, family)))


#: Carries out the request in a cell as a server's fork does, and names what that imported.
RUN = """
import sys
from pathlib import Path
from plantkit.isolation import zygote
from plantkit.isolation.cell_runner import run_cell
before = set(sys.modules)
run_cell(Path(sys.argv[1]))
print(*sorted(set(sys.modules) - before))
"""
KEEP_NOTHING = """
def prune(problem, density, seed):
    return {name: weight != weight for name, weight in problem.weights.items()}
"""


def test_a_run_imports_nothing_but_the_submission(circle, tmp_path, write):
    """What every run imports should be in the server, of which it is a fork."""
    write_problem(tmp_path / "problem", circle.problem(density=0.5, seed=0))
    source = PrunerSource(path=str(write(KEEP_NOTHING))).read()
    request = {
        "kind": "prune",
        "problem": str(tmp_path / "problem"),
        "density": 0.5,
        "seed": 0,
        "level": Level.PROCESS.value,
    }
    with new_cell(tmp_path / "cells", request, source) as cell:
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(cell)], capture_output=True, text=True, check=True
        )
        assert (cell / ANSWER_FILE).exists()
    assert done.stdout.split() == ["plantkit_submission_mine"]
