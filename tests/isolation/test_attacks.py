"""The attack suite: whatever a submission does, it comes to its own status and nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import site
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attacks import ATTACKS, Attack

import plantkit
from plantkit.challenges import bundles
from plantkit.isolation.jobs import PruneJob
from plantkit.isolation.levels import Isolation, Level
from plantkit.isolation.opening import open_backend
from plantkit.isolation.probe import probe_machine
from plantkit.isolation.problems import write_problem
from plantkit.isolation.servers import PrunerServer
from plantkit.isolation.wire import Limits, Status
from plantkit.pruners.sources import PrunerSource

GOOD = """
import torch
def prune(problem, density, seed):
    torch.manual_seed(seed)
    order = torch.rand(problem.network.total).argsort()
    kept = torch.zeros(problem.network.total, dtype=torch.bool)
    kept[order[:problem.budget]] = True
    pieces, start = {}, 0
    for name, weight in problem.weights.items():
        pieces[name] = kept[start:start + weight.numel()].reshape(weight.shape)
        start += weight.numel()
    return pieces
"""
OTHERS = ("sem.mp-", "psm_", "torch_")
"""What tests in other processes leave in shared memory for a moment; no attack writes these."""

SECRET = "hunter2"
#: Above that of the ticket, so that a stolen ticket is a valid answer.
DENSITY = 0.75

needs_full = pytest.mark.skipif(
    not probe_machine().offers(Level.FULL), reason="this machine offers no full isolation"
)


class Guarded(PrunerServer):
    """A server of a level, from which a directory is hidden."""

    def __init__(self, level: Level, hidden: Path) -> None:
        super().__init__()
        self.isolation = Isolation(level=level, hidden=(hidden,))


class Arena:
    """Everything that an attack is after, really there, and the means to tell what it did."""

    def __init__(self, root: Path, bundle: Path) -> None:
        self.root = root
        self.challenge = bundle
        self.truth = bundle / "truth.safetensors"
        self.home = root / "home"
        self.run = root / "run"
        self.submissions = root / "submissions"
        self.problem = root / "problem"
        for directory in (self.home / ".cache", self.run, self.submissions):
            directory.mkdir(parents=True)
        (self.home / ".netrc").write_text(SECRET)
        (self.run / "records.jsonl").write_text("{}\n")
        (self.submissions / "other.py").write_text(GOOD)
        self.loaded = bundles.load(bundle)
        write_problem(self.problem, self.loaded.problem(density=DENSITY, seed=0))
        decoy = root / "cells" / "cell-decoy"
        decoy.mkdir(parents=True)
        (decoy / "answer.safetensors").write_bytes(b"someone else's")
        self.expected = ""
        self.heard: list[bytes] = []
        self.victim = subprocess.Popen(["sleep", "300"])
        self.targets: dict[str, object] = {
            "truth": str(self.truth),
            "challenge": str(bundle),
            "problem": str(self.problem),
            "home": str(self.home),
            "run": str(self.run),
            "other": str(self.submissions / "other.py"),
            "submission": str(self.submissions / "mine.py"),
            "cell": str(decoy),
            "site": site.getsitepackages()[0],
            "package": plantkit.__path__[0],
            "parent": os.getpid(),
            "victim": self.victim.pid,
        }

    def watched(self) -> dict[str, str]:
        """Returns what must not change: path to mode, time and content."""
        found = {}
        for top in (self.challenge, self.home, self.run, self.submissions, self.problem):
            for path in [top, *sorted(top.rglob("*"))]:
                status = path.lstat()
                content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
                found[str(path)] = f"{status.st_mode:o} {status.st_mtime_ns} {content}"
        for top in (Path(site.getsitepackages()[0]), Path(plantkit.__path__[0]), Path("/dev/shm")):
            if top.is_dir():
                names = (path.name for path in top.iterdir())
                found[str(top)] = " ".join(sorted(n for n in names if not n.startswith(OTHERS)))
        found["/tmp"] = " ".join(sorted(p.name for p in Path("/tmp").glob("plantkit-attack*")))
        return found

    def run_file(self, server: Guarded, path: Path, limits: Limits):
        job = PruneJob(
            source=PrunerSource(path=str(path)),
            problem=self.problem,
            network=self.loaded.network,
            density=DENSITY,
            seed=0,
            limits=limits,
        )
        return open_backend(self.root / "cells", server.isolation, server).run(job)

    def run_code(self, server: Guarded, code: str, limits: Limits, name: str = "mine.py"):
        path = self.submissions / name
        path.write_text(code)
        return self.run_file(server, path, limits)

    def good(self, server: Guarded) -> str:
        outcome = self.run_code(server, GOOD, Limits(time_seconds=20), "good.py")
        assert outcome.status is Status.OK, outcome.error
        return outcome.mask.digest()

    def has_succeeded(self, outcome, before: dict[str, str]) -> str:
        """Returns how an attack can be seen to have got what it wanted, or ""."""
        time.sleep(0.02 if self.heard else 0)
        if outcome.mask is not None and outcome.mask.digest() == self.loaded.truth.ticket.digest():
            return "it returned the ticket"
        if SECRET in outcome.output + outcome.error:
            return "it showed a secret"
        if "SUCCEEDED" in outcome.output.splitlines():  # a traceback shows the line that prints it
            return "it says so"
        if self.heard:
            return f"a listener heard {self.heard}"
        if self.victim_state() not in {"S", "R"}:
            return "another process was killed or stopped"
        after = self.watched()
        changed = [
            path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
        ]
        return f"changed {changed}" if changed else ""

    def victim_state(self) -> str:
        time.sleep(0)
        if self.victim.poll() is not None:
            return "gone"
        text = Path(f"/proc/{self.victim.pid}/stat").read_text()
        return text.rpartition(")")[2].split()[0]


@contextlib.contextmanager
def listening(arena: Arena) -> Iterator[None]:
    """Listens by TCP, UDP and Unix sockets, for anything that an attack sends."""
    short = Path(tempfile.mkdtemp(prefix="pk-"))  # the path of a socket has 107 bytes at most
    name = f"plantkit-{os.getpid()}-{id(arena)}"
    kinds = [
        ("tcp", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
        ("udp", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        ("unix", socket.AF_UNIX, socket.SOCK_STREAM, str(short / "stream")),
        ("datagram", socket.AF_UNIX, socket.SOCK_DGRAM, str(short / "datagram")),
        ("abstract", socket.AF_UNIX, socket.SOCK_STREAM, "\0" + name),
    ]
    opened = []
    done = threading.Event()

    def hear(listener: socket.socket, is_stream: bool) -> None:
        listener.settimeout(0.1)
        while not done.is_set():
            with contextlib.suppress(TimeoutError, OSError):
                if not is_stream:
                    arena.heard.append(listener.recv(1000))
                    continue
                connection, _ = listener.accept()
                with connection:
                    arena.heard.append(connection.recv(1000))

    threads = []
    for key, family, kind, address in kinds:
        listener = socket.socket(family, kind)
        listener.bind(address)
        is_stream = kind == socket.SOCK_STREAM
        if is_stream:
            listener.listen(5)
        at = listener.getsockname()
        arena.targets[key] = at[1] if family == socket.AF_INET else str(address).lstrip("\0")
        opened.append(listener)
        threads.append(threading.Thread(target=hear, args=(listener, is_stream)))
        threads[-1].start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()
        for listener in opened:
            listener.close()
        shutil.rmtree(short)


@pytest.fixture(scope="module")
def servers(arena: Arena) -> Iterator[dict[Level, Guarded]]:
    found = {}
    os.environ["COURSE_SECRET"] = SECRET
    with contextlib.ExitStack() as stack, arena.truth.open("rb") as left_open:
        os.set_inheritable(left_open.fileno(), True)
        for level in (Level.FULL, Level.PROCESS, Level.NONE):
            found[level] = stack.enter_context(Guarded(level, arena.challenge))
        yield found
    del os.environ["COURSE_SECRET"]


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory, tiny_challenges: Path) -> Iterator[Arena]:
    """One arena for all attacks that are stopped: none of them leaves a trace in it."""
    root = tmp_path_factory.mktemp("arena")
    bundle = Path(shutil.copytree(tiny_challenges / "circle-3x60", root / "circle-3x60"))
    with opened(Arena(root, bundle)) as made:
        yield made


@pytest.fixture
def expendable(tmp_path: Path, tiny_challenges: Path) -> Iterator[Arena]:
    """An arena of its own for an attack that succeeds."""
    bundle = Path(shutil.copytree(tiny_challenges / "circle-3x60", tmp_path / "circle-3x60"))
    with opened(Arena(tmp_path, bundle)) as made:
        yield made


@contextlib.contextmanager
def opened(arena: Arena) -> Iterator[Arena]:
    try:
        with listening(arena):
            yield arena
    finally:
        arena.challenge.chmod(0o700)
        with contextlib.suppress(ProcessLookupError):
            arena.victim.send_signal(signal.SIGCONT)
        arena.victim.kill()
        arena.victim.wait()


def survivors(server: Guarded) -> list[int]:
    """Returns processes that a server's runs have left: they carry its mark."""
    process = server._process
    if process is None:
        return []
    known, mark = {process.pid}, process.marker.encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in known:
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
    return found


