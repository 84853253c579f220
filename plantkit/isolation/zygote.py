"""The process that imports torch once for all servers of a pool, and forks them.

It runs nothing itself. When the parent closes its standard input it waits until its servers
have ended. Until then it does not reap them, so that no other process gets a dead server's id.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import NoReturn

import torch

from plantkit.isolation import fork_server, kernel
from plantkit.isolation.forks import numbered
from plantkit.isolation.wire import MARKER

if sys.platform != "linux":
    raise ImportError("this module needs Linux")


def main() -> None:
    """Forks a server for each pair of descriptors, `requests,answers`, of the arguments."""
    torch.set_num_threads(1)  # a fork must not inherit a pool of threads
    kernel.set_dumpable(False)
    for number, pair in enumerate(sys.argv[1:], start=1):
        requests, answers = map(int, pair.split(","))
        if os.fork() == 0:
            _serve(number, requests, answers)
    kernel.close_descriptors()
    while os.read(0, 1024):
        pass
    while True:
        try:
            os.wait()
        except ChildProcessError:
            os._exit(0)


def _serve(number: int, requests: int, answers: int) -> NoReturn:
    """Turns a fork into the server `number`."""
    try:
        os.setsid()
        os.dup2(requests, 0)
        os.dup2(answers, 1)
        kernel.close_descriptors()  # those of the zygote and of other servers
        mark(number)
        if len(sys.argv) > 2:
            torch.default_generator.seed()  # else all servers would draw the same numbers
        fork_server.main()
    finally:
        os._exit(70)


def mark(number: int) -> None:
    """Gives this process a marker of its own, where others find it: in its first environment.

    Raises:
        RuntimeError: the environment has no marker.
    """
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    address = libc.getenv(MARKER.encode())
    if not address:
        raise RuntimeError(f"the environment has no {MARKER}")
    old = f"{MARKER}={ctypes.string_at(address).decode()}"
    value = numbered(old, number).partition("=")[2]
    ctypes.memmove(address, value.encode(), len(value))
    os.environ[MARKER] = value
