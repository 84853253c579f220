"""How Windows differs from Linux, besides the names that it lacks."""

from __future__ import annotations

import builtins
import ctypes
import enum
import errno
import fcntl
import functools
import io
import multiprocessing.context
import os
import re
import select
import shutil
import signal
import socket
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from likeness.views import caller_is_under_test

_ENCODING = "cp1252"
_SIGNALS = ("SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM")
_BAD_NAME = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$')
_DEVICES = re.compile(r"(CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9])(\..*)?", re.IGNORECASE)
_proc_listdir, _proc_readlink = os.listdir, os.readlink


def behave() -> None:
    """Makes files, names and text behave as they do on Windows, for all code."""
    for name in ("fork", "forkserver"):
        multiprocessing.context._concrete_contexts.pop(name, None)
    multiprocessing.get_all_start_methods = lambda: ["spawn"]
    builtins.open = io.open = _text_as_there(io.open)
    for name in ("unlink", "remove", "rmdir", "rename", "replace"):
        setattr(os, name, _refusing_what_is_in_use(getattr(os, name)))
    for name in ("open", "mkdir", "rename", "replace"):
        setattr(os, name, _checking_names(getattr(os, name)))
    os.symlink = _no_symlink
    shutil._use_fd_functions = False
    for stream, errors in ((sys.stdout, "strict"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper) and "PYTHONIOENCODING" not in os.environ:
            stream.reconfigure(encoding=_ENCODING, errors=errors, newline="\r\n")
    os.environ.setdefault("SYSTEMROOT", "C:\\Windows")


def adapt_child(arguments: dict[str, Any]) -> None:
    """Changes the arguments of `Popen` to what it makes of them on Windows."""
    options = arguments
    if options.get("preexec_fn") is not None:
        raise ValueError("preexec_fn is not supported on Windows platforms")
    for name in ("user", "group", "extra_groups"):
        if options.get(name) is not None:
            raise ValueError(f"The {name!r} parameter is not supported on the current platform")
    assert not options.get("pass_fds"), "pass_fds not supported on Windows."
    environment = options.get("env")
    if environment is not None and "SYSTEMROOT" not in environment:
        raise OSError("Python does not start on Windows without SYSTEMROOT")
    for name in ("start_new_session", "process_group", "creationflags", "startupinfo"):
        options.pop(name, None)
    is_text = options.get("text") or options.get("universal_newlines") or options.get("errors")
    if is_text and options.get("encoding") is None:
        options["encoding"] = _ENCODING


def other_values() -> dict[str, dict[str, Any]]:
    """Returns what code under test finds in modules, by module."""
    without_directories = {
        name: _without_directory(getattr(os, name))
        for name in ("open", "stat", "unlink", "rmdir", "mkdir", "rename", "replace", "chmod")
    }
    return {
        "sys": {"platform": "win32"},
        "os": {
            "name": "nt",
            "linesep": "\r\n",
            "kill": _kill,
            "supports_dir_fd": set(),
            "supports_fd": set(),
            "supports_follow_symlinks": set(),
            "O_BINARY": 0,
            "O_NOINHERIT": 0,
            **without_directories,
        },
        "platform": {
            "system": lambda: "Windows",
            "platform": lambda *_, **__: "Windows-11-10.0.26100-SP0",
            "machine": lambda: "AMD64",
            "release": lambda: "11",
        },
        "select": {"select": _select},
        "signal": {
            "signal": _signal,
            "SIGBREAK": 21,
            "CTRL_C_EVENT": 0,
            "CTRL_BREAK_EVENT": 1,
            "Signals": enum.IntEnum("Signals", {name: getattr(signal, name) for name in _SIGNALS}),
        },
        "subprocess": {
            "CREATE_NEW_PROCESS_GROUP": 0x200,
            "CREATE_NO_WINDOW": 0x08000000,
            "BELOW_NORMAL_PRIORITY_CLASS": 0x4000,
        },
        "ctypes": {"CDLL": _library},
    }


def _text_as_there(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `open` with cp1252 and CRLF where nothing else is asked for."""

    @functools.wraps(plain)
    def call(
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        if "b" not in mode:
            encoding = _ENCODING if encoding in {None, "locale"} else encoding
            if newline is None and set(mode) & set("wax"):
                newline = "\r\n"
        if set(mode) & set("wax") and isinstance(file, (str, os.PathLike)):
            _check_name(file)
        if opener is None and isinstance(file, (str, os.PathLike)) and Path(file).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(file))
        return plain(file, mode, buffering, encoding, errors, newline, closefd, opener)

    return call


def _check_name(path: Any) -> None:
    name = Path(os.fsdecode(path)).name
    if _BAD_NAME.search(name) and name not in {".", ".."}:
        raise OSError(errno.EINVAL, "Invalid argument", os.fspath(path))
    if _DEVICES.fullmatch(name):
        raise OSError(errno.EINVAL, "The directory name is invalid", os.fspath(path))


def _checking_names(plain: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(plain)
    def call(path: Any, *arguments: Any, **options: Any) -> Any:
        makes = plain.__name__ != "open" or (arguments and arguments[0] & os.O_CREAT)
        named = arguments[0] if plain.__name__ in {"rename", "replace"} else path
        if makes and isinstance(named, (str, os.PathLike)):
            _check_name(named)
        is_directory = (
            plain.__name__ == "open" and not options.get("dir_fd") and Path(path).is_dir()
        )
        if is_directory and caller_is_under_test():
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return plain(path, *arguments, **options)

    return call


def _refusing_what_is_in_use(plain: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(plain)
    def call(path: Any, *arguments: Any, **options: Any) -> Any:
        named = [path, *arguments[:1]] if plain.__name__ in {"rename", "replace"} else [path]
        if "dir_fd" not in options:
            for one in named:
                if isinstance(one, (str, os.PathLike)) and is_in_use(os.fspath(one)):
                    raise PermissionError(
                        errno.EACCES,
                        "The process cannot access the file because it is being used by another "
                        "process",
                        os.fspath(one),
                    )
        return plain(path, *arguments, **options)

    return call


def is_in_use(path: str) -> bool:
    """Returns whether a process has `path`, or a file beneath it, open or mapped."""
    if not os.path.lexists(path) or Path(path).is_symlink():
        return False
    real = os.path.realpath(path)
    return any(held == real or held.startswith(real + os.sep) for held in _held_paths())


def _held_paths() -> Iterator[str]:
    for pid in filter(str.isdigit, _proc_listdir("/proc")):
        for link in (f"/proc/{pid}/cwd", *_descriptors(pid)):
            try:
                yield _proc_readlink(link)
            except OSError:
                continue
    with _plain_open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        yield from {line.split(None, 5)[5].rstrip("\n") for line in maps if line.count("/")}


def _descriptors(pid: str) -> list[str]:
    try:
        return [f"/proc/{pid}/fd/{name}" for name in _proc_listdir(f"/proc/{pid}/fd")]
    except OSError:
        return []


_plain_open = io.open


def _no_symlink(source: Any, target: Any, *_: Any, **__: Any) -> None:
    raise OSError(errno.EPERM, "A required privilege is not held by the client", os.fspath(target))


def _without_directory(plain: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(plain)
    def call(*arguments: Any, **options: Any) -> Any:
        for name in ("dir_fd", "src_dir_fd", "dst_dir_fd"):
            if options.get(name) is not None:
                raise NotImplementedError(f"{name} unavailable on this platform")
        return plain(*arguments, **options)

    return call


def _kill(pid: int, number: int) -> None:
    if number == 0:
        raise AssertionError("on Windows os.kill(pid, 0) sends Ctrl-C to a whole group")
    os.kill(pid, signal.SIGKILL if number == signal.SIGTERM else number)


def _signal(number: int, handler: Any) -> Any:
    if number not in {getattr(signal, name) for name in _SIGNALS}:
        raise ValueError("invalid signal value")
    return signal.signal(number, handler)


def _select(*lists: Any) -> Any:
    for one in (one for some in lists[:3] for one in some):
        if not isinstance(one, socket.socket):
            raise OSError(10038, "An operation was attempted on something that is not a socket")
    return select.select(*lists)


def _library(name: Any, *arguments: Any, **options: Any) -> Any:
    if name is None:
        raise TypeError("LoadLibrary() argument 1 must be str, not None")
    return ctypes.CDLL(name, *arguments, **options)


def _lock(descriptor: int, mode: int, size: int) -> None:
    kinds = {1: fcntl.LOCK_EX, 2: fcntl.LOCK_EX | fcntl.LOCK_NB, 0: fcntl.LOCK_UN}
    try:
        fcntl.lockf(descriptor, kinds[mode], size)
    except OSError as error:
        raise PermissionError(errno.EACCES, "Permission denied") from error


def extra_modules() -> dict[str, types.ModuleType]:
    """Returns the modules that only Windows has, for code under test."""
    module = types.ModuleType("msvcrt")
    vars(module).update(LK_LOCK=1, LK_NBLCK=2, LK_UNLCK=0, locking=_lock)
    return {"msvcrt": module}
