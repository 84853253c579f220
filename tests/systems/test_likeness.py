"""`python tests/like`: what it hides, and what it leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LIKE = Path(__file__).resolve().parents[1] / "like"
ABSENT = {
    "windows": [
        *("os.fork", "os.getuid", "os.killpg", "os.register_at_fork", "signal.SIGKILL"),
        *("socket.AF_UNIX", "select.poll", "time.tzset", "os.mkfifo", "os.pidfd_open"),
        *("fcntl", "pwd", "grp", "resource", "termios", "landlockpy", "seccompy"),
    ],
    "macos": [
        *("os.pidfd_open", "os.sched_getaffinity", "select.epoll", "resource.prlimit"),
        *("landlockpy", "seccompy"),
    ],
}
PRESENT = {
    "windows": ["os.kill", "signal.SIGTERM", "msvcrt.locking", "os.getpid", "socket.AF_INET"],
    "macos": ["os.fork", "os.getuid", "signal.SIGKILL", "fcntl.lockf", "resource.setrlimit"],
}
LOOK = """
import importlib, json, sys
def is_there(name):
    module, _, attribute = name.partition(".")
    try:
        exec(f"import {module}; {module}.{attribute or '__name__'}")
    except (ImportError, AttributeError):
        return False
    return True
print(json.dumps({name: is_there(name) for name in NAMES}))
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="makes Linux look like others")


def like(system: str, code: str, *options: str) -> str:
    """Returns what a program prints as if on `system`."""
    command = [sys.executable, LIKE, system, *options, "-c", code]
    done = subprocess.run(command, capture_output=True, check=False, encoding="utf-8", cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("system", ABSENT)
@pytest.mark.parametrize("depth", ["here", "in a child", "in an isolated child"])
def test_what_is_absent_and_present(system, depth):
    names = ABSENT[system] + PRESENT[system]
    code = LOOK.replace("NAMES", repr(names))
    if depth != "here":
        options = ["-I", "-B"] if "isolated" in depth else []
        environment = "{'SYSTEMROOT': 'C:/Windows'}" if "isolated" in depth else "None"
        code = (
            "import subprocess, sys\n"
            f"subprocess.run([sys.executable, *{options!r}, '-c', {code!r}], env={environment})"
        )
    found = json.loads(like(system, code))
    assert [name for name in ABSENT[system] if found[name]] == []
    assert [name for name in PRESENT[system] if not found[name]] == []


@pytest.mark.parametrize(("system", "platform"), [("windows", "win32"), ("macos", "darwin")])
def test_installed_packages_see_what_there_is(system, platform):
    code = (
        "import psutil, sys; "
        "print(sys.platform, psutil.Process().memory_info().rss > 0, sys.modules['sys'].platform)"
    )
    assert like(system, code).split() == [platform, "True", "linux"]


def test_multiprocessing_only_spawns():
    code = "import multiprocessing as m; print(m.get_start_method(), m.get_all_start_methods())"
    assert like("windows", code) == "spawn ['spawn']"
    with pytest.raises(AssertionError, match="cannot find context for 'fork'"):
        like("windows", "import multiprocessing as m; m.get_context('fork')")
    assert like("macos", code).startswith("spawn ")


#: What Windows tells of code that does well elsewhere.
TOLD = {
    "open('/proc/self/stat')": "FileNotFoundError",
    "import pathlib; pathlib.Path('/proc/self/stat').read_text()": "FileNotFoundError",
    "import os; print(os.path.exists('/dev/shm'))": "False",
    "import os; file = open('a'); os.unlink('a')": "PermissionError",
    "import os; file = open('a'); os.replace('b', 'a')": "PermissionError",
    "import os; os.chdir('c'); os.rmdir('../c')": "PermissionError",
    "import os; os.kill(os.getpid(), 0)": "AssertionError",
    "import os; os.symlink('a', 'd')": "PermissionError",
    "open('a:b', 'w')": "OSError",
    "open('nul.txt', 'w')": "OSError",
    "import os; os.mkdir('CON')": "OSError",
    "open('d', 'w').write('\\N{GREEK SMALL LETTER PI}')": "UnicodeEncodeError",
    "print('\\N{GREEK SMALL LETTER PI}')": "UnicodeEncodeError",
    "open('d', 'w').write('e\\n'); print(open('d', 'rb').read())": "b'e\\r\\n'",
    "import os; os.open('.', os.O_RDONLY)": "PermissionError",
    "import os; os.stat('a', dir_fd=3)": "NotImplementedError",
    "import subprocess, sys; subprocess.Popen([sys.executable], env={})": "SYSTEMROOT",
    "import subprocess, sys; subprocess.Popen(['a'], preexec_fn=print)": "ValueError",
    "import subprocess, sys; subprocess.Popen(['a'], pass_fds=[1])": "AssertionError",
    "import signal; signal.signal(9, print)": "ValueError",
    "import select; select.select([0], [], [])": "socket",
    "import ctypes; ctypes.CDLL(None)": "TypeError",
}
#: Runs each of these in a directory of its own, and prints what comes of it, a JSON string each.
TRY = """
import contextlib, io, json, os, sys
for number, code in enumerate(CODES):
    place = os.path.join(os.getcwd(), str(number))
    os.makedirs(os.path.join(place, "c"))
    for name in ("a", "b"):
        open(os.path.join(place, name), "w").close()
    home = os.getcwd()
    os.chdir(place)
    printed = io.TextIOWrapper(io.BytesIO(), sys.stdout.encoding)
    try:
        with contextlib.redirect_stdout(printed):
            exec(code, {"__name__": "__main__"})
            printed.flush()
        told = printed.buffer.getvalue().decode(sys.stdout.encoding)
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
    os.chdir(home)
    print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def what_is_told(tmp_path_factory):
    """What the code of `TOLD` tells as if on Windows, and here."""
    found = []
    for start in ([LIKE, "windows"], []):
        codes = list(TOLD)
        if not start:  # nothing is waited for here
            codes = [code.replace("select([0], [], [])", "select([], [], [], 0)") for code in codes]
        done = subprocess.run(
            [sys.executable, *start, "-c", TRY.replace("CODES", repr(codes))],
            capture_output=True,
            check=False,
            encoding="ascii",
            cwd=tmp_path_factory.mktemp("like"),
            env=None if start else {"PATH": ""},
        )
        assert done.returncode == 0, done.stderr
        found.append(dict(zip(TOLD, map(json.loads, done.stdout.splitlines()), strict=True)))
    return found


@pytest.mark.parametrize(("code", "told"), TOLD.items())
def test_how_windows_behaves(what_is_told, code, told):
    windows, here = what_is_told
    assert told in windows[code]
    assert told not in here[code], "it tells nothing of Windows"


def test_a_test_that_needs_a_fork_fails(tmp_path):
    (tmp_path / "test_fork.py").write_text(
        "import os\ndef test_fork():\n    assert os.fork\n", encoding="utf-8"
    )
    command = [sys.executable, LIKE, "windows", "-m", "pytest", "-p", "no:cacheprovider", tmp_path]
    done = subprocess.run(command, capture_output=True, check=False, encoding="utf-8", cwd=tmp_path)
    assert done.returncode == 1, done
    assert "module 'os' has no attribute 'fork'" in done.stdout