def stopped(level: Level) -> list[Attack]:
    return [
        attack for attack in ATTACKS if level is Level.FULL or attack.stopped_from is Level.PROCESS
    ]


def check_stopped(attack: Attack, level: Level, arena: Arena, server: Guarded) -> None:
    expected = arena.expected or arena.good(server)
    arena.expected = expected
    (arena.submissions / "mine.py").write_text(code := attack.code(arena.targets))
    os.utime(arena.submissions / "mine.py", ns=(0, 0))
    before = arena.watched()
    path = arena.submissions / "mine.py"
    outcome = arena.run_file(server, path, attack.limits)
    assert path.read_text() == code
    assert outcome.status in attack.status[level], (outcome.status, outcome.error, outcome.output)
    assert arena.has_succeeded(outcome, before) == ""
    if level is Level.FULL or outcome.status is not Status.OK:
        assert attack.error in outcome.error
    assert len(outcome.error) <= 4096
    assert len(outcome.output) <= 64 * 1024
    assert not any(ord(character) < 32 and character not in "\n\t" for character in outcome.error)
    assert survivors(server) == []
    assert [path.name for path in (arena.root / "cells").iterdir()] == ["cell-decoy"]
    assert arena.good(server) == expected


@needs_full
@pytest.mark.parametrize("attack", stopped(Level.FULL), ids=lambda attack: attack.name)
def test_full_isolation_stops(attack, arena, servers):
    check_stopped(attack, Level.FULL, arena, servers[Level.FULL])


