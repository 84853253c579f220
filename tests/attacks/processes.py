"""Attacks on processes: outliving the run, and reaching the parent or a neighbour."""

from __future__ import annotations

from attacks.attack import CRASH, INVALID, OK, TIMEOUT, Attack, both, told
from plantkit.isolation.levels import Level
from plantkit.isolation.wire import Limits


def _reach(name: str, tries: str, body: str, control: Level | None = Level.PROCESS) -> Attack:
    return Attack(name=name, tries=tries, body=told(body), control=control)


def _outlive(name: str, tries: str, body: str) -> Attack:
    return Attack(
        name=name,
        tries=tries,
        body=body,
        stopped_from=Level.PROCESS,
        status=both((CRASH,), (OK,)),
    )


ATTACKS = (
    _reach("kill-neighbour", "kill another process", "os.kill(T['victim'], signal.SIGKILL)"),
    _reach("stop-neighbour", "stop another process", "os.kill(T['victim'], signal.SIGSTOP)"),
    _reach(
        "signal-by-descriptor",
        "signal another process through a descriptor of it",
        "signal.pidfd_send_signal(os.pidfd_open(T['victim']), signal.SIGUSR1)",
    ),
    _reach(
        "signal-by-owner",
        "make another process the owner of a descriptor, to have it signalled",
        """
        import fcntl
        fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, T["victim"])
        """,
    ),
    _reach(
        "limits-of-neighbour",
        "take processor time from another process",
        "import resource; resource.prlimit(T['victim'], resource.RLIMIT_CPU, (1, 1))",
    ),
    _reach(
        "priority-of-neighbour",
        "slow another process down",
        "os.setpriority(os.PRIO_PROCESS, T['victim'], 19)",
        None,
    ),
    _reach(
        "processor-of-neighbour",
        "bind another process to one core",
        "os.sched_setaffinity(T['victim'], {min(os.sched_getaffinity(0))})",
        None,
    ),
    _reach("kill-all", "signal every process", "os.kill(-1, 0)", None),
    _reach("stop-parent", "stop the parent", "os.kill(os.getppid(), signal.SIGSTOP)", None),
    _reach("kill-grandparent", "signal the harness", "os.kill(T['parent'], 0)", None),
    Attack(
        name="kill-parent",
        tries="kill the parent",
        body="""
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(5)
        """,
        stopped_from=Level.PROCESS,
        status=both((CRASH,)),
    ),
    _reach(
        "trace",
        "trace another process",
        """if LIBC.ptrace(16, T["victim"], None, None) != 0:
    raise OSError(ctypes.get_errno(), "ptrace")""",
        None,
    ),
    _reach(
        "memory-of-parent",
        "read the memory of the harness",
        "open(f'/proc/{T[\"parent\"]}/mem', 'rb')",
        None,
    ),
    _reach(
        "memory-of-server",
        "write the memory of the process that forks",
        "open(f'/proc/{os.getppid()}/mem', 'r+b')",
        None,
    ),
    _reach(
        "descriptors-of-server",
        "open the pipe to the harness",
        "[open(f'/proc/{os.getppid()}/fd/{n}', 'wb') for n in range(1, 8)]",
        None,
    ),
    _reach(
        "descriptor-by-descriptor",
        "copy a descriptor of the harness",
        """if LIBC.syscall(438, LIBC.syscall(434, T["parent"], 0), 0, 0) < 0:
    raise OSError(ctypes.get_errno(), "pidfd_getfd")""",
        None,
    ),
    _outlive(
        "double-fork",
        "leave a process behind by forking twice",
        """
        if os.fork() == 0:
            if os.fork() == 0:
                time.sleep(60)
            os._exit(0)
        """,
    ),
    _outlive(
        "new-session",
        "leave a process behind in a session of its own",
        """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.setsid()
                os.chdir("/")
                os.closerange(0, 100)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
                time.sleep(60)
            os._exit(0)
        """,
    ),
    _outlive(
        "program",
        "leave another program behind",
        """
        import subprocess
        subprocess.Popen(["sleep", "60"], start_new_session=True)
        """,
    ),
    _outlive(
        "relay",
        "leave a chain of processes behind, each the child of one that is gone",
        """
        if os.fork() == 0:
            os.setsid()
            for _ in range(200):
                if os.fork():
                    os._exit(0)
                time.sleep(0.001)
            time.sleep(60)
        """,
    ),
    Attack(
        name="thread-outlives",
        tries="leave a thread running for ever",
        body="""
        import threading
        threading.Thread(target=lambda: [time.sleep(1) for _ in range(100)]).start()
        """,
        stopped_from=Level.PROCESS,
        status=both((OK,)),
    ),
    Attack(
        name="replace-by-program",
        tries="become another program that goes on after the time limit",
        body="os.execvp('sleep', ['sleep', '60'])",
        stopped_from=Level.PROCESS,
        status=both((CRASH,), (TIMEOUT,)),
        limits=Limits(time_seconds=0.4),
    ),
    Attack(
        name="answer-by-child",
        tries="return normally while a child goes on rewriting the answer",
        body="""
        if os.fork() == 0:
            while True:
                Path("answer.safetensors").write_bytes(os.urandom(100))
        """,
        stopped_from=Level.PROCESS,
        status=both((CRASH,), (OK, INVALID)),
    ),
)
