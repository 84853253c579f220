"""Takes up the likeness that the environment names."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

from likeness import VARIABLE
from likeness.children import carry_over
from likeness.views import give_views, hide_linux_files

#: Packages that only Linux has.
_LINUX_PACKAGES = ("landlockpy", "seccompy")


def install() -> None:
    """Does nothing where the environment names no likeness."""
    if VARIABLE not in os.environ:
        return
    likeness = json.loads(Path(os.environ[VARIABLE]).read_text(encoding="utf-8"))
    absent: dict[str, list[str] | None] = likeness["absent"]
    absent.update(dict.fromkeys(_LINUX_PACKAGES))
    system: Any = importlib.import_module(f"likeness.{likeness['system']}")
    multiprocessing.set_start_method("spawn")
    carry_over(system.adapt_child)
    system.behave()
    hide_linux_files()
    other = system.other_values()

    def import_module(name: str, package: str | None = None) -> Any:
        if name in absent and absent[name] is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return importlib.import_module(name, package)

    other.setdefault("importlib", {})["import_module"] = import_module
    give_views(absent, other, system.extra_modules())
