"""The parent's hold on a spawned process that runs pruners, and the watch over what it does."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO

from plantkit.isolation.families import Family
from plantkit.isolation.launch import bootstrap, clean_environment
from plantkit.isolation.levels import Isolation, Level
from plantkit.isolation.scratch import used_bytes
from plantkit.isolation.wire import CELL_FILE, MARKER, Exit, Limits, signal_name

_MIB = 1024 * 1024
#: Seconds between two looks at what a run uses.
_LOOK_SECONDS = 0.05
#: Errors that end a program on Windows have this bit in the exit code.
_WINDOWS_ERROR = 0xC0000000
#: An interrupt at the keyboard is for this process alone, not for those that it starts.
_NO_CONSOLE = 0
if sys.platform == "win32":
    _NO_CONSOLE = subprocess.CREATE_NO_WINDOW


class SpawnedServer:
    """A process that runs pruners where none can be forked, or none should be.

    A submission gets a process of its own. Pruners of installed packages share one until a run
    fails, for each process imports torch anew; what they left running ends with each run.
    """

    levels: frozenset[Level] = frozenset({Level.WATCHED})

    def __init__(self) -> None:
        marker = secrets.token_hex(16)
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-B", "-X", "utf8", "-c"),
                bootstrap("plantkit.isolation.spawn_server"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env={**clean_environment(), MARKER: marker},
            start_new_session=True,
            creationflags=_NO_CONSOLE,
        )
        self._family = Family(self._process.pid, marker)
        self._answers: SimpleQueue[str] = SimpleQueue()
        self._reader: threading.Thread | None = None
        self._is_ready = False

    def has_ended(self) -> bool:
        """See `ServerProcess.has_ended`."""
        return self._process.poll() is not None

    def get_ready(self, timeout_seconds: float) -> bool:
        """See `ServerProcess.get_ready`."""
        if self._reader is None:  # not sooner: what is forked meanwhile would not have the thread
            self._reader = threading.Thread(
                target=_pass_on, args=(self._process.stdout, self._answers), daemon=True
            )
            self._reader.start()
        deadline = time.monotonic() + timeout_seconds
        while not self._is_ready and time.monotonic() < deadline:
            with contextlib.suppress(Empty):
                if not self._answers.get(timeout=_LOOK_SECONDS):
                    break
                self._is_ready = True
        return self._is_ready

    def ask(self, cell: Path, limits: Limits, isolation: Isolation) -> Exit | None:
        """See `ServerProcess.ask`."""
        request = json.loads((cell / CELL_FILE).read_text(encoding="utf-8"))
        usual, first = len(self._family.look()), self._family.memory_mib()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(str(cell)) + "\n")
            self._process.stdin.flush()
        except OSError:
            return None
        found = self._watch(cell, limits, usual=usual, first=first)
        if found.code == 0 and request["source"]["path"] is None and not self.has_ended():
            self._family.end(spare_root=True)
        else:
            self.stop()
        return found

    def stop(self) -> None:
        """See `ServerProcess.stop`."""
        self._family.end()
        self._process.wait()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        if self._reader is None:  # else it closes what it reads
            self._process.stdout.close()

    def _watch(self, cell: Path, limits: Limits, *, usual: int, first: float) -> Exit:
        """Waits for the end of a run, or until it breaks a limit.

        Args:
            usual: processes before the run. More than one where a program stands between this
                process and Python, as in Windows' virtual environments.
            first: their memory, in MiB.
        """
        started = time.monotonic()
        deadline = started + limits.time_seconds
        cpu_before = cpu = self._family.cpu_seconds()
        peak = first
        nap = _LOOK_SECONDS
        timed_out = out_of_memory = False
        exceeded = ""
        answer: str | None = None
        while not (timed_out or exceeded):
            with contextlib.suppress(Empty):
                left = max(0.0, deadline - time.monotonic())
                answer = self._answers.get(timeout=min(nap, left))
            now = time.monotonic()
            peak = max(peak, self._family.memory_mib())
            cpu = max(cpu, self._family.cpu_seconds())
            if answer or self.has_ended():
                break
            members = len(self._family.look()) - usual + 1
            peak = max(peak, self._family.memory_mib())
            if now > deadline:
                timed_out = True
            elif peak - first > limits.memory_mib:
                out_of_memory = True
                exceeded = f"used more than {limits.memory_mib} MiB of memory"
            else:
                exceeded = limits.exceeded(
                    processes=members,
                    threads=self._family.threads(),
                    disk_bytes=used_bytes(cell, limits.disk_mib * _MIB),
                )
            # A look takes a while; never spend most of the time on it.
            nap = max(_LOOK_SECONDS, 4 * (time.monotonic() - now))
        seconds = time.monotonic() - started
        code = 0 if answer else self._process.poll()
        return Exit(
            seconds=seconds,
            code=code,
            signal=_signal_of(code),
            timed_out=timed_out,
            peak_rss_mib=round(peak, 1),
            cpu_seconds=cpu - cpu_before,
            exceeded=exceeded,
            out_of_memory=out_of_memory,
        )


def _pass_on(answers: IO[str], queue: SimpleQueue[str]) -> None:
    """Puts every line of a process into `queue`, and "" when there are no more."""
    with answers:
        for line in answers:
            queue.put(line)
    queue.put("")


def _signal_of(code: int | None) -> str | None:
    """Returns what the system ended a process with, by its exit code, None if nothing."""
    if code is None or 0 <= code < _WINDOWS_ERROR:
        return None
    return signal_name(-code) if code < 0 else f"Windows error 0x{code:08X}"