@pytest.mark.parametrize("attack", stopped(Level.PROCESS), ids=lambda attack: attack.name)
def test_process_isolation_stops(attack, arena, servers):
    check_stopped(attack, Level.PROCESS, arena, servers[Level.PROCESS])


@pytest.mark.parametrize(
    "attack", [attack for attack in ATTACKS if attack.control], ids=lambda attack: attack.name
)
def test_the_attack_is_real(attack, expendable, servers, capfd):
    """At a lower level it succeeds, so that its failure at a higher one means something."""
    server = servers[attack.control]
    arena = expendable
    challenge = arena.loaded  # noqa: F841 - within reach of a pruner that runs in this process
    (arena.submissions / "mine.py").write_text(attack.code(arena.targets))
    before = arena.watched()
    outcome = arena.run_file(server, arena.submissions / "mine.py", attack.limits)
    time.sleep(0.01)
    printed = capfd.readouterr().out  # without isolation nothing is captured
    succeeded = arena.has_succeeded(outcome, before) or "SUCCEEDED" in printed
    assert succeeded, (outcome.status, outcome.error)


def test_a_neighbour_is_not_disturbed(arena, servers):
    """A good pruner beside hostile ones comes to the same mask, every time."""
    level = Level.FULL if probe_machine().offers(Level.FULL) else Level.PROCESS
    expected = arena.good(servers[level])
    chosen = [a for a in stopped(level) if a.name in {"thread-bomb", "many-files", "random-state"}]
    assert len(chosen) == 3
    with Guarded(level, arena.challenge) as beside:

        def attack() -> None:
            for one in chosen:
                arena.run_code(beside, one.code(arena.targets), one.limits, "hostile.py")

        thread = threading.Thread(target=attack)
        thread.start()
        found = []
        while thread.is_alive():
            found.append(arena.good(servers[level]))
        thread.join()
    assert found
    assert set(found) == {expected}


def test_the_suite_is_whole():
    names = [attack.name for attack in ATTACKS]
    assert len(names) == len(set(names))
    assert len(names) >= 40
    assert all(attack.tries and attack.status for attack in ATTACKS)
