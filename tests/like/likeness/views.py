"""Views of modules that hide some names, for the code that is under test."""

from __future__ import annotations

import builtins
import functools
import os
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

_PATHS = sysconfig.get_paths()
_LIBRARIES = tuple({*(os.path.realpath(_PATHS[n]) for n in ("stdlib", "platstdlib"))})
_OWN = str(Path(__file__).parent)
#: Directories that other systems lack.
_LINUX_ONLY = ("/proc", "/sys", "/dev/shm")


class View(ModuleType):
    """A module without some of its names, and with other values of some."""

    def __init__(self, module: ModuleType, absent: Sequence[str], other: Mapping[str, Any]) -> None:
        super().__init__(module.__name__, module.__doc__)
        vars(self).update(other, _module=module, _absent=frozenset(absent) - other.keys())

    def __getattr__(self, name: str) -> Any:
        if name in vars(self)["_absent"]:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(vars(self)["_module"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self):
            vars(self)[name] = value
        else:
            setattr(vars(self)["_module"], name, value)

    def __delattr__(self, name: str) -> None:
        if name in vars(self):
            del vars(self)[name]
        delattr(vars(self)["_module"], name)

    def __dir__(self) -> list[str]:
        return sorted({*dir(vars(self)["_module"])} - vars(self)["_absent"])


def is_under_test(file: str) -> bool:
    """Returns whether the code in `file` gets views: neither Python nor an installed package."""
    if file.startswith(("<frozen", _OWN)) or "site-packages" in file:
        return False
    return not os.path.realpath(file).startswith(_LIBRARIES)


is_under_test = functools.cache(is_under_test)


def caller_is_under_test() -> bool:
    """Returns whether the code that made Python's library do something gets views."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        is_library = file.startswith(("<frozen", _OWN, *_LIBRARIES))
        if "site-packages" in file or not is_library:
            return is_under_test(file)
        frame = frame.f_back
    return False


def give_views(
    absent: Mapping[str, Sequence[str] | None],
    other: Mapping[str, Mapping[str, Any]],
    extra: Mapping[str, ModuleType],
) -> None:
    """Makes every import of code under test give views.

    absent: by module, the names that it lacks; None hides the module. other: by module, values.
    extra: modules that only the other system has.
    """
    plain_import = builtins.__import__
    views: dict[str, View] = {}
    hidden = {name for name, names in absent.items() if names is None}

    def view(module: ModuleType) -> ModuleType:
        name = module.__name__
        if name not in absent and name not in other:
            return module
        if name not in views:
            views[name] = View(module, absent.get(name) or (), other.get(name, {}))
        return views[name]

    def viewing_import(
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 - their names in Python
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        is_ours = globals is not None and (
            is_under_test(globals["__file__"])
            if globals.get("__file__")
            else globals.get("__name__") == "__main__"
        )
        if not is_ours:
            return plain_import(name, globals, locals, fromlist or (), level)
        if level == 0 and name in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if level == 0 and name in extra:
            return extra[name]
        return view(plain_import(name, globals, locals, fromlist or (), level))

    builtins.__import__ = viewing_import


def hide_linux_files() -> None:
    """Hides /proc and the like from code under test."""
    import io

    def hiding(plain: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(plain)
        def call(path: Any = ".", *arguments: Any, **options: Any) -> Any:
            text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else ""
            if isinstance(text, str) and text.startswith(_LINUX_ONLY) and caller_is_under_test():
                raise FileNotFoundError(2, "No such file or directory", text)
            return plain(path, *arguments, **options)

        return call

    for name in ("stat", "lstat", "open", "listdir", "scandir", "readlink", "access"):
        setattr(os, name, hiding(getattr(os, name)))
    builtins.open = io.open = hiding(io.open)
