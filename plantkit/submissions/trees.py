"""Several files: which of them define a pruner, and which modules a file needs from beside it."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from plantkit.errors import PluginError
from plantkit.submissions.submission import ACCEPTED, Files

#: Endings of the files that may define a pruner.
CODE = (".py", ".ipynb")
#: The file that is run where several define a pruner.
PREFERRED = "pruner.py"
#: Left out: what tools leave behind, and environments.
_LEFT_OUT = {"__pycache__", "__MACOSX", "Icon\r", "node_modules", "venv"}
#: Modules that are never taken from beside a file.
_OURS = sys.stdlib_module_names | {"numpy", "plantkit", "torch"}
#: Most entries of directories that are looked at.
_MOST_ENTRIES = 20_000
#: Bytes of a file that are looked through, and most names that it may import.
_MOST_SCANNED = 16 * 1024 * 1024
_MOST_IMPORTS = 2_000

# Of source text, nothing is parsed here: Python's parser can be made to crash.
_DEFINES = re.compile(r"^(?:def[ \t]+(?:prune|plantkit_pruners)\b|prune[ \t]*[:=])", re.MULTILINE)
#: As the rules ask for it: helpers may have a function `prune` of one argument or two.
_IS_SUBMISSION = re.compile(
    r"^(?:def[ \t]+(?:plantkit_pruners\b|prune[ \t]*\((?:\s*\*|[^),]*,[^),]*,))"
    r"|(?:prune|plantkit_pruners)[ \t]*(?::[^=\n]*)?="
    r"(?![ \t]*(?:[\d.\"'+\-\[{(]|True|False|None)))",
    re.MULTILINE,
)
_MENTIONS = re.compile(r"\b(?:prune|plantkit_pruners)\b")
_IMPORT = re.compile(r"\b(?:from|import|import_module|__import__)\b([^\n;#]*)")


def is_left_out(name: str) -> bool:
    """Whether a file is not a part of a submission: hidden, or made by a tool."""
    parts = [part for part in PurePosixPath(name).parts if part not in {".", ".."}]
    return any(part.startswith(".") or part in _LEFT_OUT for part in parts)


def find_main(files: Mapping[str, bytes], where: str, prefix: str = "") -> str:
    """Returns the name of the file that defines the pruner: an `__init__.py`, or the only one.

    Files further up come before those in folders further down. Messages leave `prefix` out.

    Raises:
        PluginError: there is none, or there are several.
    """
    code = sorted(name for name in files if PurePosixPath(name).suffix.lower() in CODE)
    if not code:
        raise PluginError(where, f"holds no Python file and no notebook; expected {ACCEPTED}")
    for depth in sorted({name.count("/") for name in code}):
        level = [name for name in code if name.count("/") == depth and _offers(name, files[name])]
        proper = [name for name in level if _IS_SUBMISSION.search(_text_of(name, files[name]))]
        packages = [name for name in level if PurePosixPath(name).name == "__init__.py"]
        preferred = [name for name in level if PurePosixPath(name).name == PREFERRED]
        for found in (packages, preferred, level, proper):
            if len(found) == 1:
                return found[0]
        if level:
            raise PluginError(
                where,
                f"holds {len(level)} files that define a pruner: {_listed(level, prefix)}; give "
                f"one of them, or name one {PREFERRED}",
            )
    if len(code) == 1:
        return code[0]  # it is said when it is loaded what it lacks
    raise PluginError(
        where,
        f"holds {len(code)} Python files, and none defines prune(problem, density, seed): "
        f"{_listed(code, prefix)}; expected {ACCEPTED}",
    )


def add_folder(files: Files, folder: Path, prefix: str, *, suffix: str = "") -> None:
    """Adds all files below `folder` whose names end in `suffix`; `prefix` begins their names.

    Raises:
        PluginError: a symbolic link is there, or there is too much. OSError: as it says.
    """
    pending = [(str(folder), prefix)]
    entries = 0
    while pending:
        directory, before = pending.pop()
        with os.scandir(directory) as found:
            for entry in found:
                entries += 1
                if entries > _MOST_ENTRIES:
                    raise PluginError(
                        files.path, "holds too many files; give the submission's own folder or file"
                    )
                name = f"{before}{entry.name}"
                if is_left_out(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if not (Path(entry.path) / "pyvenv.cfg").exists():
                        pending.append((entry.path, f"{name}/"))
                elif entry.name.endswith(suffix):
                    if entry.is_symlink():
                        raise PluginError(
                            files.path,
                            f"holds a symbolic link, {name}; put the file itself there",
                        )
                    if entry.is_file(follow_symlinks=False):
                        files.add(name, read_file(Path(entry.path), files.room))


def add_helpers(files: Files, folder: Path, main: str) -> None:
    """Adds the modules and packages in `folder` that `main`, or one of them, imports.

    What defines a pruner is a submission of its own, and so is not added.

    Raises: as `add_folder`.
    """
    pending = [main]
    seen = {PurePosixPath(main).stem}
    while pending:
        name = pending.pop()
        imported = _imported(name, files.found[name])
        if len(imported) > _MOST_IMPORTS:
            raise PluginError(files.path, f"imports more than {_MOST_IMPORTS} names")
        for module in sorted(imported - seen - _OURS):
            seen.add(module)
            own = Files(files.path)
            try:
                _add_module(own, folder, module)
            except PluginError as error:
                what = f"imports {module!r}, and the folder of that name next to it {error.message}"
                raise PluginError(files.path, what) from error
            if any(_IS_SUBMISSION.search(_text_of(*item)) for item in own.found.items()):
                continue
            for added, content in own.found.items():
                files.add(added, content)
                pending.append(added)


def _add_module(files: Files, folder: Path, module: str) -> None:
    """Adds the file of a module, or all modules of a package; nothing where there is neither."""
    file, package = folder / f"{module}.py", folder / module
    if file.is_file() and not file.is_symlink():
        files.add(file.name, read_file(file, files.room))
    elif package.is_dir() and not package.is_symlink():
        add_folder(files, package, f"{module}/", suffix=".py")


def read_file(path: Path, most: int) -> bytes:
    """Returns at most `most` bytes of a regular file; what is swapped for it is not followed.

    Raises:
        OSError: it cannot be read, or is something else.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path} is not a regular file")
        return file.read(min(most, status.st_size + 1))


