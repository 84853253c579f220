"""The files that a pruner may reach under full isolation: Landlock rules.

Landlock opens whole directory trees and cannot close a part of one again. Where something
hidden (a bundle's truth, the run directory) lies inside a tree that must be readable (bundles
ship inside site-packages), the tree is opened piece by piece around it.
"""

from __future__ import annotations

import os
import site
import stat
import sys
import sysconfig
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

#: Shared libraries, time zones, locales, random numbers and what torch asks of the processor.
_SYSTEM = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/locale",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/null",
    "/dev/zero",
    "/dev/urandom",
    "/dev/random",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
)


@cache
def readable_paths(
    hidden: tuple[Path, ...], entry_modules: tuple[str, ...] = ()
) -> tuple[tuple[str, bool], ...]:
    """Returns what a pruner's process may read, without what is `hidden`.

    Each path comes with whether files may be read beneath it; if not, only names may be listed.
    entry_modules: dotted names of modules that installed plugins are loaded from. Takes some
    milliseconds: call it once before forking.
    """
    packages = [os.path.realpath(path) for path in _foreign_packages(entry_modules)]
    places = [*_SYSTEM, *_python_paths()]
    roots = {os.path.realpath(path) for path in places if Path(path).exists()}
    roots.update(package for package in packages if not _is_beneath(package, roots))
    shut = tuple(os.path.realpath(path) for path in hidden)
    found: dict[str, bool] = {}
    for root in sorted(roots):
        if not _is_beneath(root, roots - {root}):
            found.update(_around(root, shut))
    # Finding a module lists its directory; names next to a package are not secret.
    for package in packages:
        found.setdefault(str(Path(package).parent), False)
    return tuple(found.items())


def restrict(
    readable: Iterable[tuple[str, bool]], own: Iterable[Path], writable: Sequence[Path]
) -> None:
    """Binds this process, for good, to the given files.

    own: files and directories readable in full, besides `readable`. writable: scratch
    directories: regular files, directories, and nothing else.

    Raises:
        OSError: the kernel has no Landlock, or refuses.
    """
    from landlockpy import AccessFS, Ruleset, Scope

    read = AccessFS.READ_FILE | AccessFS.READ_DIR
    change = (
        AccessFS.WRITE_FILE
        | AccessFS.TRUNCATE
        | AccessFS.MAKE_REG
        | AccessFS.MAKE_DIR
        | AccessFS.REMOVE_FILE
        | AccessFS.REMOVE_DIR
        | AccessFS.REFER
    )
    with Ruleset(scoped=Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL) as ruleset:
        for path, with_content in [*readable, *((str(path), True) for path in own)]:
            try:
                is_directory = stat.S_ISDIR(os.stat(path).st_mode)  # noqa: PTH116 - many paths
            except OSError:
                continue
            if is_directory:
                ruleset.allow_path(path, read if with_content else AccessFS.READ_DIR)
            elif path == os.devnull:
                ruleset.allow_path(path, AccessFS.READ_FILE | AccessFS.WRITE_FILE)
            else:
                ruleset.allow_path(path, AccessFS.READ_FILE)
        for scratch in writable:
            ruleset.allow_path(scratch, read | change)
        ruleset.restrict()


def _python_paths() -> list[str]:
    """Returns the interpreter and its libraries."""
    paths = sysconfig.get_paths()
    found = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    found += [*site.getsitepackages(), sys.executable]
    if site.ENABLE_USER_SITE:
        found.append(site.getusersitepackages())
    # On sys.path already where the parent saw it, though this process runs isolated.
    found += [entry for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages"}]
    library = sysconfig.get_config_var("LIBDIR")
    if library:
        found += [str(path) for path in Path(library).glob("libpython*")]
    return found


def _foreign_packages(entry_modules: Sequence[str]) -> Iterator[str]:
    """Yields imported packages, and those of plugins, that lie outside of the libraries.

    An editable install puts a whole project on sys.path; only its packages are opened.
    """
    modules = [
        module
        for name, module in list(sys.modules.items())
        if "." not in name and name != "__main__"
    ]
    for module in modules:
        for place in [
            *(getattr(module, "__path__", None) or []),
            getattr(module, "__file__", None),
        ]:
            if isinstance(place, str) and Path(place).name != "__init__.py":
                yield place
    for name in {name.partition(".")[0].partition(":")[0] for name in entry_modules}:
        for entry in sys.path:
            for candidate in (Path(entry) / name, Path(entry) / f"{name}.py"):
                if candidate.exists():
                    yield str(candidate)


def _is_beneath(path: str, roots: Collection[str]) -> bool:
    return any(path == root or path.startswith(root + os.sep) for root in roots)


@cache
def _names(directory: str) -> tuple[str, ...]:
    try:
        return tuple(os.listdir(directory))  # noqa: PTH208
    except OSError:
        return ()


def _around(root: str, hidden: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    """Yields `root`, or its pieces where something hidden lies beneath it."""
    if _is_beneath(root, hidden):
        return
    if not any(path.startswith(root.rstrip(os.sep) + os.sep) for path in hidden):
        yield root, True
        return
    yield root, False
    for name in _names(root):
        piece = str(Path(root) / name)
        if not Path(piece).is_symlink():  # what it points to is opened, or not, for itself
            yield from _around(piece, hidden)
