"""The files that cross the boundary between the parent and the child, and their bounds.

A problem directory holds `problem.json`, `weights.safetensors` and `train.safetensors`. A
cell directory holds the request `cell.json`, a copy of the submission, and after the run
`answer.safetensors` or `error.json`, and the captured `output.txt`.
"""

from __future__ import annotations

import enum
import json
import re
import signal
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plantkit.isolation.scratch import MOST_ENTRIES, read_regular

PROBLEM_FILE = "problem.json"
WEIGHTS_FILE = "weights.safetensors"
TRAIN_FILE = "train.safetensors"
CELL_FILE = "cell.json"
ANSWER_FILE = "answer.safetensors"
ERROR_FILE = "error.json"
OUTPUT_FILE = "output.txt"
#: The directory in a cell with the files of the submission: a copy for every run.
SUBMISSION_DIRECTORY = "submission"

#: The variable that marks a server's processes, so that they are found wherever they went.
MARKER = "PLANTKIT_SERVER"
#: The last line of a server that ends because nothing more is asked of it.
FAREWELL = '{"ended": true}'

#: Prefixes of the tensor names in an answer.
MASK_PREFIX = "mask."
SALIENCY_PREFIX = "saliency."

#: Most bytes read back of an error report or of captured output.
MOST_TEXT_BYTES = 64 * 1024
#: Most characters of a traceback.
MOST_TRACEBACK = 12 * 1024
#: Most characters of the message of one error.
MOST_MESSAGE = 4 * 1024

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


class Status(enum.StrEnum):
    """How a run ended."""

    OK = "ok"
    INVALID = "invalid"
    TIMEOUT = "timeout"
    OOM = "oom"
    CRASH = "crash"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a run may use.

    time_seconds: wall time; the processor time of all threads may be as much on every core.
    memory_mib: address space beyond the interpreter and torch; where the run is only watched,
    memory that it really uses. output_mib: any one file, and what the run prints, except where
    it is only watched. disk_mib: everything in its scratch directory. processes, threads: at
    any one time; under full isolation there is one process only.
    """

    time_seconds: float = 300.0
    memory_mib: int = 4096
    output_mib: int = 64
    disk_mib: int = 256
    processes: int = 32
    threads: int = 256

    def exceeded(self, *, processes: int, threads: int, disk_bytes: int) -> str:
        """Returns which limit is broken by a run that uses so much at a time, "" if none is."""
        if processes > self.processes:
            return f"started more than {self.processes} processes"
        if threads > self.threads:
            return f"started more than {self.threads} threads"
        if disk_bytes > self.disk_mib * 1024 * 1024:
            return (
                f"wrote more than {self.disk_mib} MiB or {MOST_ENTRIES} files to its "
                "working directory"
            )
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How the child's process for one request ended, as the operating system tells it.

    cpu_seconds: processor time of all that the request started, None where it is not known.
    exceeded: the limit that it was killed for, other than that of time, else "".
    out_of_memory: whether that limit was its memory.
    """

    seconds: float
    code: int | None = None
    signal: str | None = None
    timed_out: bool = False
    peak_rss_mib: float | None = None
    cpu_seconds: float | None = None
    exceeded: str = ""
    out_of_memory: bool = False


def signal_name(number: int) -> str:
    """Returns `SIGKILL` for 9; a real-time signal has no name and gets its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def read_bounded_text(path: Path) -> str:
    """Returns the last `MOST_TEXT_BYTES` of a regular file as plain text, or "" without one."""
    try:
        content = read_regular(path, MOST_TEXT_BYTES, from_end=True)
    except OSError:
        return ""
    return content.decode("utf-8", errors="replace")


def plain_text(value: object, most: int) -> str:
    """Returns text from a pruner, of `most` characters or fewer, that is safe to print.

    Terminal escapes, control characters and marks that turn the direction of writing are left
    out; line ends and tabs stay.
    """
    text = value if isinstance(value, str) else ""
    text = _ESCAPES.sub("", text[: 4 * most])
    kept = (
        character
        for character in text
        if character in "\n\t" or unicodedata.category(character) not in _UNPRINTABLE
    )
    return "".join(kept)[:most]
