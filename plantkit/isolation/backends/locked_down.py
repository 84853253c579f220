"""Level `full`: a child process that Landlock and seccomp lock down, as any user may ask for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from plantkit.isolation import files, syscalls
from plantkit.isolation.backends.process import ChildProcess
from plantkit.isolation.wire import Limits

if sys.platform != "linux":
    raise ImportError("this module needs Linux")


class LockedDown(ChildProcess):
    """A child process that reaches its libraries, its problem and its scratch, nothing else."""

    @classmethod
    def prepare(cls, hidden: Sequence[Path]) -> None:
        import landlockpy
        import seccompy

        landlockpy.abi_version()  # both look for the C library once, by starting a program
        seccompy.supported()
        syscalls.static_filter()
        _system_files(hidden)

    @classmethod
    def confine(
        cls, cell: Path, limits: Limits, readable: Sequence[Path], hidden: Sequence[Path]
    ) -> None:
        super().confine(cell, limits, readable, hidden)
        files.restrict(_system_files(hidden), readable, [cell])
        syscalls.apply()


def _system_files(hidden: Sequence[Path]) -> tuple[tuple[str, bool], ...]:
    return files.readable_paths((*hidden, *shipped_bundles()), _plugin_modules())


@cache
def _plugin_modules() -> tuple[str, ...]:
    """Returns the modules that installed plugins are loaded from."""
    from importlib.metadata import entry_points

    return tuple(sorted({entry.module for entry in entry_points(group="plantkit")}))


def shipped_bundles() -> list[Path]:
    """Returns where bundles lie in the package, and in what an editable installation copied."""
    parents = [Path(__file__).parents[3], *map(Path, sys.path)]
    found = [parent.resolve() / "plantkit" / "shipped_challenges" for parent in parents]
    return [path for path in dict.fromkeys(found) if path.is_dir()]
