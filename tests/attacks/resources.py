"""Attacks on the machine: time, memory, disk, processes."""

from __future__ import annotations

from attacks.attack import CRASH, INVALID, OK, OOM, TIMEOUT, Attack, both
from plantkit.isolation.levels import Level
from plantkit.isolation.wire import Limits, Status

_SMALL = Limits(time_seconds=20, memory_mib=300, output_mib=2, disk_mib=6, processes=8, threads=40)
_SHORT = Limits(time_seconds=0.4)


def _bomb(
    name: str,
    tries: str,
    body: str,
    full: tuple[Status, ...],
    process: tuple[Status, ...] | None = None,
    limits: Limits = _SMALL,
    error: str = "",
) -> Attack:
    return Attack(
        name=name,
        tries=tries,
        body=body,
        stopped_from=Level.PROCESS,
        status=both(full, process),
        limits=limits,
        error=error,
    )


ATTACKS = (
    _bomb(
        "fork-bomb",
        "start processes without end",
        """
        while True:
            if os.fork() == 0:
                time.sleep(60)
        """,
        (CRASH,),
    ),
    _bomb(
        "patient-fork-bomb",
        "go on trying to start processes",
        """
        while True:
            try:
                if os.fork() == 0:
                    time.sleep(60)
            except OSError:
                pass
        """,
        (TIMEOUT,),
        (CRASH,),
        limits=Limits(time_seconds=0.5, processes=8),
    ),
    _bomb(
        "thread-bomb",
        "start threads without end",
        """
        import threading
        threading.stack_size(65536)
        while True:
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        """,
        (CRASH,),
    ),
    _bomb(
        "memory-bomb", "take all memory", "x = [bytearray(1 << 26) for _ in range(1000)]", (OOM,)
    ),
    _bomb("tensor-bomb", "take all memory in one tensor", "x = torch.ones(1 << 33)", (OOM,)),
    _bomb(
        "raise-limits",
        "raise its own limits first",
        """
        import resource
        for kind in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU):
            resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            print("SUCCEEDED")
        """,
        (CRASH,),
        error="ValueError",
    ),
    _bomb(
        "one-large-file",
        "fill the disk with one file",
        """
        with open("big", "wb") as file:
            while True:
                file.write(bytes(1 << 20))
        """,
        (CRASH,),
        error="File too large",
    ),
    _bomb(
        "many-files",
        "fill the disk with many files",
        """
        for number in range(10**9):
            Path(f"x{number}").write_bytes(b"x" * (1 << 20))
        """,
        (CRASH,),
        error="wrote more than 6 MiB",
    ),
    _bomb(
        "nameless-files",
        "fill the disk with files that have no name",
        """
        kept = []
        while True:
            kept.append(open("x", "wb"))
            os.unlink("x")
            kept[-1].write(b"x" * (1 << 20))
            kept[-1].flush()
        """,
        (CRASH,),
    ),
    _bomb(
        "endless-files",
        "use up the entries of the disk",
        """
        for number in range(10**9):
            os.close(os.open(f"x{number}", os.O_CREAT | os.O_WRONLY))
        """,
        (CRASH,),
        error="2000 files",
    ),
    _bomb(
        "descriptors",
        "open files without end",
        """
        kept = []
        while True:
            kept.append(os.pipe())
        """,
        (CRASH,),
        error="Too many open files",
    ),
    _bomb("endless-loop", "never end", "while True: pass", (TIMEOUT,), limits=_SHORT),
    _bomb("sleep", "sleep past the limit", "time.sleep(600)", (TIMEOUT,), limits=_SHORT),
    _bomb(
        "ignore-signals",
        "ignore every signal that asks it to end",
        """
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
        while True:
            time.sleep(1)
        """,
        (TIMEOUT,),
        limits=_SHORT,
    ),
    _bomb(
        "stop-itself",
        "stop, so that it never ends",
        "os.kill(os.getpid(), signal.SIGSTOP)",
        (TIMEOUT,),
        limits=_SHORT,
    ),
    _bomb("wait-for-input", "wait for someone at the keyboard", "input()", (CRASH,), error="EOF"),
    _bomb(
        "flood-output",
        "print without end",
        """
        while True:
            print("x" * 100_000)
        """,
        (CRASH,),
    ),
    _bomb(
        "catch-everything",
        "go on whatever happens",
        """
        while True:
            try:
                bytearray(1 << 40)
            except BaseException:
                pass
        """,
        (TIMEOUT,),
        limits=_SHORT,
    ),
    _bomb(
        "deep-scratch",
        "leave a tree that cannot be removed",
        """
        for name in ("a\\nb", "-rf", "\\x1b[31m", ".removed-0"):
            Path(name).mkdir()
            Path(name, "x").write_text("x")
        top = os.getcwd()
        for _ in range(300):
            os.mkdir("d")
            os.chdir("d")
        os.chdir(top)
        """,
        (OK,),
        limits=Limits(time_seconds=20),
    ),
    _bomb(
        "closed-scratch",
        "close its directory to everyone",
        """
        os.makedirs("a/b")
        for path in ("a/b", "a", "."):
            try:
                os.chmod(path, 0)
            except OSError:
                pass
        """,
        (OK, CRASH),
        (OK, CRASH, INVALID),
    ),
)
