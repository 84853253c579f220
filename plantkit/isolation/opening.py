"""Opens the backend that runs pruners on this machine."""

from __future__ import annotations

from pathlib import Path

from plantkit.isolation.backends import backend_class
from plantkit.isolation.backends.local import LocalBackend
from plantkit.isolation.levels import AUTO, Isolation, choose
from plantkit.isolation.probe import probe_machine
from plantkit.isolation.servers import PrunerServer


def open_backend(
    scratch: Path, isolation: Isolation | None = None, server: PrunerServer | None = None
) -> LocalBackend:
    """Returns what runs pruners on this machine; a context manager.

    Args:
        scratch: directory for the files of its runs, made when it is needed.
        isolation: the best that the machine offers if None.
        server: process to be used; one of the backend's own if None.
    """
    if isolation is None:
        isolation = Isolation(level=choose(AUTO, probe_machine())[0])
    return backend_class(isolation.level)(scratch, isolation, server or PrunerServer())