def _offers(name: str, content: bytes) -> bool:
    """Whether a file seems to define a pruner; a package's `__init__.py` may import it."""
    looked_for = _MENTIONS if PurePosixPath(name).name == "__init__.py" else _DEFINES
    return looked_for.search(_text_of(name, content)) is not None


def _imported(name: str, content: bytes) -> set[str]:
    """Returns words after an `import` or a `from`, those of imported names included.

    No more than one beyond the bound: that are more than anybody writes.
    """
    text = _text_of(name, content).replace("\\\n", " ")
    words: set[str] = set()
    for found in _IMPORT.finditer(text):
        for word in re.finditer(r"\w+", found[1]):
            words.add(word[0])
            if len(words) > _MOST_IMPORTS:
                return words
    return words


def _text_of(name: str, content: bytes) -> str:
    """Returns the source text of a file, its lines ended alike; of a notebook, also other lines.

    A notebook is not read as JSON here, since that can take many times its size of memory.
    """
    text = content[:_MOST_SCANNED].decode("utf-8", errors="replace")
    if name.lower().endswith(".ipynb"):
        text = text.replace('\\"', "'").replace('"', "\n").replace("\\n", "\n")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _listed(names: list[str], prefix: str) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(name.removeprefix(prefix) for name in names[:5]) + more


def parents(name: str) -> Iterator[str]:
    """Yields the folders that a name goes through."""
    for parent in PurePosixPath(name).parents:
        if parent.name:
            yield parent.as_posix()
