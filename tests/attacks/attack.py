"""What an attack is."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

from plantkit.isolation.levels import Level
from plantkit.isolation.wire import Limits, Status

OK, INVALID, CRASH = Status.OK, Status.INVALID, Status.CRASH
TIMEOUT, OOM = Status.TIMEOUT, Status.OOM

_HEAD = """\
import ctypes, json, os, signal, socket, sys, time
from pathlib import Path
import torch
T = {targets!r}
LIBC = ctypes.CDLL(None, use_errno=True)
def masks(problem):
    return {{n: torch.zeros(w.shape, dtype=torch.bool) for n, w in problem.weights.items()}}
def ticket(path):
    from safetensors.torch import load
    tensors = load(Path(path).read_bytes() if not isinstance(path, bytes) else path)
    found = {{n.removeprefix("ticket."): t for n, t in tensors.items() if n.startswith("ticket.")}}
    print("SUCCEEDED")
    return found
def prune(problem, density, seed):
{body}
    return masks(problem)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A hostile submission.

    name, tries: what it is called and what it is after. body: the lines of its `prune`.
    stopped_from: the lowest level that promises to stop it. status: how it must end at each
    level that stops it; one or more. control: a lower level at which it must succeed, which
    proves that the attack is real; None where that would harm the machine that tests run on.
    error: text that the error must hold.
    """

    name: str
    tries: str
    body: str
    stopped_from: Level = Level.FULL
    status: Mapping[Level, tuple[Status, ...]] = field(
        default_factory=lambda: {Level.FULL: (CRASH,)}
    )
    control: Level | None = None
    limits: Limits = field(default_factory=lambda: Limits(time_seconds=20))
    error: str = ""

    def code(self, targets: Mapping[str, object]) -> str:
        body = textwrap.indent(textwrap.dedent(self.body).strip("\n"), "    ")
        return _HEAD.format(targets=dict(targets), body=body)


def told(body: str) -> str:
    """Returns `body` with a last line that tells of its success."""
    return textwrap.dedent(body).strip() + "\nprint('SUCCEEDED')"


def both(full: tuple[Status, ...], process: tuple[Status, ...] | None = None):
    """Returns the statuses at the levels full and process."""
    return {Level.FULL: full, Level.PROCESS: full if process is None else process}
