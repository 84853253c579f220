"""A submission: the files that it consists of, and one of them that defines the pruner."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from plantkit.errors import PluginError

#: What may be given as a submission.
ACCEPTED = (
    "a Python file (.py), a notebook (.ipynb), a folder or .zip file that holds one, "
    "or - for standard input"
)
#: Most files of one submission, and bytes in all of them.
MOST_FILES = 500
MOST_BYTES = 64 * 1024 * 1024

#: Most characters of the name of one file, folders included.
MOST_NAME = 400

#: Between the name of a notebook and the number of a cell, in messages.
CELL = ", code cell "


class Files:
    """Collects the files of the submission at `path`, and refuses those beyond the bounds."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.found: dict[str, bytes] = {}
        self._left = MOST_BYTES

    @property
    def room(self) -> int:
        """One byte more than may be added: to be read, to see that there is too much."""
        return self._left + 1

    def add(self, name: str, content: bytes) -> None:
        """Adds a file; `name` is relative and has slashes.

        Raises:
            PluginError: that makes too many files or bytes, or the name is too long.
        """
        if len(name) > MOST_NAME:
            raise PluginError(self.path, f"holds a file whose name is too long: {name[:80]}...")
        self._left -= len(content)
        self.found[name] = content
        if self._left < 0:
            limit = MOST_BYTES // (1024 * 1024)
            raise PluginError(self.path, f"is larger than {limit} MiB, the most for a submission")
        if len(self.found) > MOST_FILES:
            raise PluginError(
                self.path,
                f"holds more than {MOST_FILES} files, the most for a submission; give the "
                "submission's own folder or file",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What was read of a submission.

    path: what was given. base: the directory, or zip, that names are relative to, as messages
    show it. main: the name of the file that defines the pruner. files: name to content; names
    have slashes.
    """

    path: str
    base: str
    main: str
    files: Mapping[str, bytes] = field(repr=False)

    @property
    def main_path(self) -> str:
        """The path of the main file, as messages show it."""
        return os.path.join(self.base, self.main)  # noqa: PTH118 - base may be a zip

    @property
    def digest(self) -> str:
        """SHA-256 of all names and contents; of a file alone, that of its content."""
        if list(self.files) == [self.main]:
            return hashlib.sha256(self.files[self.main]).hexdigest()
        state = hashlib.sha256(os.fsencode(f"{self.main}\0"))
        for name, content in sorted(self.files.items()):
            state.update(os.fsencode(f"{name}\0{len(content)}\0"))
            state.update(content)
        return state.hexdigest()

    def stage(self, root: Path) -> Staged:
        """Writes the files below `root`, which must not exist, and says where they are."""
        for name, content in self.files.items():
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return Staged(root=str(root), main=self.main, base=self.base, path=self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a submission something happened.

    name: of the file and of a notebook's cell; "" for the one file that was given.
    """

    name: str
    line: int | None

    def __str__(self) -> str:
        return ", ".join(filter(None, [self.name, f"line {self.line}" if self.line else ""]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A submission on disk, below `root`; see `Submission` for the rest."""

    root: str
    main: str
    base: str
    path: str

    @classmethod
    def in_place(cls, path: Path) -> Staged:
        """Returns a file where it lies, with all that lies next to it."""
        return cls(root=str(path.parent), main=path.name, base=str(path.parent), path=str(path))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def main_file(self) -> Path:
        return Path(self.root) / self.main

    @property
    def name(self) -> str:
        """The name that the submission has: of its main file, or of the package that it is."""
        main = PurePosixPath(self.main)
        if main.stem != "__init__":
            return main.stem
        return main.parent.name or Path(self.base).stem

    def shown(self, path: str) -> str:
        """Returns the path of a file below `root` as the user knows it."""
        return os.path.join(self.base, os.path.relpath(path, self.root))  # noqa: PTH118

    def place(self, filename: str, line: int | None) -> Place | None:
        """Returns the place in the file that messages call `filename`; None for others' files."""
        file, cell, number = filename.partition(CELL)
        if self.base and not file.startswith(self.base + os.sep):
            return None
        name = file[len(self.base) + 1 :] if self.base else file
        if not name or not (Path(self.root) / name).is_file():
            return None
        if file == self.path:
            return Place(name=(cell + number).removeprefix(", "), line=line)
        inner = file.removeprefix(self.path + os.sep)
        return Place(name=(inner if inner != file else name) + cell + number, line=line)

    def is_own(self, filename: str) -> bool:
        """Whether the file that messages call `filename` is one of the submission's."""
        return self.place(filename, None) is not None

    def locate(self, error: BaseException) -> Place | None:
        """Returns the innermost place of the submission at which `error` was raised, or None."""
        if isinstance(error, SyntaxError) and error.filename is not None:
            found = self.place(error.filename, error.lineno)
            if found is not None:
                return found
        places = [self.place(filename, line) for filename, line in _frames(error)]
        return next((place for place in reversed(places) if place is not None), None)


def _frames(error: BaseException) -> Iterator[tuple[str, int | None]]:
    step = error.__traceback__
    while step is not None:
        yield step.tb_frame.f_code.co_filename, step.tb_lineno
        step = step.tb_next
