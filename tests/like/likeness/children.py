"""Child processes of Python, whatever environment they get, are like the same system."""

from __future__ import annotations

import functools
import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from likeness import VARIABLE

_OWN = str(Path(__file__).parents[1])


def carry_over(adapt: Callable[[dict[str, Any]], None]) -> None:
    """Makes `subprocess` start Python so that it takes up the likeness.

    adapt: changes the arguments of `Popen` to what the system makes of them.
    """
    plain = subprocess.Popen.__init__
    signature = inspect.signature(plain)

    @functools.wraps(plain)
    def start(self: subprocess.Popen[Any], *arguments: Any, **options: Any) -> None:
        bound = signature.bind(self, *arguments, **options)
        adapt(bound.arguments)
        command, environment = bound.arguments["args"], bound.arguments.get("env")
        if isinstance(command, (list, tuple)) and str(command[0]) == sys.executable:
            bound.arguments["args"] = [sys.executable, *_not_isolated(command[1:])]
        if environment is not None:
            path = environment.get("PYTHONPATH", "").split(os.pathsep)
            kept = [entry for entry in path if entry and entry != _OWN]
            bound.arguments["env"] = {
                **environment,
                VARIABLE: os.environ[VARIABLE],
                "PYTHONPATH": os.pathsep.join([_OWN, *kept]),
            }
        plain(*bound.args, **bound.kwargs)

    subprocess.Popen.__init__ = start  # type: ignore[method-assign]


def _not_isolated(arguments: list[str]) -> list[str]:
    """Returns Python's arguments with the nearest options that still read PYTHONPATH."""
    found = []
    for number, argument in enumerate(map(str, arguments)):
        if not argument.startswith("-") or argument in {"-c", "-m", "-"}:
            return [*found, *map(str, arguments[number:])]
        if argument == "-I":
            found += ["-s", "-P"]
        elif argument != "-E":
            found.append(argument)
    return found
