"""How macOS differs from Linux, besides the names that it lacks."""

from __future__ import annotations

import ctypes
import resource
from types import ModuleType
from typing import Any


def behave() -> None:
    """Changes nothing for all code."""


def adapt_child(arguments: dict[str, Any]) -> None:
    """Changes nothing: `subprocess` is the same."""


def extra_modules() -> dict[str, ModuleType]:
    """Returns the modules that only macOS has: none that matters."""
    return {}


def other_values() -> dict[str, dict[str, Any]]:
    """Returns what code under test finds in modules, by module."""
    return {
        "sys": {"platform": "darwin"},
        "platform": {
            "system": lambda: "Darwin",
            "platform": lambda *_, **__: "macOS-15.1-arm64-arm-64bit",
            "machine": lambda: "arm64",
            "mac_ver": lambda *_, **__: ("15.1", ("", "", ""), "arm64"),
        },
        "resource": {"setrlimit": _set_limit},
        "ctypes": {"CDLL": _Library},
    }


def _set_limit(kind: int, limits: tuple[int, int]) -> None:
    if kind in {resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_RSS}:
        raise ValueError("current limit exceeds maximum limit")  # what macOS says
    resource.setrlimit(kind, limits)


class _Library(ctypes.CDLL):
    """The C library, without the system calls of Linux."""

    def __getattr__(self, name: str) -> Any:
        if name in {"prctl", "capset", "capget", "unshare", "setns", "gettid", "pidfd_open"}:
            raise AttributeError(f"dlsym(RTLD_DEFAULT, {name}): symbol not found")
        return super().__getattr__(name)
