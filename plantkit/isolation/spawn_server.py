"""The child's side at the level `watched`: a warm process that carries out requests itself.

The parent ends it, with all that it started, after each submission. It ends itself, and them,
when the parent is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import threading
from pathlib import Path
from queue import SimpleQueue

import torch

from plantkit.isolation.cell_runner import redirect, run_cell, write_error
from plantkit.isolation.families import Family
from plantkit.isolation.wire import MARKER, OUTPUT_FILE


def main() -> None:
    """Serves requests: one line each on standard input, the path of a cell; one as an answer."""
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    redirect(Path(os.devnull))  # nothing but answers may reach the parent's pipe
    family = Family(os.getpid(), os.environ[MARKER])
    cells: SimpleQueue[Path] = SimpleQueue()

    def read() -> None:
        for line in requests:
            cells.put(Path(json.loads(line)))
        family.end(spare_root=True)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        answers.write("ready\n")
        answers.flush()
        _carry_out(cells.get())


def _carry_out(cell: Path) -> None:
    """Carries out the request in `cell`, in which it leaves no file open."""
    try:
        os.chdir(cell)
        redirect(cell / OUTPUT_FILE)
        torch.set_num_threads(1)
        for name in ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"):
            os.environ[name] = str(cell)
        tempfile.tempdir = None
        run_cell(cell)
    except BaseException as error:
        with contextlib.suppress(BaseException):
            write_error(cell, error)
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(BaseException):
                stream.flush()
        redirect(Path(os.devnull))
        os.chdir(cell.anchor)
