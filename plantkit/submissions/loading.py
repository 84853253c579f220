"""Importing a submission: in the child process only, since that runs its code.

Its own modules are found before installed ones, but never in place of Python's own. Code is
compiled under the names that the user knows, so that tracebacks show these; `__file__` is where
the file lies.
"""

from __future__ import annotations
import __future__

import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from plantkit.errors import PluginError, describe
from plantkit.submissions.notebooks import NotebookError, code_cells, python_of
from plantkit.submissions.submission import CELL, Place, Staged

_FUTURES = sum({getattr(__future__, name).compiler_flag for name in __future__.all_feature_names})


def import_submission(staged: Staged) -> ModuleType:
    """Returns the module that the submission's main file makes. Runs its code.

    Modules of a submission that was imported before are forgotten.

    Raises:
        PluginError: it cannot be imported; says where.
    """
    for finder in [one for one in sys.meta_path if isinstance(one, _Finder)]:
        finder.forget()
    name = f"plantkit_submission_{re.sub(r'[^0-9a-zA-Z_]', '_', staged.name)}"
    finder = _Finder(staged)
    sys.meta_path.insert(0, finder)
    folder, main = staged.main_file.parent, staged.main_file
    package = folder / "__init__.py"
    try:
        if package.is_file():
            module = finder.run(name, package, [str(folder)])
            if main.name == package.name:
                return module
            name = f"{name}.main"
        return finder.run(name, main)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        what = f"cannot be imported: {describe(error)}"
        if isinstance(error, SyntaxError):
            what = f"syntax error: {error.msg}"
        elif isinstance(error, NotebookError):
            what = str(error)
        place = staged.locate(error) or Place(name="", line=None)
        raise PluginError(staged.path, what, place=place.name, line=place.line) from error


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of one submission."""

    def __init__(self, staged: Staged) -> None:
        self._staged = staged
        self._names: set[str] = set()
        self._places = list(dict.fromkeys([str(staged.main_file.parent), staged.root]))

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if path is None and fullname in sys.stdlib_module_names:
            return None
        for place in self._places if path is None else filter(self._is_own, path):
            finder = importlib.machinery.FileFinder(place, (self._loader, [".py"]))  # type: ignore[arg-type]
            found = finder.find_spec(fullname, target)
            if found is not None and not (found.loader is None and _is_installed(fullname, path)):
                self._names.add(fullname)
                return found
        return None

    def run(self, name: str, file: Path, inside: list[str] | None = None) -> ModuleType:
        """Returns the module `name` made of `file`; a package if it looks `inside` of folders."""
        spec = importlib.util.spec_from_file_location(
            name, file, loader=self._loader(name, str(file)), submodule_search_locations=inside
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        self._names.add(name)
        sys.modules[name] = module  # dataclasses look their module up there
        spec.loader.exec_module(module)
        return module

    def forget(self) -> None:
        """Finds nothing any more, and takes back what it has found."""
        sys.meta_path.remove(self)
        for name in self._names:
            sys.modules.pop(name, None)

    def _is_own(self, place: str) -> bool:
        return Path(self._staged.root) in [Path(place), *Path(place).parents]

    def _loader(self, name: str, path: str) -> importlib.machinery.SourceFileLoader:
        kind = _NotebookLoader if path.lower().endswith(".ipynb") else _Loader
        return kind(name, path, self._staged)


def _is_installed(fullname: str, path: Sequence[str] | None) -> bool:
    """Whether a folder of a submission has the name of a package that is installed."""
    found = None if path is not None else importlib.machinery.PathFinder.find_spec(fullname)
    return found is not None and found.loader is not None


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a file under the name that the user knows."""

    def __init__(self, name: str, path: str, staged: Staged) -> None:
        super().__init__(name, path)
        self.shown = staged.shown(path)

    def path_stats(self, path: Any) -> Any:
        raise OSError("compiled files are neither read nor written")

    def source_to_code(  # type: ignore[override]  # static in its base's base only
        self, data: Any, path: Any, *_: Any, **__: Any
    ) -> CodeType:
        return self.compiled(data, self.shown)

    def compiled(self, source: str | bytes, shown: str, flags: int = 0) -> CodeType:
        """Returns the code of `source`; tracebacks find its lines."""
        text = source if isinstance(source, str) else source.decode("utf-8", errors="replace")
        linecache.cache[shown] = (len(text), None, text.splitlines(keepends=True), shown)
        code: CodeType = compile(source, shown, "exec", flags=flags, dont_inherit=True)
        return code


class _NotebookLoader(_Loader):
    """Loads the code cells of a notebook, one after the other."""

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["display"] = print
        flags = 0  # as in Jupyter, what one cell imports from __future__ holds for those below
        for number, cell in enumerate(code_cells(Path(self.path).read_bytes()), start=1):
            code = self.compiled(python_of(cell), f"{self.shown}{CELL}{number}", flags)
            flags |= code.co_flags & _FUTURES
            exec(code, module.__dict__)
