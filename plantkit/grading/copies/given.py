"""Code that is nobody's own: what was handed out, plantkit's skeleton, and installed pruners."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from plantkit.errors import UsageError
from plantkit.grading.copies.sources import code_of
from plantkit.plugins import load_installed

_SKELETON = ("templates", "pruner", "@{name}.py.in")


def given_code(paths: Sequence[Path] = ()) -> list[dict[str, str]]:
    """Returns code that does not count when hand-ins are compared, file name to text.

    That is the skeleton that `plantkit new` makes, the installed pruners, which students are told
    to start from, and what lies at `paths`.

    Raises:
        UsageError: a path holds no code.
    """
    found = [{"skeleton.py": files("plantkit").joinpath(*_SKELETON).read_text(encoding="utf-8")}]
    for registered in load_installed().pruners():
        source = inspect.getsourcefile(type(registered.pruner))
        if source is not None:
            found.append(code_of(Path(source)))
    for path in paths:
        code = code_of(path)
        if not code:
            raise UsageError(
                f"--given: {path} holds no Python file and no notebook; expected the code that was "
                "handed out"
            )
        found.append(code)
    return found
