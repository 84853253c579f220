"""Scratch directories of dead owners go, and nothing else does."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from plantkit.errors import UsageError
from plantkit.isolation import leftovers
from plantkit.isolation.leftovers import make_scratch, remove_leftovers, scratch_directory

linux_only = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
pytestmark = linux_only


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary directory, here."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    monkeypatch.setattr(leftovers.tempfile, "tempdir", str(directory))
    return directory


def name_of(pid: int, start: int, machine: str | None = None) -> str:
    return f"plantkit-{pid}-{start}-{machine or leftovers._machine()}-abcd_123"


def dead_pid() -> int:
    """Returns the pid of a process that has just ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def leave(root: Path, name: str) -> Path:
    path = root / name
    (path / "cells").mkdir(parents=True)
    (path / "cells" / "mask.safetensors").write_bytes(b"x")
    return path


def names(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


def test_what_a_dead_owner_left_goes_with_the_next_start(root: Path) -> None:
    left = leave(root, name_of(dead_pid(), 1))
    left.chmod(0)  # a submission may have closed it
    with scratch_directory() as own:
        assert names(root) == {own.name}
        assert own.stat().st_mode & 0o777 == 0o700
        assert leftovers._NAME.fullmatch(own.name)
    assert names(root) == set()


def test_the_living_keep_theirs(root: Path) -> None:
    own = make_scratch()
    parent = os.getppid()
    start = leftovers._start_of(parent)
    assert start is not None
    other = leave(root, name_of(parent, start))
    assert remove_leftovers(root) == []
    assert names(root) == {own.name, other.name}


def test_a_pid_that_was_given_out_again_is_not_the_owner(root: Path) -> None:
    """This process has the pid, and started at another time."""
    start = leftovers._start_of(os.getpid())
    assert start is not None
    left = leave(root, name_of(os.getpid(), start - 1))
    assert remove_leftovers(root) == [left.name]


def test_a_zombie_is_dead(root: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    start = leftovers._start_of(process.pid)
    left = leave(root, name_of(process.pid, start or 0))
    assert remove_leftovers(root) == []
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet noticed
    assert remove_leftovers(root) == [left.name]
    process.communicate()


def test_without_proc_an_owner_is_told_by_the_time_of_its_start(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers.sys, "platform", "darwin")
    pid, parent = dead_pid(), os.getppid()
    start = leftovers._start_of(parent)
    assert start is not None
    assert start == leftovers._start_of(parent)
    assert leftovers._start_of(pid) is None
    machine = leftovers._machine.__wrapped__()
    monkeypatch.setattr(leftovers, "_machine", lambda: machine)
    own = make_scratch()
    alive = leave(root, name_of(parent, start))
    left = {leave(root, name_of(pid, 1)).name, leave(root, name_of(parent, start - 1)).name}
    assert set(remove_leftovers(root)) == left
    assert names(root) == {own.name, alive.name}


def test_links_files_and_other_names_stay(root: Path, tmp_path: Path) -> None:
    pid = dead_pid()
    precious = leave(tmp_path, "precious")
    (root / name_of(pid, 1)).symlink_to(precious)
    (root / name_of(pid, 2)).write_text("a file")
    others = [
        "plantkit-", f"plantkit-{pid}", f"plantkit-{pid}-1", "plantkit-course",
        name_of(pid, 3, "0" * 12),  # another machine's or container's
        name_of(pid, 3)[:-1], name_of(pid, 3) + "9", "x" + name_of(pid, 3),
        f"plantkit-0{pid}-1-{leftovers._machine()}-abcd_123",
        f"plantkit-0-1-{leftovers._machine()}-abcd_123",
    ]  # fmt: skip
    for name in others:
        leave(root, name)
    before = names(root)
    assert remove_leftovers(root) == []
    assert names(root) == before
    assert (precious / "cells" / "mask.safetensors").read_bytes() == b"x"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to give files away")
def test_another_users_directory_stays(root: Path) -> None:
    left = leave(root, name_of(dead_pid(), 1))
    os.chown(left, 65534, 65534)
    assert remove_leftovers(root) == []
    assert (left / "cells" / "mask.safetensors").exists()


def test_a_link_inside_is_not_followed(root: Path, tmp_path: Path) -> None:
    precious = leave(tmp_path, "precious")
    left = leave(root, name_of(dead_pid(), 1))
    (left / "cells" / "out").symlink_to(precious)
    assert remove_leftovers(root) == [left.name]
    assert (precious / "cells" / "mask.safetensors").exists()


def test_a_link_swapped_in_after_the_look_is_given_back(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = leave(tmp_path, "precious")
    name = name_of(dead_pid(), 1)
    leave(root, name)
    found = leftovers._leftovers

    def swap(place: Path) -> list[str]:
        chosen = found(place)
        (root / name).rename(tmp_path / "elsewhere")
        (root / name).symlink_to(precious)
        return chosen

    monkeypatch.setattr(leftovers, "_leftovers", swap)
    assert remove_leftovers(root) == []
    assert (root / name).is_symlink()
    assert names(root) == {name}
    assert (precious / "cells" / "mask.safetensors").exists()


def test_of_many_that_clean_up_each_directory_goes_to_one(root: Path) -> None:
    pid = dead_pid()
    made = {leave(root, name_of(pid, start)).name for start in range(1, 40)}
    removed: list[list[str]] = [[] for _ in range(4)]

    def clean(number: int) -> None:
        removed[number] = remove_leftovers(root)

    threads = [threading.Thread(target=clean, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for some in removed for name in some) == sorted(made)
    assert names(root) == set()


def test_a_killed_parent_is_cleaned_up_after(root: Path) -> None:
    code = (
        "import sys; from plantkit.isolation.leftovers import make_scratch\n"
        "print(make_scratch(), flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    left = Path(process.stdout.readline().strip())
    assert left.parent == root
    assert remove_leftovers(root) == []
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert remove_leftovers(root) == [left.name]


def test_too_little_space_is_said_before_the_work(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def usage(path: Path) -> shutil._ntuple_diskusage:
        return shutil._ntuple_diskusage(2**30, 2**30 - 2**21, 2**21)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    with pytest.raises(UsageError, match=r"tmp has 2 MiB left .*16 MiB or more.*TMPDIR"):
        make_scratch()
    assert names(root) == set()


def test_no_temporary_directory_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(leftovers.tempfile, "gettempdir", fail)
    with pytest.raises(UsageError, match=r"No usable temporary directory .*TMPDIR"):
        make_scratch()
