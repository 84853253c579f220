"""Level `none`: a pruner runs in this process, with its terminal, so that a debugger works."""

from __future__ import annotations

import os
import time
from pathlib import Path

from plantkit.isolation.backends.local import LocalBackend
from plantkit.isolation.wire import Exit, Limits


class InProcess(LocalBackend):
    """Runs pruners in this process. Nothing is locked away, and no limit holds."""

    def start(self) -> None:
        """Does nothing: this process runs."""

    def carry_out(self, cell: Path, limits: Limits) -> Exit:
        from plantkit.isolation.cell_runner import run_cell

        started, cpu_before = time.monotonic(), _cpu_seconds()
        run_cell(cell)
        return Exit(
            seconds=time.monotonic() - started, code=0, cpu_seconds=_cpu_seconds() - cpu_before
        )


def _cpu_seconds() -> float:
    """Returns the processor time of this process and of children that it has waited for."""
    return sum(os.times()[:4])
