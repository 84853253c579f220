"""Level `none`: a pruner runs in this process, with its terminal, so that a debugger works."""

from __future__ import annotations

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

        started = time.monotonic()
        run_cell(cell)
        return Exit(seconds=time.monotonic() - started, code=0)
