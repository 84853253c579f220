"""Attacks on files: reading what is secret, changing what belongs to others."""

from __future__ import annotations

from attacks.attack import CRASH, OK, Attack, both, told
from plantkit.isolation.levels import Level


def _read(
    name: str,
    tries: str,
    body: str,
    control: Level | None = Level.PROCESS,
    error: str = "rror",
) -> Attack:
    return Attack(name=name, tries=tries, body=body, control=control, error=error)


def _write(name: str, tries: str, body: str, control: Level | None = Level.PROCESS) -> Attack:
    return Attack(name=name, tries=tries, body=told(body), control=control)


ATTACKS = (
    _read("truth-by-path", "read the truth by its path", "return ticket(T['truth'])"),
    _read(
        "truth-by-relative-path",
        "read the truth by a path from its own directory",
        "return ticket(os.path.relpath(T['truth']))",
    ),
    _read(
        "truth-by-path-descriptor",
        "open the truth as a mere path, then again through /proc/self/fd",
        """
        handle = os.open(T["truth"], os.O_PATH)
        return ticket(f"/proc/self/fd/{handle}")
        """,
    ),
    _read(
        "truth-by-directory-descriptor",
        "open the truth relative to an open directory",
        """
        directory = os.open(os.path.dirname(T["truth"]), os.O_PATH | os.O_DIRECTORY)
        file = os.open("truth.safetensors", os.O_RDONLY, dir_fd=directory)
        return ticket(os.read(file, 1 << 24))
        """,
    ),
    _read(
        "truth-by-changing-directory",
        "enter the bundle, then read the truth by name",
        """
        os.chdir(os.path.dirname(T["truth"]))
        return ticket("truth.safetensors")
        """,
    ),
    _read(
        "truth-by-hard-link",
        "give the truth a second name in the scratch directory",
        """
        os.link(T["truth"], "mine")
        return ticket("mine")
        """,
    ),
    _read(
        "truth-by-symbolic-link",
        "point a link in the scratch directory at the truth",
        """
        os.symlink(T["truth"], "mine")
        return ticket("mine")
        """,
    ),
    _read(
        "truth-by-renaming",
        "move the truth into the scratch directory",
        """
        os.rename(T["truth"], "mine")
        return ticket("mine")
        """,
    ),
    _read(
        "truth-by-system-call",
        "open the truth with the C library, past Python",
        """
        file = LIBC.open(T["truth"].encode(), os.O_RDONLY)
        if file < 0:
            raise OSError(ctypes.get_errno(), "open")
        return ticket(os.read(file, 1 << 24))
        """,
    ),
    _read(
        "truth-through-root-of-process",
        "read the truth through /proc/self/root",
        "return ticket('/proc/self/root' + T['truth'])",
    ),
    _read(
        "truth-by-plantkit",
        "have plantkit load the bundle",
        """
        from plantkit.challenges import bundles
        challenge = bundles.load(Path(T["challenge"]))
        print("SUCCEEDED")
        return dict(challenge.truth.ticket)
        """,
        error="cannot be read: Permission denied",
    ),
    _read(
        "truth-in-open-descriptors",
        "read every descriptor that was left open",
        """
        for descriptor in range(3, 1024):
            try:
                content = os.pread(descriptor, 1 << 20, 0)
            except OSError:
                continue
            if b"ticket." in content:
                return ticket(content)
        raise OSError("none")
        """,
        control=Level.NONE,
    ),
    _read(
        "truth-by-garbage-collector",
        "find the ticket among all objects",
        """
        import gc
        for thing in gc.get_objects():
            if type(thing).__name__ == "Challenge":
                print("SUCCEEDED")
                return dict(thing.truth.ticket)
        raise LookupError("Error: none")
        """,
        control=Level.NONE,
    ),
    _read(
        "truth-in-frames",
        "look through the variables of all callers",
        """
        frame = sys._getframe()
        while frame is not None:
            for value in list(frame.f_locals.values()):
                if type(value).__name__ == "Challenge":
                    print("SUCCEEDED")
                    return dict(value.truth.ticket)
            frame = frame.f_back
        raise LookupError("Error: none")
        """,
        control=Level.NONE,
    ),
    _read(
        "home",
        "read a password in the home directory",
        "assert 'hunter' + '2' in Path(T['home'], '.netrc').read_text(); print('SUCCEEDED')",
    ),
    _read(
        "run-directory",
        "read the records of the run",
        "Path(T['run'], 'records.jsonl').read_text(); print('SUCCEEDED')",
    ),
    _read(
        "other-submission",
        "read another submission",
        "Path(T['other']).read_text(); print('SUCCEEDED')",
    ),
    _read(
        "other-cell",
        "read what another run has answered",
        "Path(T['cell'], 'answer.safetensors').read_bytes(); print('SUCCEEDED')",
    ),
    _read(
        "list-bundles",
        "list the bundle's directory",
        "assert os.listdir(T['challenge']); print('SUCCEEDED')",
    ),
    _read(
        "users", "read the users of the machine", "open('/etc/passwd').read(); print('SUCCEEDED')"
    ),
    _read(
        "cwd-of-parent",
        "enter the parent's directory",
        "os.listdir(f'/proc/{os.getppid()}/cwd'); print('SUCCEEDED')",
        None,
    ),
    Attack(
        name="environment",
        tries="read a secret in the environment",
        body="""
        assert os.environ["COURSE_SECRET"]
        print("SUCCEEDED")
        """,
        stopped_from=Level.PROCESS,
        status=both((CRASH,)),
        control=Level.NONE,
    ),
    _read(
        "environment-of-parent",
        "read the environment of the process that started the run",
        """
        assert b"COURSE_SECRET" in Path("/proc", str(T["parent"]), "environ").read_bytes()
        print("SUCCEEDED")
        """,
        None,
    ),
    _write(
        "new-file-in-bundle",
        "add a file to the bundle",
        "Path(T['challenge'], 'x').write_text('x')",
    ),
    _write(
        "overwrite-weights",
        "change the challenge's weights",
        "open(Path(T['challenge'], 'weights.safetensors'), 'r+b').write(b'x')",
    ),
    _write(
        "empty-weights",
        "empty a file through a descriptor for reading",
        "os.open(Path(T['challenge'], 'weights.safetensors'), os.O_RDONLY | os.O_TRUNC)",
    ),
    _write(
        "truncate-weights",
        "shorten a file by its path",
        "os.truncate(Path(T['challenge'], 'weights.safetensors'), 10)",
    ),
    _write(
        "alter-problem",
        "change the problem that the next pruner gets",
        "open(Path(T['problem'], 'train.safetensors'), 'r+b').write(b'x')",
    ),
    _write("close-bundle", "take the bundle away from everyone", "os.chmod(T['challenge'], 0)"),
    _write("close-own-file", "change the mode of a readable file", "os.chmod(T['submission'], 0)"),
    _write(
        "touch-bundle",
        "change the times of a file",
        "os.utime(Path(T['challenge'], 'challenge.json'), (0, 0))",
    ),
    _write(
        "rewrite-submission", "rewrite its own file", "Path(T['submission']).write_text('pass')"
    ),
    _write("remove-submission", "remove its own file", "os.unlink(T['submission'])"),
    _write(
        "replace-submission",
        "put another file in the place of a rival's",
        "Path('x').write_text('pass'); os.replace('x', T['other'])",
    ),
    _write(
        "forge-record",
        "add a record to the run",
        "open(Path(T['run'], 'records.jsonl'), 'a').write('{}')",
    ),
    _write(
        "cache", "leave something in the cache", "Path(T['home'], '.cache', 'x').write_text('x')"
    ),
    _write("home-file", "leave a start file at home", "Path(T['home'], '.bashrc').write_text('x')"),
    _write(
        "sitecustomize",
        "plant code that every Python runs",
        "Path(T['site'], 'sitecustomize.py').write_text('pass')",
        None,
    ),
    _write(
        "path-file",
        "plant a .pth file beside the libraries",
        "Path(T['site'], 'plantkit_attack.pth').write_text('import os')",
        None,
    ),
    _write(
        "bytecode",
        "replace the compiled code of plantkit",
        "Path(T['package'], '__pycache__', 'attack.pyc').write_bytes(b'x')",
        None,
    ),
    _write("tmp", "leave a file in /tmp", "Path('/tmp/plantkit-attack').write_text('x')", None),
    _write("shm", "leave shared memory", "Path('/dev/shm/plantkit-attack').write_text('x')", None),
    _write(
        "system-v",
        "leave shared memory without a file",
        """
        if LIBC.shmget(0x1CEB00DA, 4096, 0o1666) < 0:
            raise OSError(ctypes.get_errno(), "shmget")
        """,
        None,
    ),
    _write(
        "mount",
        "mount a file system over the bundle",
        """
        if LIBC.mount(b"none", T["challenge"].encode(), b"tmpfs", 0, None) != 0:
            raise OSError(ctypes.get_errno(), "mount")
        """,
        None,
    ),
    Attack(
        name="memory-of-earlier-runs",
        tries="keep masks for the next run in its module, in plantkit and in its scratch",
        body="""
        import builtins
        if hasattr(builtins, "kept") or Path("kept").exists():
            print("SUCCEEDED")
        builtins.kept = True
        Path("kept").write_text("x")
        """,
        stopped_from=Level.PROCESS,
        status=both((OK,)),
    ),
)
