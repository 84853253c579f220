"""Starting a Python process that has this one's modules and nothing of its secrets."""

from __future__ import annotations

import os
import sys
from pathlib import Path

#: Variables of the environment that a child keeps: what systems need to run any program.
_KEPT_VARIABLES = (
    *("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP"),
    *("NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE"),
)


def bootstrap(module: str) -> str:
    """Returns the program that runs `main()` of `module` with this process's sys.path.

    It looks for no garbage while it imports, nor later in what was imported: that is faster,
    and a fork shares more memory.
    """
    path = [str(Path(entry).resolve()) for entry in sys.path if entry]
    return (
        f"import gc, sys; gc.disable(); sys.path[:] = {path!r}; from {module} import main; "
        "gc.enable(); gc.freeze(); main()"
    )


def clean_environment() -> dict[str, str]:
    """Returns the environment of a child: what Python needs, and one thread."""
    variables = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**variables, "OMP_NUM_THREADS": "1"}
